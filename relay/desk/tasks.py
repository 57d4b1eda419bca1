"""What an operator may do to one task by hand, each act with a reason that is kept.

`settle` and `release` end a hold through the one door, here as an array of one inside the desk's
own transaction; `refund` is a further entry. `unflag` moves no money.
"""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.batch import RowBlocked
from relay.database.ids import TaskId
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, NotPossible
from relay.ledger.entries import refund_charge
from relay.tasks import flags
from relay.tasks.door import Via, end_row, pass_in_session
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.view import show_callback


async def settle(session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str) -> int:
    """Count a task as a success and charge what was held for it; return that, in micros.

    For a live task that Kling is known to have delivered, or one that failed by mistake.

    Raises:
        NoSuch, NotPossible: it was charged already.
    """
    task = await _read(session, task_id)
    if not await _end(session, actor, task, TaskState.SUCCEED, reason, charge=task.hold_micros):
        raise NotPossible(f"task {task_id} was charged already")
    await _note(session, actor, "task.settle", task, amount_micros=task.hold_micros, reason=reason)
    return task.hold_micros


async def release(session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str) -> int:
    """Give a live task's hold back, in micros; the tenant sees it as failed, or not at all.

    If Kling reports its success later, it is charged after all, and flagged.

    Raises:
        NoSuch, NotPossible: it has no open hold.
    """
    task = await _read(session, task_id)
    state = TaskState.FAILED if task.kling_id else TaskState.REFUSED
    if not await _end(session, actor, task, state, reason, charge=0):
        raise NotPossible(f"task {task_id} has no open hold: it is {task.state.value}")
    await _note(session, actor, "task.release", task, amount_micros=task.hold_micros, reason=reason)
    return task.hold_micros


async def refund(session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str) -> int:
    """Give a charge back as a new entry, in micros; once per task, which stays a success.

    Raises:
        NoSuch, NotPossible: it was not charged, or refunded before.
    """
    task = await _read(session, task_id)
    if task.charged_micros is None:
        raise NotPossible(f"task {task_id} was not charged")
    refunded = await refund_charge(
        session,
        task.account_id,
        task_id=task.id,
        amount_micros=task.charged_micros,
        reason=reason,
        actor=str(actor),
    )
    if not refunded:
        raise NotPossible(f"task {task_id} was refunded before")
    await _note(
        session, actor, "task.refund", task, amount_micros=task.charged_micros, reason=reason
    )
    return task.charged_micros


async def unflag(
    session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str | None
) -> None:
    """Take the flag off a task that the operator has read about; its events stay.

    Raises:
        NoSuch, NotPossible: it has no flag.
    """
    task = await _read(session, task_id)
    if not await flags.unflag(session, task_id, reason=reason, actor=str(actor)):
        raise NotPossible(f"task {task_id} has no flag")
    await note_change(
        session,
        actor,
        "task.unflag",
        kind="task",
        id=task.id,
        name=str(task.id),
        before={"is_flagged": True},
        after={"is_flagged": False},
        reason=reason,
    )


async def _end(
    session: AsyncSession,
    actor: Actor,
    task: TaskRow,
    state: TaskState,
    reason: str,
    *,
    charge: int,
) -> bool:
    """End it through the door. False if that is no news, and nothing was changed."""
    row = end_row(
        task.id,
        state,
        via=Via.OPERATOR,
        reason=reason,
        charge=charge,
        has_result_at_kling=state is TaskState.SUCCEED and task.kling_id is not None,
        delivery_body=_delivery(task, state, reason=reason, charge=charge),
        actor=str(actor),
    )
    try:
        finished = await pass_in_session(session, row, is_followed=task.is_followed)
    except RowBlocked as error:
        raise NotPossible(f"task {task.id} is being written just now: try again") from error
    return finished.moved


def _delivery(task: TaskRow, state: TaskState, *, reason: str, charge: int) -> str | None:
    if task.callback_url is None or task.reply is None or state is TaskState.REFUSED:
        return None
    told = msgspec.structs.replace(
        task, state=state, ended_via="operator", charged_micros=charge, fail_message=reason
    )
    return show_callback(task.reply, told.shown()).decode()


async def _note(
    session: AsyncSession,
    actor: Actor,
    act: str,
    task: TaskRow,
    *,
    amount_micros: int,
    reason: str,
) -> None:
    await note_change(
        session,
        actor,
        act,
        kind="task",
        id=task.id,
        name=str(task.id),
        before={"state": task.state.value, "charged_micros": task.charged_micros},
        after={"account_id": task.account_id, "amount_micros": amount_micros},
        reason=reason,
    )


async def _read(session: AsyncSession, task_id: TaskId) -> TaskRow:
    found = await session.execute(
        text(f"SELECT {TASK_COLUMNS} FROM tasks t WHERE t.id = :id"),  # noqa: S608 (constants)
        {"id": task_id},
    )
    row = found.one_or_none()
    if row is None:
        raise NoSuch("task", task_id)
    # SQLAlchemy has decoded the quote, which the row keeps as JSON.
    values = [msgspec.json.encode(one).decode() if isinstance(one, dict) else one for one in row]
    return TaskRow.of(values)
