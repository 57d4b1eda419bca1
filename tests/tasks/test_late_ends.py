"""The one backward-looking move: a success counts although the hold was given back before."""

import asyncio

import asyncpg
import pytest

from relay.database.engine import dsn
from relay.desk.tasks import release
from relay.ledger.entries import adjust
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Via
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.tasks.holding import hold_tasks, kling_id, told
from tests.tasks.waiting import is_a_lock_waited_for
from tests.waiting import wait_until

QUOTA_MICROS = 2 * CLIP_MICROS
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)


async def refuse(relay: Relay, task: TaskRow) -> None:
    """As a submit does that Kling said no to, or a look that never found the task."""
    await relay.end(task, TaskState.REFUSED, Via.SUBMIT, "no")


async def succeed(relay: Relay, task: TaskRow, units: str = "3") -> int:
    answer = await relay.call_back_on(
        task.injected_id, task.channel_id, told(task, "succeed", final_unit_deduction=units)
    )
    return answer.status_code


@pytest.mark.parametrize("before", ["failed", "refused", "released"])
@pytest.mark.parametrize(("units", "charged"), [("2", 280_000), ("9", CLIP_MICROS)])
async def test_a_late_success_is_charged_at_most_the_former_hold(
    books: str, before: str, units: str, charged: int
) -> None:
    """Even below zero quota; flagged with an event, told to the tenant, and only once."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=CLIP_MICROS)
        (task,) = await hold_tasks(relay, token, callback_url="https://tenant.test/hook")
        if before == "failed":
            await relay.call_back_on(task.injected_id, task.channel_id, told(task, "failed"))
        elif before == "refused":
            await refuse(relay, task)
        else:
            await relay.act(release, task.id, "gone")
        after_release = await relay.account()
        async with relay.sessions.begin() as session:
            await adjust(
                session,
                task.account_id,
                actor="tests",
                amount_micros=-CLIP_MICROS,
                reason="the tenant left",
                currency="USD",
            )

        statuses = [await succeed(relay, task, units) for _ in range(3)]

        assert statuses == [200] * 3
        assert after_release == (CLIP_MICROS, 0)
        assert await relay.account() == (-charged, 0)
        row = await relay.row("SELECT state, charged_micros, is_flagged, kling_id FROM tasks")
        assert tuple(row) == ("succeed", charged, True, kling_id(task))
        late = await relay.rows("SELECT 1 FROM task_events WHERE kind = 'task.succeeded_late'")
        assert len(late) == 1
        told_tenant = await relay.rows("SELECT task_status FROM deliveries ORDER BY id")
        assert told_tenant[-1]["task_status"] == "succeed"


@pytest.mark.parametrize("state", ["submitted", "processing", "failed"])
async def test_nothing_but_a_success_moves_a_task_whose_hold_ended(books: str, state: str) -> None:
    """A refused task stays refused, with its money where it is."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        await refuse(relay, task)

        await relay.call_back_on(task.injected_id, task.channel_id, told(task, state))

        assert (await relay.row("SELECT state FROM tasks"))["state"] == "refused"
        assert await relay.account() == (QUOTA_MICROS, 0)


async def test_a_late_success_leaves_the_external_id_to_the_task_that_has_it_now(
    books: str,
) -> None:
    """The tenant used its id again after the refusal: both are charged, the id stays with one."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        body = {**CLIP, "external_task_id": "order-1"}
        refused = await relay.submit(token, {**body, "prompt": "a fox [error 1301]"})
        again = await relay.submit(token, body)
        first = await relay.row("SELECT * FROM tasks ORDER BY id LIMIT 1")

        answer = await relay.call_back_on(
            first["injected_id"],
            first["channel_id"],
            {"task_id": "late-1", "task_status": "succeed", "final_unit_deduction": "3"},
        )

        assert (refused.status_code, again.status_code, answer.status_code) == (400, 200, 200)
        rows = await relay.rows("SELECT state, tenant_external_id FROM tasks ORDER BY id")
        assert [tuple(row) for row in rows] == [("succeed", None), ("submitted", "order-1")]
        shown = await relay.get(token, "order-1")
        assert shown.json()["data"]["task_id"] == again.json()["data"]["task_id"]
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, CLIP_MICROS)


async def test_two_late_successes_of_one_external_id_are_both_charged(books: str) -> None:
    """Both refused, both delivered after all, both at once: one keeps the tenant's id."""
    async with (
        running_relay(books, sandbox=SLOW, with_callbacks=True) as relay,
        running_relay(books, beside=relay, with_callbacks=True) as other,
    ):
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=10 * CLIP_MICROS)
        body = {**CLIP, "external_task_id": "order-1", "prompt": "a fox [error 1301]"}
        for _ in range(8):
            await relay.submit(token, body)
        rows = await relay.rows("SELECT id, injected_id, channel_id FROM tasks")

        answers = await asyncio.gather(
            *(
                (relay, other)[number % 2].call_back_on(
                    row["injected_id"],
                    row["channel_id"],
                    {"task_id": f"k{number}", "task_status": "succeed", "final_unit_deduction": 3},
                )
                for number, row in enumerate(rows)
            )
        )

        assert {answer.status_code for answer in answers} == {200}
        assert await relay.account() == (2 * CLIP_MICROS, 0)
        named = await relay.rows("SELECT 1 FROM tasks WHERE tenant_external_id = 'order-1'")
        assert len(named) == 1


async def test_a_late_success_survives_a_submit_that_takes_its_external_id_meanwhile(
    books: str,
) -> None:
    """The new task commits while the success waits for the account: it is charged all the same."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        body = {**CLIP, "external_task_id": "order-1", "prompt": "a fox [error 1301]"}
        await relay.submit(token, body)
        first = await relay.row("SELECT * FROM tasks")
        submit = await asyncpg.connect(dsn(books))
        transaction = submit.transaction()
        await transaction.start()
        await submit.execute("SELECT 1 FROM accounts FOR NO KEY UPDATE")
        await submit.execute(
            """
            INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state,
                injected_id, tenant_external_id, request_id, quote, hold_micros, submit_deadline_at)
            SELECT tenant_id, account_id, token_id, channel_id, endpoint, 'pending', 'another',
                tenant_external_id, 'another', quote, 0, now() + interval '1 hour'
            FROM tasks
            """
        )
        await submit.execute("UPDATE accounts SET open_holds = open_holds + 1")

        success = asyncio.create_task(
            relay.call_back_on(
                first["injected_id"],
                first["channel_id"],
                {"task_id": "late-1", "task_status": "succeed", "final_unit_deduction": "3"},
            )
        )
        await wait_until(lambda: is_a_lock_waited_for(relay))
        await transaction.commit()
        await submit.close()

        assert (await success).status_code == 200
        assert (await relay.account())[0] == QUOTA_MICROS - CLIP_MICROS
