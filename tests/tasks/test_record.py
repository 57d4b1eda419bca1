"""RECORD does what FINISH does to what stays alive, and ends nothing."""

from typing import Any

import asyncpg
import pytest

from relay.database.engine import dsn
from relay.database.ids import TaskId
from relay.sandbox.settings import SandboxSettings
from relay.tasks.finish import FINISH
from relay.tasks.record import RECORD
from relay.tasks.told import FinishRow
from tests.relay_app import CLIP_MICROS, SANDBOX_URL, running_relay
from tests.tasks.holding import hold_tasks

QUOTA_MICROS = 10 * CLIP_MICROS
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)
LIVE = ("unknown", "submitted", "processing")
ENDED = ("succeed", "failed", "refused")
# All that a statement may have written, but what is drawn anew at each run.
WRITTEN = """
SELECT to_jsonb(t) FROM tasks t
UNION ALL SELECT to_jsonb(a) FROM accounts a
UNION ALL SELECT to_jsonb(e) - 'id' FROM entries e
UNION ALL SELECT to_jsonb(d) - 'id' - 'webhook_id' FROM deliveries d
UNION ALL SELECT to_jsonb(n) - 'id' FROM task_events n
UNION ALL SELECT to_jsonb(o) - 'id' FROM owners o
ORDER BY 1
"""

# Nothing is as a fresh row has it, so that whatever is not set again is seen.
LOOKED_AT = """
UPDATE tasks SET look_attempts = 3, look_lease = gen_random_uuid(),
    refresh_at = now() - interval '1 hour', next_look_at = now() - interval '1 hour'
"""


def told_of(
    id_: int, state: str, via: str, *, kling_id: str | None = "k1", number: str = "first"
) -> FinishRow:
    return FinishRow(
        id=TaskId(id_),
        state=state,
        via=via,
        kling_id=None if state == "unknown" else kling_id,
        charge_micros=CLIP_MICROS,
        deduction=f'{{"final_unit_deduction":"{number}"}}',
        cost_units=None,
        cost_pack=None,
        cost_cash=None,
        cost_currency=None,
        reply=f'{{"reply":"{number}"}}',
        kling_created_at=None,
        is_reply_full=False,
        fail_message="why",
        result_ids=f'["{number}"]',
        result_urls="[]",
        made=f'[{{"kind":"video","id":"{number}"}}]',
        kling_request_id=number,
        next_look_s=7.0,
        delivery_body=f'{{"delivered":"{number}"}}',
        event=via,
        event_body=number.encode(),
    )


async def run(connection: Any, statement: str, row: FinishRow) -> Any:
    return await connection.fetchrow(statement, *([value] for value in row))


async def outcome(connection: Any, statement: str, row: FinishRow) -> tuple[Any, ...]:
    """What it returns and what it leaves in the tables; then undone."""
    savepoint = connection.transaction()
    await savepoint.start()
    record = dict(await run(connection, statement, row))
    written = [found[0] for found in await connection.fetch(WRITTEN)]
    await savepoint.rollback()
    return record, written


async def test_record_and_finish_write_the_same_for_what_stays_alive(books: str) -> None:
    """From every state, for every live one, with and without Kling's id, by whomever."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token, callback_url="https://tenant.test/hook")
        connection = await asyncpg.connect(dsn(books))
        transaction = connection.transaction()
        await transaction.start()

        differing, moved = [], 0
        for before in ("pending", *LIVE, *ENDED):
            for known in (None, "k1"):
                savepoint = connection.transaction()
                await savepoint.start()
                await run(connection, FINISH, told_of(task.id, before, "callback", kling_id=known))
                await connection.execute(LOOKED_AT)
                for state in LIVE:
                    for via in ("submit", "callback", "operator"):
                        row = told_of(task.id, state, via, number="second")
                        by_finish = await outcome(connection, FINISH, row)
                        by_record = await outcome(connection, RECORD, row)
                        moved += by_finish[0]["moves"]
                        if by_finish != by_record:
                            differing.append((before, known, state, via))
                await savepoint.rollback()
        await transaction.rollback()
        await connection.close()

    assert differing == []
    assert moved >= 20


@pytest.mark.parametrize("state", ENDED)
async def test_record_cannot_end_a_task(books: str, state: str) -> None:
    """A hold that ended without its money would be lost: the constraint takes all of it back."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        connection = await asyncpg.connect(dsn(books))

        with pytest.raises(asyncpg.CheckViolationError):
            await run(connection, RECORD, told_of(task.id, state, "callback"))
        await connection.close()

        row = await relay.row("SELECT state, hold_ended_at FROM tasks WHERE id = $1", task.id)
        assert tuple(row) == ("pending", None)
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)
