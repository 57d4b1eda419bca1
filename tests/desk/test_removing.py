"""What is removed: refused while anything of it is live, and told by history for ever."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.directory import read_channels
from relay.channels.read import read_rows
from relay.desk.actor import Actor
from relay.desk.changes import list_changes
from relay.desk.channels import ChannelKeys, add_channel, remove_channel
from relay.desk.codes import make_codes, redeem_code
from relay.desk.errors import Busy, InUse, NotPossible, SameAccount
from relay.desk.money import add_quota, adjust_quota, set_credit
from relay.desk.tasks import release
from relay.desk.tenants import TenantChanges, change_tenant, open_tenant, remove_tenant
from relay.owners.learn import find_owners
from relay.tasks.inspect import TaskFilter, list_tasks, read_story
from relay.tenants.read import read_tenants
from relay.worker.chores import forget_raw
from tests.desk.test_locks import has_met_it, somebody_else
from tests.desk.world import ANN, CHANNEL_KEYS, CURRENCY, FORMER_CHANNEL, Desk
from tests.waiting import wait_until


async def end_all(desk: Desk) -> None:
    """Leave nothing of acme's live, and no quota."""
    open_ids = await desk.rows("SELECT id FROM tasks WHERE hold_ended_at IS NULL")
    for row in open_ids:
        await desk.act(lambda session, actor: release(session, actor, row["id"], reason="over"))  # noqa: B023 (awaited here)
    await desk.run("UPDATE tasks SET next_look_at = NULL")
    await desk.run("UPDATE deliveries SET state = 'delivered', lease = NULL")
    account = await desk.row(f"SELECT quota_micros FROM accounts WHERE id = {desk.account_id}")
    await desk.act(adjusting(-account["quota_micros"]))


def adjusting(amount: int) -> Any:
    return lambda session, actor: adjust_quota(
        session, actor, "acme", amount_micros=amount, reason="even", currency=CURRENCY
    )


def removing(name: str = "acme") -> Any:
    return lambda session, actor: remove_tenant(session, actor, name)


def removing_channel(name: str = "main") -> Any:
    return lambda session, actor: remove_channel(session, actor, name)


async def test_each_live_thing_by_itself_keeps_a_tenant(desk: Desk) -> None:
    """An open hold, a task to be looked at, a callback to be made, quota, debt; then it goes."""
    await end_all(desk)
    task_id, account = desk.tasks.charged, f"accounts WHERE id = {desk.account_id}"
    undone = [
        (f"UPDATE tasks SET next_look_at = {{}} WHERE id = {task_id}", "now()", "NULL", "tasks"),
        (
            f"UPDATE deliveries SET state = '{{}}' WHERE id = {desk.deliveries['dead']}",
            *("due", "dead", "deliveries"),
        ),
    ]
    for statement, live, over, field in undone:
        await desk.run(statement.format(live))
        with pytest.raises(InUse) as raised:
            await desk.act(removing())
        assert getattr(raised.value, field) == 1
        await desk.run(statement.format(over))
    for amount in (1, -2):
        await desk.act(adjusting(amount))
        with pytest.raises(InUse) as raised:
            await desk.act(removing())
        assert (
            raised.value.quota_micros == (await desk.row(f"SELECT quota_micros FROM {account}"))[0]
        )
    await desk.act(adjusting(1))
    await desk.run(f"UPDATE accounts SET credit_micros = 5 WHERE id = {desk.account_id}")

    await desk.act(removing())

    row = await desk.row("SELECT * FROM tenants WHERE id = 1")
    assert (row["name"], row["enabled"]) == ("acme (removed #1)", False)
    assert row["removed_at"] is not None
    # A submit that was let in before it was removed would still find a credit to hold.
    assert (await desk.row(f"SELECT credit_micros FROM {account}"))[0] == 0
    tokens = await desk.rows("SELECT 1 FROM tokens WHERE tenant_id = 1 AND revoked_at IS NULL")
    assert tokens == []


