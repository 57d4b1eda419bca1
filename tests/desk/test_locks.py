"""Whoever holds what an act needs is waited for briefly: then it is Busy, and wrote nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import dsn, open_engine, open_sessions
from relay.desk.channels import ChannelChanges, change_channel
from relay.desk.errors import Busy, NoSuch
from relay.desk.money import adjust_quota
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tasks import refund, release, settle
from relay.desk.tenants import TenantChanges, change_tenant
from relay.proxy.asked import name_now
from relay.tasks.finish import FINISH
from tests.desk.acts import BROUGHT_KEY, DONE, NEW_KEYS
from tests.desk.world import ANN, CURRENCY, Desk, columns
from tests.tasks.told import told_success
from tests.waiting import PATIENCE_S, wait_until

ACCOUNT = "SELECT 1 FROM accounts FOR NO KEY UPDATE"
TASKS = "SELECT 1 FROM tasks FOR NO KEY UPDATE"
OPERATORS = "SELECT 1 FROM operators FOR NO KEY UPDATE"
NAMED = "INSERT INTO channels (name, base_url, api_key_sealed) VALUES ('{}', '', '')"
HELD = {
    "note_backup": "LOCK TABLE backups IN SHARE MODE",
    "mark_restored": "SELECT 1 FROM deployment FOR NO KEY UPDATE",
    "open_tenant": "INSERT INTO tenants (name, account_id)"
    " SELECT 'gamma', account_id FROM tenants WHERE id = 1",
    "open_sub_tenant": "SELECT 1 FROM tenants FOR NO KEY UPDATE",
    "change_tenant": "SELECT 1 FROM tenants FOR NO KEY UPDATE",
    "change_tenant only what is new": ACCOUNT,
    "change_tenant one field": "SELECT 1 FROM tenants FOR NO KEY UPDATE",
    "change_tenant name": "INSERT INTO tenants (name, account_id)"
    " SELECT 'acme-europe', account_id FROM tenants WHERE id = 1",
    "remove_tenant": ACCOUNT,
    "remove_channel": "SELECT 1 FROM channels FOR KEY SHARE",
    "issue_webhook_secret": "SELECT"
    " pg_advisory_xact_lock(hashtextextended('webhook_secrets/1', 0))",
    "issue_webhook_secret again": "SELECT 1 FROM webhook_secrets FOR NO KEY UPDATE",
    "add_quota": ACCOUNT,
    "add_quota a correction": ACCOUNT,
    "move_tenant": "INSERT INTO tenants (name, account_id)"
    " SELECT 'dora', account_id FROM tenants WHERE id = 1",
    "move_tenant again": ACCOUNT,
    "move_models": "LOCK TABLE moved_models IN SHARE MODE",
    "move_tasks": "INSERT INTO moved_tasks VALUES"
    " (1, 'task_1', 'text2video', NULL, true, '', NULL, '{}', now(), NULL)",
    "adjust_quota": ACCOUNT,
    "set_credit": ACCOUNT,
    "make_codes": "INSERT INTO code_batches (name, topup_kind) VALUES ('summer', 'paid')",
    "revoke_codes": "SELECT 1 FROM codes FOR NO KEY UPDATE",
    "redeem_code": ACCOUNT,
    "move_codes": "INSERT INTO code_batches (name, topup_kind) VALUES ('new-api codes', 'paid')",
    "close_month": ACCOUNT,
    "add_channel": NAMED.format("third"),
    "change_channel": NAMED.format("first"),
    "change_channel way out": "SELECT 1 FROM channels FOR NO KEY UPDATE",
    "change_channel keys": "SELECT 1 FROM channels FOR NO KEY UPDATE",
    "end_drain": "SELECT 1 FROM channels FOR NO KEY UPDATE",
    "set_invoice_profile": "SELECT 1 FROM invoice_profiles FOR NO KEY UPDATE",
    "request_invoice": "SELECT 1 FROM invoice_profiles FOR NO KEY UPDATE",
    "issue_invoice": "SELECT 1 FROM invoices FOR NO KEY UPDATE",
    "reject_invoice": "SELECT 1 FROM invoices FOR NO KEY UPDATE",
    "reverse_invoice": "SELECT 1 FROM invoices FOR NO KEY UPDATE",
    "set_channel_cost": "SELECT 1 FROM channels FOR NO KEY UPDATE",
    "begin_trial": "SELECT 1 FROM channels FOR NO KEY UPDATE",
    "note_trial": "SELECT 1 FROM channels FOR NO KEY UPDATE",
    "issue_token": "INSERT INTO tokens (tenant_id, api_key_hash)"
    f" VALUES (1, sha256('{BROUGHT_KEY}'))",
    "issue_token of our own": "LOCK TABLE tokens IN SHARE MODE",
    "set_gates": "SELECT 1 FROM tenants FOR NO KEY UPDATE",
    "set_gates of a token": "SELECT 1 FROM tokens FOR NO KEY UPDATE",
    "change_token groups": "SELECT 1 FROM tokens FOR NO KEY UPDATE",
    "change_token name": "SELECT 1 FROM tokens FOR NO KEY UPDATE",
    "rotate_token": "SELECT 1 FROM tokens FOR NO KEY UPDATE",
    "change_token": "SELECT 1 FROM tokens FOR NO KEY UPDATE",
    "set_limits": TASKS,
    "set_limits of a token": ACCOUNT,
    "set_limits taken away": "SELECT 1 FROM limits FOR NO KEY UPDATE",
    "raise_limit": "SELECT 1 FROM limits FOR NO KEY UPDATE",
    "revoke_token": "SELECT 1 FROM tokens FOR NO KEY UPDATE",
    "revoke_token leaked": "SELECT 1 FROM tokens FOR NO KEY UPDATE",
    "set_price": "LOCK TABLE price_rows IN ROW EXCLUSIVE MODE",
    "set_price again": "SELECT 1 FROM price_rows FOR NO KEY UPDATE",
    "set_price to come": "LOCK TABLE price_rows IN ROW EXCLUSIVE MODE",
    "remove_price": "LOCK TABLE price_rows IN ROW EXCLUSIVE MODE",
    "remove_price later": "SELECT 1 FROM price_rows FOR NO KEY UPDATE",
    "set_multiplier": "LOCK TABLE multipliers IN ROW EXCLUSIVE MODE",
    "set_multiplier to come": "SELECT 1 FROM multipliers FOR NO KEY UPDATE",
    "end_multiplier": "LOCK TABLE multipliers IN ROW EXCLUSIVE MODE",
    "import_prices": "LOCK TABLE multipliers IN ROW EXCLUSIVE MODE",
    "say_amounts": "SELECT 1 FROM price_state FOR NO KEY UPDATE",
    "adopt_list": "LOCK TABLE price_lists IN SHARE UPDATE EXCLUSIVE MODE",
    "add_place": "LOCK TABLE alert_places IN SHARE MODE",
    "remove_place": "SELECT 1 FROM alert_places FOR NO KEY UPDATE",
    "add_notice_place": "SELECT 1 FROM tenants FOR NO KEY UPDATE",
    "remove_notice_place": "SELECT 1 FROM notice_places FOR NO KEY UPDATE",
    "replay_notice": "SELECT 1 FROM notices FOR NO KEY UPDATE",
    "send_test_notice": "SELECT 1 FROM notice_places FOR NO KEY UPDATE",
    "change_rule": "SELECT 1 FROM alert_rules FOR NO KEY UPDATE",
    "mute_rule": "INSERT INTO alert_rules (name) VALUES ('task-old')",
    "pause_creates": "SELECT 1 FROM tenants FOR UPDATE",
    "pause_creates all": "LOCK TABLE pauses IN SHARE MODE",
    "end_pause": "SELECT 1 FROM pauses FOR NO KEY UPDATE",
    "claim_owners": "INSERT INTO owners (kind, resource_id, channel_id, tenant_id)"
    " VALUES ('element', 'two', 1, 2)",
    "delete_asset": "SELECT 1 FROM assets FOR NO KEY UPDATE",
    "charge_storage": ACCOUNT,
    "mend_store": "SELECT 1 FROM asset_objects FOR NO KEY UPDATE",
    "replay_delivery": "SELECT 1 FROM deliveries FOR NO KEY UPDATE",
    "reseal_values": "SELECT 1 FROM channels FOR NO KEY UPDATE",
    "retire_keys": "SELECT 1 FROM secret_keys FOR NO KEY UPDATE",
    "lose_key": "SELECT 1 FROM secret_keys FOR NO KEY UPDATE",
    "settle": TASKS,
    "settle followed": ACCOUNT,
    "release": TASKS,
    "release unsent": ACCOUNT,
    "refund": ACCOUNT,
    "refund a part": ACCOUNT,
    "cancel": ACCOUNT,
    "unflag": TASKS,
    "look_now": TASKS,
    "note_refusal": "LOCK TABLE changes IN SHARE MODE",
    "add_operator": "INSERT INTO operators (name, role) VALUES ('eve', 'viewer')",
    "change_operator": OPERATORS,
    "change_operator to one that may not": OPERATORS,
    "remove_operator": OPERATORS,
    "issue_operator_token": OPERATORS,
    "set_password": OPERATORS,
    "set_password taken away": "SELECT 1 FROM web_sessions FOR NO KEY UPDATE",
    "set_second_factor": OPERATORS,
    "set_second_factor taken away": OPERATORS,
    "end_web_session": "SELECT 1 FROM web_sessions FOR NO KEY UPDATE",
    "log_out of all": OPERATORS,
    "open_console": "LOCK TABLE login_links IN SHARE MODE",
    "link_tenant": "SELECT 1 FROM tenants FOR NO KEY UPDATE",
    "end_own_session": "SELECT 1 FROM portal_sessions FOR NO KEY UPDATE",
    "end_sessions_of": "SELECT 1 FROM portal_sessions FOR NO KEY UPDATE",
    "revoke_operator_token": "SELECT 1 FROM operator_tokens FOR NO KEY UPDATE",
}
"""What somebody else has locked or written, and not committed, while an act is tried."""


@asynccontextmanager
async def somebody_else(desk: Desk) -> AsyncIterator[Any]:
    """A connection with an open transaction, rolled back at the end unless it was committed."""
    connection = await asyncpg.connect(dsn(desk.database_url))
    try:
        await connection.execute("BEGIN")
        yield connection
    finally:
        await connection.close()


async def is_waited_for(desk: Desk) -> bool:
    return bool(
        await desk.rows(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
    )


async def has_met_it(desk: Desk, act: asyncio.Task[Any]) -> bool:
    """Whether an act waits for somebody, or has waited long enough."""
    return act.done() or await is_waited_for(desk)


def test_every_act_has_somebody_in_its_way() -> None:
    """The table above has a line for each act that is done."""
    assert HELD.keys() == {str(case) for case in DONE}


async def test_what_somebody_holds_is_not_waited_for(desk: Desk, subtests: pytest.Subtests) -> None:
    """Busy while it is held, and no table differs; once it is free, the act is done."""
    before = await desk.dump()

    for case in DONE:
        with subtests.test(str(case)):
            async with somebody_else(desk) as other, asyncio.timeout(PATIENCE_S):
                await other.execute(HELD[str(case)])
                with pytest.raises(Busy, match="somebody else is writing the same just now"):
                    await desk.act(partial(case.do, desk))
            assert await desk.dump() == before
            async with desk.sessions() as session:
                await case.do(desk, session, ANN)
                await session.rollback()  # for the next one the desk is as it was


async def test_the_wait_is_the_acts_own(desk: Desk) -> None:
    """A quarter of a second in its transaction, also for what follows there; none in the next."""
    engine = open_engine(desk.database_url, connections=1)
    sessions = open_sessions(engine)

    async def seen(session: AsyncSession) -> tuple[Any, Any]:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        return pid, await session.scalar(text("SHOW lock_timeout"))

    async with sessions.begin() as session:
        await settle(session, ANN, desk.tasks.live, reason="seen")
        inside = await seen(session)
    async with sessions.begin() as session:
        after = await seen(session)
    async with somebody_else(desk) as other:
        await other.execute(TASKS)
        with pytest.raises(Busy):
            async with sessions.begin() as session:
                await release(session, ANN, desk.tasks.unsent, reason="gone")
    async with sessions.begin() as session:
        after_busy = await seen(session)

    await engine.dispose()
    assert inside[1] == "250ms"
    assert after == after_busy == (inside[0], "0")


async def test_a_refund_and_an_end_do_not_wait_in_a_circle(desk: Desk) -> None:
    """Ends of two tasks have the first and wait for the second, whose refund takes the account."""
    live, charged = desk.tasks.live, desk.tasks.charged
    ends = columns(told_success(live, f"kling-{live}"), told_success(charged, f"kling-{charged}"))

    async with desk.sessions.begin() as session:
        await session.execute(text(f"SELECT 1 FROM tasks WHERE id = {charged} FOR NO KEY UPDATE"))
        ending = asyncio.create_task(desk.rows(FINISH, *ends))
        await wait_until(lambda: is_waited_for(desk))
        await refund(session, ANN, charged, reason="black")
    ended = await ending

    assert sorted(row["moves"] for row in ended) == [False, True]
    kinds = await desk.rows(
        "SELECT kind FROM entries WHERE task_id = ANY($1) ORDER BY id", [live, charged]
    )
    assert [row["kind"] for row in kinds] == ["charge", "refund", "charge"]


async def test_what_a_task_was_before_is_what_it_had_become(desk: Desk) -> None:
    """A settle that waits for a failure says so: it was failed, not what it was at first."""
    while True:
        task_id = await desk.hold()
        failure = told_success(task_id, f"kling-{task_id}")._replace(state="failed")
        async with somebody_else(desk) as other:
            await other.fetch(FINISH, *columns(failure))
            settling = asyncio.create_task(
                desk.act(lambda session, actor: settle(session, actor, task_id, reason="seen"))  # noqa: B023 (awaited below)
            )
            await wait_until(lambda: has_met_it(desk, settling))  # noqa: B023 (as above)
            await other.execute("COMMIT")
        try:
            await settling
        except Busy:
            continue  # this machine took longer than a lock is waited for
        break

    before = json.loads((await desk.changes())[-1]["before"])
    assert before == {"state": "failed", "charged_micros": None}


async def test_a_channel_that_was_renamed_meanwhile_is_not_changed(desk: Desk) -> None:
    """Keys for `main` must not go to what had that name a moment ago."""
    changes = ChannelChanges(keys=NEW_KEYS)
    before = await desk.changes()

    async with somebody_else(desk) as other:
        await other.execute("UPDATE channels SET name = 'old' WHERE name = 'main'")
        changing = asyncio.create_task(
            desk.act(lambda s, actor: change_channel(s, actor, desk.keys, "main", changes))
        )
        await wait_until(lambda: has_met_it(desk, changing))
        await other.execute("COMMIT")
        with pytest.raises((NoSuch, Busy)):  # Busy where this machine took too long
            await changing

    assert await desk.changes() == before


async def test_a_tenant_is_shut_out_though_somebody_holds_its_account(desk: Desk) -> None:
    """Only a limit is the account's: nothing else of a tenant waits for it."""
    async with somebody_else(desk) as other:
        await other.execute(ACCOUNT)
        await desk.act(
            lambda session, actor: change_tenant(
                session, actor, "acme", TenantChanges(enabled=False)
            )
        )

    assert not (await desk.row("SELECT enabled FROM tenants WHERE name = 'acme'"))["enabled"]


