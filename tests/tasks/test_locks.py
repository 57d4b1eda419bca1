"""Locks: task rows first, then accounts, then writes, so that nobody waits in a circle."""

import asyncio
from typing import Any

import asyncpg
import pytest

from relay.database.engine import dsn
from relay.sandbox.settings import SandboxSettings
from relay.tasks.finish import FINISH
from relay.tasks.task import TaskRow
from relay.tasks.told import FinishRow
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, running_relay
from tests.tasks.holding import hold_tasks, told
from tests.tasks.waiting import is_a_lock_waited_for
from tests.waiting import PATIENCE_S, wait_until

QUOTA_MICROS = 10 * CLIP_MICROS
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)


async def test_an_end_that_waits_for_its_account_has_written_nothing_yet(books: str) -> None:
    """A submit holds the account and meets the external id of a task that ends: no deadlock.

    Were the task's row written before the account is locked, the duplicate's insert would wait for
    the end, and the end for the duplicate.
    """
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        key = (await relay.submit(token, {**CLIP, "external_task_id": "order-1"})).json()["data"][
            "task_id"
        ]
        task = await relay.task(key)
        submit = await asyncpg.connect(dsn(books))
        transaction = submit.transaction()
        await transaction.start()
        await submit.execute("SET LOCAL lock_timeout = '100ms'")
        await submit.execute("SELECT 1 FROM accounts FOR NO KEY UPDATE")
        ending = asyncio.create_task(
            relay.call_back_on(
                task["injected_id"],
                task["channel_id"],
                {"task_id": key, "task_status": "succeed", "final_unit_deduction": "3"},
            )
        )
        await wait_until(lambda: is_a_lock_waited_for(relay))

        inserted = await submit.fetch(
            """
            INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state,
                injected_id, tenant_external_id, request_id, quote, hold_micros, submit_deadline_at)
            SELECT tenant_id, account_id, token_id, channel_id, endpoint, 'pending', 'another',
                tenant_external_id, 'another', quote, 0, now() FROM tasks
            ON CONFLICT DO NOTHING RETURNING id
            """
        )
        await transaction.rollback()
        await submit.close()

        assert inserted == []
        assert (await ending).status_code == 200
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, 0)


async def test_what_was_learned_while_the_row_was_locked_is_judged_by_its_newest_state(
    books: str,
) -> None:
    """A success waits behind another session that fails the task: it is seen as late, not lost."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        other = await asyncpg.connect(dsn(books))
        transaction = other.transaction()
        await transaction.start()
        await other.execute(
            "UPDATE tasks SET state = 'failed', hold_ended_at = now(), ended_at = now()"
        )
        success = asyncio.create_task(
            relay.call_back_on(
                task.injected_id, task.channel_id, told(task, "succeed", final_unit_deduction="2")
            )
        )
        await wait_until(lambda: is_a_lock_waited_for(relay))

        await other.execute(
            "UPDATE accounts SET held_micros = held_micros - $1, open_holds = open_holds - 1",
            CLIP_MICROS,
        )
        await transaction.commit()
        await other.close()

        assert (await success).status_code == 200
        row = await relay.row("SELECT state, charged_micros, is_flagged FROM tasks")
        assert tuple(row) == ("succeed", 280_000, True)
        assert await relay.account() == (QUOTA_MICROS - 280_000, 0)


def end_row(task: TaskRow, state: str, charge_micros: int = 0) -> FinishRow:
    return FinishRow(
        id=task.id,
        state=state,
        via="callback",
        kling_id="k1",
        charge_micros=charge_micros,
        deduction=None,
        cost_units=None,
        cost_pack=None,
        cost_cash=None,
        cost_currency=None,
        reply=None,
        kling_created_at=None,
        is_reply_full=False,
        fail_message=None,
        result_ids="[]",
        result_urls="[]",
        made="[]",
        kling_request_id=None,
        next_look_s=None,
        delivery_body=None,
        event=None,
        event_body=None,
    )


async def finish(connection: Any, row: FinishRow) -> Any:
    """Run FINISH once: no batcher, so no second try that would hide a first one gone wrong."""
    return await connection.fetchrow(FINISH, *([value] for value in row))


@pytest.mark.parametrize(
    ("first", "second", "moves", "charged"),
    [
        ("succeed", "succeed", False, 280_000),
        ("succeed", "failed", False, 280_000),
        ("failed", "succeed", True, 350_000),
        ("failed", "failed", False, 0),
        ("processing", "succeed", True, 350_000),
    ],
)
async def test_an_end_that_waited_is_judged_by_what_the_row_has_become(
    books: str, *, first: str, second: str, moves: bool, charged: int
) -> None:
    """Two sessions tell of one task; the second waits for the first, and neither fails."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        one, other = await asyncpg.connect(dsn(books)), await asyncpg.connect(dsn(books))
        transaction = one.transaction()
        await transaction.start()
        await finish(one, end_row(task, first, 280_000))

        waiting = asyncio.create_task(finish(other, end_row(task, second, 350_000)))
        await wait_until(lambda: is_a_lock_waited_for(relay))
        await transaction.commit()
        record = await waiting
        await one.close()
        await other.close()

        assert record["moves"] is moves
        assert await relay.account() == (QUOTA_MICROS - charged, 0)


async def test_a_locked_account_stops_no_other_tenant(books: str) -> None:
    """While a session sits on one account, its tenant hears 503/5001 and others are served."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        blocked = await relay.add_tenant("blocked", quota_micros=QUOTA_MICROS)
        free = await relay.add_tenant("free", quota_micros=QUOTA_MICROS)
        await asyncio.gather(relay.submit(blocked), relay.submit(free))  # authenticated, connected
        sitting = await asyncpg.connect(dsn(books))
        transaction = sitting.transaction()
        await transaction.start()
        await sitting.execute(
            "SELECT 1 FROM accounts a JOIN tenants t ON t.account_id = a.id WHERE name = 'blocked'"
            " FOR NO KEY UPDATE"
        )

        answers = await asyncio.wait_for(
            asyncio.gather(*(relay.submit(token) for _ in range(3) for token in (blocked, free))),
            timeout=PATIENCE_S,
        )
        await transaction.rollback()
        await sitting.close()

        assert [answer.status_code for answer in answers] == [503, 200] * 3
        assert await relay.account("blocked") == (QUOTA_MICROS, CLIP_MICROS)
        assert await relay.account("free") == (QUOTA_MICROS, 4 * CLIP_MICROS)