async def test_what_is_left_on_an_account_that_others_draw_on_is_theirs(desk: Desk) -> None:
    """Only who was alone on it leaves quota behind."""
    await desk.run(
        "UPDATE tenants SET account_id = (SELECT account_id FROM tenants"
        " WHERE name = 'beta') WHERE name = 'idle'"
    )

    await desk.act(removing("idle"))
    with pytest.raises(InUse):
        await desk.act(removing("beta"))


@pytest.mark.parametrize("act", [removing(), removing_channel()], ids=["tenant", "channel"])
async def test_a_submit_on_its_way_is_not_overlooked(desk: Desk, act: Any) -> None:
    """Its hold is not committed: it is waited for, and then its task is counted."""
    await end_all(desk)
    await desk.act(adjusting(10**7))

    outcome: object = Busy()
    while isinstance(outcome, Busy):  # this machine took longer than a lock is waited for
        async with somebody_else(desk) as other:
            await desk.hold(on=other)
            trying = asyncio.create_task(desk.act(act))
            await wait_until(lambda: has_met_it(desk, trying))  # noqa: B023 (awaited below)
            await other.execute("COMMIT")
        (outcome,) = await asyncio.gather(trying, return_exceptions=True)

    assert isinstance(outcome, InUse)
    assert outcome.tasks >= 1
    assert await desk.rows("SELECT 1 FROM tenants WHERE id = 1 AND removed_at IS NULL")
    assert await desk.rows("SELECT 1 FROM channels WHERE id = 1 AND removed_at IS NULL")