async def test_a_submit_and_an_adjustment_wait_for_each_other_in_turn(desk: Desk) -> None:
    """Twenty of each on one account: all submits hold, and who is Busy has changed nothing."""
    of_acme = f"SELECT quota_micros, open_holds FROM accounts WHERE id = {desk.account_id}"
    before = await desk.row(of_acme)

    async def adjusted() -> bool:
        try:
            await desk.act(
                lambda session, actor: adjust_quota(
                    session, actor, "acme", amount_micros=-1, reason="one", currency=CURRENCY
                )
            )
        except Busy:
            return False
        return True

    outcomes = await asyncio.gather(
        *(each for _ in range(20) for each in (desk.hold(), adjusted()))
    )

    account = await desk.row(of_acme)
    assert account["open_holds"] == before["open_holds"] + 20
    assert account["quota_micros"] == before["quota_micros"] - outcomes[1::2].count(True)
    noted = [change for change in await desk.changes() if change["act"] == "tenant.adjust"]
    assert len(noted) == outcomes[1::2].count(True) > 0


async def test_a_rename_and_the_opening_of_a_sub_tenant_do_not_wait_in_a_circle(desk: Desk) -> None:
    """Who opens it has the name and then locks the row: a rename that waits for it has no row."""
    changes, opened = TenantChanges(name="acme-europe"), 0

    outcome: object = Busy()
    while isinstance(outcome, Busy):  # this machine took longer than a lock is waited for
        async with desk.sessions.begin() as session:
            name = await name_now(session, 1)
            renaming = asyncio.create_task(
                desk.act(lambda s, actor: change_tenant(s, actor, "acme", changes))
            )
            await wait_until(lambda: has_met_it(desk, renaming))  # noqa: B023 (awaited below)
            await session.execute(text("SELECT 1 FROM tenants FOR NO KEY UPDATE NOWAIT"))
            opened += 1
            await open_sub_tenant(session, ANN, name, f"eu-{opened}", resale=Decimal(1))
        (outcome,) = await asyncio.gather(renaming, return_exceptions=True)

    names = await desk.rows("SELECT name FROM tenants WHERE parent_id = 1 ORDER BY id DESC LIMIT 1")
    assert [row["name"] for row in names] == [f"acme-europe/eu-{opened}"]


async def test_a_late_settle_leaves_an_external_id_to_whoever_took_it(desk: Desk) -> None:
    """While another submit takes it, Busy; afterwards the settle goes without it."""
    task_id = await desk.hold(external_id="order-1")
    await desk.act(lambda session, actor: release(session, actor, task_id, reason="gone"))

    async with somebody_else(desk) as other, asyncio.timeout(PATIENCE_S):
        await desk.hold(external_id="order-1", on=other)
        with pytest.raises(Busy):
            await desk.act(lambda session, actor: settle(session, actor, task_id, reason="seen"))
        await other.execute("COMMIT")
    await desk.act(lambda session, actor: settle(session, actor, task_id, reason="seen"))

    rows = await desk.rows(
        "SELECT state, tenant_external_id FROM tasks WHERE id >= $1 ORDER BY id", task_id
    )
    assert [tuple(row) for row in rows] == [("succeed", None), ("pending", "order-1")]
