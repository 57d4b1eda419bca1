"""What the operator may do to one task's money by hand, each with a reason that is kept.

`settle` and `release` end a hold through the one door; `refund` is a further entry. `unflag` moves
no money.
"""

from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.database.ids import TaskId
from relay.ledger.entries import refund_charge
from relay.money import decimal_of
from relay.tasks import flags
from relay.tasks.finish import Finisher, Via
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.view import show_callback


class Operated(msgspec.Struct, frozen=True):
    """Whether it was done, and a sentence for the operator."""

    done: bool
    message: str


async def settle(
    finisher: Finisher, sessions: Sessions, task_id: TaskId, *, reason: str
) -> Operated:
    """Count a task as a success and charge its quote, the whole hold.

    For a live task that Kling is known to have delivered, or one that failed by mistake.
    """
    task = await _read(sessions, task_id)
    if task is None:
        return Operated(done=False, message=f"there is no task {task_id}")
    finished = await _end(finisher, task, TaskState.SUCCEED, reason=reason, charge=task.hold_micros)
    if not finished:
        return Operated(done=False, message=f"task {task_id} was charged already")
    return Operated(done=True, message=f"charged {decimal_of(task.hold_micros)}")


async def release(
    finisher: Finisher, sessions: Sessions, task_id: TaskId, *, reason: str
) -> Operated:
    """Give a live task's hold back; the tenant sees it as failed, or not at all without an id.

    If Kling reports its success later, it is charged after all, and flagged.
    """
    task = await _read(sessions, task_id)
    if task is None:
        return Operated(done=False, message=f"there is no task {task_id}")
    state = TaskState.FAILED if task.kling_id else TaskState.REFUSED
    if not await _end(finisher, task, state, reason=reason, charge=0):
        return Operated(
            done=False, message=f"task {task_id} has no open hold: it is {task.state.value}"
        )
    return Operated(done=True, message=f"released {decimal_of(task.hold_micros)}")


async def refund(sessions: Sessions, task_id: TaskId, *, reason: str) -> Operated:
    """Give a charge back as a new entry; once per task. The task stays a success."""
    async with sessions.begin() as session:
        task = await _read_in(session, task_id)
        if task is None or task.charged_micros is None:
            return Operated(done=False, message=f"task {task_id} was not charged")
        refunded = await refund_charge(
            session,
            task.tenant_id,
            task_id=task.id,
            amount_micros=task.charged_micros,
            reason=reason,
        )
    if not refunded:
        return Operated(done=False, message=f"task {task_id} was refunded before")
    return Operated(done=True, message=f"refunded {decimal_of(task.charged_micros)}")


async def unflag(session: AsyncSession, task_id: TaskId, *, reason: str | None) -> Operated:
    """Take the flag off a task that the operator has read about; its events stay."""
    if not await flags.unflag(session, task_id, reason=reason):
        return Operated(done=False, message=f"there is no task {task_id} with a flag")
    return Operated(done=True, message="the flag is off")


async def _end(
    finisher: Finisher, task: TaskRow, state: TaskState, *, reason: str, charge: int
) -> bool:
    finished = await finisher.end(
        task.id,
        state,
        via=Via.OPERATOR,
        reason=reason,
        charge=charge,
        has_result_at_kling=state is TaskState.SUCCEED and task.kling_id is not None,
        delivery_body=_delivery(task, state, reason=reason, charge=charge),
    )
    return finished.moved


def _delivery(task: TaskRow, state: TaskState, *, reason: str, charge: int) -> str | None:
    if task.callback_url is None or task.reply is None or state is TaskState.REFUSED:
        return None
    told = msgspec.structs.replace(
        task, state=state, ended_via="operator", charged_micros=charge, fail_message=reason
    )
    return show_callback(task.reply, told.shown()).decode()


async def _read(sessions: Sessions, task_id: TaskId) -> TaskRow | None:
    async with sessions() as session:
        return await _read_in(session, task_id)


async def _read_in(session: AsyncSession, task_id: TaskId) -> TaskRow | None:
    found = await session.execute(
        text(f"SELECT {TASK_COLUMNS} FROM tasks t WHERE t.id = :id"),  # noqa: S608 (constants)
        {"id": task_id},
    )
    row = found.mappings().one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = dict(row)
    # SQLAlchemy has decoded the quote, which the row keeps as JSON.
    values["quote"] = msgspec.json.encode(values["quote"]).decode()
    return TaskRow.of(values)