async def test_no_money_lands_on_a_tenant_that_was_removed_meanwhile(desk: Desk) -> None:
    """A top-up, a credit and a code wait for the account, and find whose it was removed."""
    await end_all(desk)
    money: dict[str, Any] = {"amount_micros": 5, "currency": CURRENCY}
    codes = await desk.act(
        lambda session, actor: make_codes(
            *(session, actor, "late"), count=1, expires_at=None, **money
        )
    )
    acts: list[Any] = [
        lambda s, actor: add_quota(s, actor, "acme", reference="late", **money),
        lambda s, actor: set_credit(s, actor, "acme", credit_micros=5, reason="late"),
        lambda s, actor: redeem_code(s, actor, "acme", codes[0].code, currency=CURRENCY),
    ]
    waiting = (
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    async with desk.sessions.begin() as session:
        await remove_tenant(session, ANN, "acme")
        trying = [asyncio.create_task(desk.act(one)) for one in acts]

        async def have_met_it() -> bool:
            ended = sum(task.done() for task in trying)  # Busy, on a machine that took too long
            return int((await desk.row(waiting))["n"]) + ended >= len(trying)

        await wait_until(have_met_it)
    outcomes = await asyncio.gather(*trying, return_exceptions=True)

    assert all(isinstance(one, NotPossible | Busy) for one in outcomes), outcomes
    account = await desk.row(f"SELECT * FROM accounts WHERE id = {desk.account_id}")
    assert (account["quota_micros"], account["credit_micros"]) == (0, 0)
    assert not await desk.rows("SELECT 1 FROM codes WHERE redeemed_at IS NOT NULL")


async def test_history_stays_readable_and_the_names_are_free(desk: Desk) -> None:
    """Lists, stories and changes name what was removed; another one may have its name."""
    await end_all(desk)
    await desk.act(removing())
    await desk.act(removing_channel())

    async def work(session: AsyncSession, actor: Actor) -> None:
        await open_tenant(session, actor, "acme", quota_micros=0, currency=CURRENCY)
        await add_channel(
            *(session, actor, desk.keys),
            name="main",
            base_url="https://kling.test",
            channel_keys=ChannelKeys(api_key="of-another-account"),
        )
        listed = await list_tasks(session, TaskFilter(tenant_id=1), limit=100)
        assert len(listed) == len(desk.tasks)
        assert {(one.tenant, one.channel) for one in listed} == {
            ("acme (removed #1)", "main (removed #1)")
        }
        story = await read_story(session, desk.tasks.charged)
        assert (story.tenant, story.channel) == ("acme (removed #1)", "main (removed #1)")
        for name in ("acme", "acme (removed #1)"):
            acts = [one.act for one in await list_changes(session, subject=name, limit=100)]
            assert {"tenant.remove", "tenant.top_up", "tenant.adjust"} <= set(acts)
        assert [one.name for one in await read_tenants(session)] == ["acme", "beta", "idle"]
        removed = [one.name for one in await read_tenants(session, with_removed=True)][3:]
        assert removed == ["acme (removed #1)", "former (removed #4)"]
        assert {one.name for one in await read_rows(session)} == {"main", "spare"}
        assert len(await read_rows(session, with_removed=True)) == 4

    await desk.act(work)


async def test_a_renamed_tenant_is_found_by_its_past(desk: Desk) -> None:
    """Changes under the old name are found by the new one too, and the old name is free."""

    async def work(session: AsyncSession, actor: Actor) -> None:
        await change_tenant(session, actor, "acme", TenantChanges(name="acme-europe"))
        await open_tenant(session, actor, "acme", quota_micros=0, currency=CURRENCY)
        acts = [one.act for one in await list_changes(session, subject="acme-europe", limit=100)]
        assert acts[0] == "tenant.change"
        assert acts[-1] == "tenant.open"
        assert "tenant.top_up" in acts

    await desk.act(work)


async def test_the_keys_of_a_removed_channel_go_after_a_day(desk: Desk) -> None:
    """A submit may have chosen it just before: till then it can be asked for, and no new one."""
    sealed = (
        "SELECT coalesce(access_key, secret_key_sealed, api_key_sealed, webhook_secret_sealed,"
        " proxy_password_sealed) IS NOT NULL AS has_keys FROM channels ORDER BY id"
    )

    async def has_keys() -> list[bool]:
        await forget_raw(desk.sessions, days=30)
        return [row["has_keys"] for row in await desk.rows(sealed)]

    assert await has_keys() == [True, True, True]
    async with desk.sessions() as session:
        former = (await read_channels(session, desk.keys))[2]
    assert (former.enabled, former.api_key) == (False, CHANNEL_KEYS.api_key)

    await desk.run("UPDATE channels SET removed_at = now() - interval '25 hours' WHERE id = 3")
    await desk.run(f"UPDATE tasks SET channel_id = 3 WHERE id = {desk.tasks.unsent}")
    assert await has_keys() == [True, True, True]
    await desk.act(lambda session, actor: release(session, actor, desk.tasks.unsent, reason="gone"))
    await desk.run("UPDATE tasks SET next_look_at = NULL")
    assert await has_keys() == [True, True, False]


async def test_what_lives_on_a_removed_channel_is_not_there(desk: Desk) -> None:
    """As if it had never been learned: a request that names it is refused for good."""
    await desk.run(
        "INSERT INTO owners (kind, resource_id, channel_id, tenant_id)"
        " SELECT 'voice', 'v-' || name, id, 1 FROM channels"
    )

    found = await find_owners(desk.pool, ["v-main", "v-spare", f"v-{FORMER_CHANNEL}"])

    assert {one.id for one in found if not one.is_deleted} == {"v-main", "v-spare"}


async def test_of_two_desks_one_adds_an_account(desk: Desk) -> None:
    """Under two names at once: the second one is Busy, and then hears of the first."""
    keys = ChannelKeys(api_key="the-key-of-a-new-account")

    async def add(session: AsyncSession, actor: Actor, name: str) -> object:
        return await add_channel(
            *(session, actor, desk.keys),
            name=name,
            base_url="https://kling.test",
            channel_keys=keys,
        )

    async with desk.sessions.begin() as session:
        await add(session, ANN, "first")
        with pytest.raises(Busy):
            await desk.act(lambda other, actor: add(other, actor, "second"))
    with pytest.raises(SameAccount, match="'first'"):
        await desk.act(lambda other, actor: add(other, actor, "second"))
