"""Two tenants that draw on one account: it pays for both, and neither sees the other's tasks."""

import asyncio
import itertools
from collections import Counter
from typing import Any

from relay.database.ids import AccountId, TaskId
from relay.desk.tasks import refund, release
from relay.ledger.accounts import set_tasks_max
from relay.sandbox.settings import SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, bearer, running_relay
from tests.tasks.holding import hold_tasks, told

SLOW = SandboxSettings(task_seconds=60, concurrency=1000, public_url=SANDBOX_URL)
WINDOW = {"start_time": 1, "end_time": 9_000_000_000_000, "limit": 500}
MANY = 100 * CLIP_MICROS


async def open_both(relay: Relay, *, quota_micros: int) -> tuple[IssuedToken, IssuedToken]:
    """Two tenants, the second of which draws on the first one's account; its own stays empty."""
    first = await relay.add_tenant("first", quota_micros=quota_micros)
    second = await relay.add_tenant("second", quota_micros=0)
    await relay.rows(
        "UPDATE tenants SET account_id = (SELECT account_id FROM tenants WHERE name = 'first')"
        " WHERE name = 'second'"
    )
    return first, second


async def account_of(relay: Relay, name: str) -> AccountId:
    row = await relay.row("SELECT account_id FROM tenants WHERE name = $1", name)
    return AccountId(row["account_id"])


async def succeed(relay: Relay, token: IssuedToken, units: str) -> TaskId:
    """A task of this tenant's that ends at once; what it cost is charged."""
    (task,) = await hold_tasks(relay, token)
    await relay.call_back_on(
        task.injected_id, task.channel_id, told(task, "succeed", final_unit_deduction=units)
    )
    return task.id


async def test_both_together_never_spend_more_than_there_is(books: str) -> None:
    """Eighty submits of two tenants by two replicas, with quota for 23: 23 are taken."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        tokens = await open_both(relay, quota_micros=24 * CLIP_MICROS - 1)
        async with running_relay(books, beside=relay) as other:
            answers = await asyncio.gather(
                *(
                    replica.submit(token)
                    for replica, token, _ in itertools.product((relay, other), tokens, range(20))
                )
            )

        assert Counter(answer.json()["code"] for answer in answers) == {0: 23, 1102: 57}
        assert await relay.account("first") == (24 * CLIP_MICROS - 1, 23 * CLIP_MICROS)
        assert await relay.account("second") == await relay.account("first")
        holders = await relay.rows("SELECT DISTINCT account_id FROM tasks")
        assert [row["account_id"] for row in holders] == [await account_of(relay, "first")]


async def test_tasks_at_a_time_are_counted_of_both(books: str) -> None:
    """At most five for the account; a task that ends makes room for either."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        first, second = await open_both(relay, quota_micros=MANY)
        async with relay.sessions.begin() as session:
            await set_tasks_max(session, await account_of(relay, "second"), 5)

        answers = await asyncio.gather(
            *(relay.submit(token) for token in (first, second) for _ in range(10))
        )
        task = await relay.row("SELECT id FROM tasks ORDER BY id LIMIT 1")
        await relay.act(release, task["id"])
        after = [(await relay.submit(second)).json()["code"] for _ in range(2)]

        assert Counter(answer.json()["code"] for answer in answers) == {0: 5, 1303: 15}
        assert after == [0, 1303]


async def test_charges_and_refunds_land_on_the_account_that_was_held(books: str) -> None:
    """Also when the tenant has been moved to another account meanwhile."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        first, second = await open_both(relay, quota_micros=MANY)
        (before,) = await hold_tasks(relay, second)
        await relay.rows(
            "UPDATE tenants SET account_id = (SELECT id FROM accounts WHERE quota_micros = 0)"
            " WHERE name = 'second'"
        )
        poor = await relay.submit(second)
        rich = await relay.submit(first)

        await relay.call_back_on(
            before.injected_id, before.channel_id, told(before, "succeed", final_unit_deduction="2")
        )
        charged = await relay.account("first")
        refunded = await relay.act(refund, before.id)

        assert (poor.json()["code"], rich.json()["code"]) == (1102, 0)
        assert charged == (MANY - 280_000, CLIP_MICROS)
        assert refunded
        assert await relay.account("first") == (MANY, CLIP_MICROS)
        assert await relay.account("second") == (0, 0)


async def test_one_external_id_is_each_tenants_own(books: str) -> None:
    """Unique within a tenant, whoever pays; each finds its own task by it."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        tokens = await open_both(relay, quota_micros=MANY)
        named = {**CLIP, "external_task_id": "mine/1"}

        made = [(await relay.submit(token, named)).json() for token in tokens]
        again = [(await relay.submit(token, named)).json()["code"] for token in tokens]
        found = [(await relay.get(token, "mine%2F1")).json() for token in tokens]
        crossed = await relay.get(tokens[0], made[1]["data"]["task_id"])

        ids = [one["data"]["task_id"] for one in made]
        assert [one["data"]["task_id"] for one in found] == ids
        assert len(set(ids)) == 2
        assert again == [1201, 1201]
        assert (crossed.status_code, crossed.json()["code"]) == (400, 1201)


async def details(relay: Relay, token: IssuedToken, page: str, **more: Any) -> list[dict[str, Any]]:
    """All rows of a bill, page by page."""
    rows: list[dict[str, Any]] = []
    body: dict[str, Any] = {**WINDOW, **more}
    while True:
        answer = await relay.client.post(
            f"/account/billing/{page}", json=body, headers=bearer(token)
        )
        assert answer.status_code == 200
        data = answer.json()["data"]
        rows += data["result"]["detail"]
        if not data["has_more"]:
            return rows
        body = {"cursor": data["next_cursor"], "limit": body["limit"]}


async def test_each_bill_has_the_tenants_own_tasks(books: str) -> None:
    """Nine charges in turn: of the account's pages each tenant sees its own, in pages of two too,
    and what was sold to both; what is left is the account's, after every line (T4)."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        first, second = await open_both(relay, quota_micros=MANY)
        turns = [first, second, first, first, second, first, second, second, first]
        tasks = [(token, await succeed(relay, token, "1")) for token in turns]
        ids = {row["id"]: row["kling_id"] for row in await relay.rows("SELECT * FROM tasks")}
        left = [(MANY - (place + 1) * 140_000) / 1_000_000 for place in range(len(turns))]

        for token in (first, second):
            own = [
                (ids[task], left[place])
                for place, (whose, task) in enumerate(tasks)
                if whose is token
            ][::-1]
            for page in ("package", "balance"):
                rows = await details(relay, token, page)
                assert [row["task_id"] for row in rows] == [*(key for key, _ in own), ""]
                assert await details(relay, token, page, limit=2) == rows
            rows = await details(relay, token, "balance")
            assert [row["balance_after_deduction"] for row in rows] == [
                *(amount for _, amount in own),
                MANY / 1_000_000,
            ]
            other = second if token is first else first
            filters = [{"key": "api_key_name", "values": [f"token-{other.id}"]}]
            assert await details(relay, token, "balance", filters=filters) == []


async def test_costs_show_both_what_their_account_has(books: str) -> None:
    """One pack, the same for both; a tenant of an account without entries has none."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        first, second = await open_both(relay, quota_micros=MANY)
        alone = await relay.add_tenant("alone", quota_micros=0)
        await succeed(relay, second, "2")

        packs = []
        for token in (first, second, alone):
            answer = await relay.client.get(
                "/account/costs?start_time=1&end_time=2", headers=bearer(token)
            )
            packs.append(answer.json()["data"].get("resource_pack_subscribe_infos"))

        assert packs[0] == packs[1]
        assert packs[0][0]["remaining_quantity"] == 298.0
        assert packs[2] is None


async def test_the_audit_names_both(database_url: str) -> None:
    """An account by all who draw on it; one that nobody draws on is nobody's."""
    async with running_relay(database_url, sandbox=SLOW) as relay:
        await open_both(relay, quota_micros=MANY)
        whole = await relay.audit()
        await relay.rows("UPDATE accounts SET quota_micros = quota_micros + 1")

        report = await relay.audit()

        assert whole.ok
        assert {one.row for one in report.differences} == {
            "account of tenant first, second",
            "account of tenant nobody",
        }
        assert len(report.differences) == 3  # nobody's account has no entry that says otherwise
        assert report.drift_micros == 2
