"""What an operator may do to one task by hand, each act with a reason that is kept.

`settle` and `release` end a hold through the one door, here as an array of one inside the desk's
own transaction; `refund` is a further entry. `unflag` moves no money.
"""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, note_change
from relay.desk.errors import NoSuch, NotPossible
from relay.ledger.entries import refund_charge
from relay.tasks import flags
from relay.tasks.door import LAST_LOOK_AFTER_S, Via, end_row, pass_in_session
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.view import show_callback

LOCK_TASK = f"""
SELECT {TASK_COLUMNS} FROM tasks t WHERE t.id = :id FOR NO KEY UPDATE
"""  # noqa: S608 (composed of constants)


@act
async def settle(session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str) -> int:
    """Count a task as a success and charge what it was quoted; return that, in micros.

    For a live task that Kling is known to have delivered, or one that failed by mistake.

    Raises:
        NoSuch, NotPossible: it was charged already.
    """
    task = await _lock_task(session, task_id)
    charge = task.quote.price_micros
    if not await _end(session, actor, task, TaskState.SUCCEED, reason, charge=charge):
        raise NotPossible("task", task_id, "it was charged already")
    before = {"state": task.state.value, "charged_micros": None}
    after = {"state": TaskState.SUCCEED.value, "charged_micros": charge}
    await _note(session, actor, "task.settle", task, before=before, after=after, reason=reason)
    return charge


@act
async def release(session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str) -> int:
    """Give a live task's hold back, in micros; the tenant sees it as failed, or not at all.

    If Kling reports its success later, it is charged after all, and flagged.

    Raises:
        NoSuch, NotPossible: it has no open hold.
    """
    task = await _lock_task(session, task_id)
    state = TaskState.FAILED if task.kling_id else TaskState.REFUSED
    if not await _end(session, actor, task, state, reason, charge=0):
        raise NotPossible("task", task_id, f"it has no open hold: it is {task.state.value}")
    before = {"state": task.state.value, "held_micros": task.hold_micros}
    after = {"state": state.value, "held_micros": 0}
    await _note(session, actor, "task.release", task, before=before, after=after, reason=reason)
    return task.hold_micros


@act
async def refund(session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str) -> int:
    """Give a charge back as a new entry, in micros; once per task, which stays a success.

    Raises:
        NoSuch, NotPossible: it was not charged, or refunded before.
    """
    task = await _lock_task(session, task_id)
    if task.charged_micros is None:
        raise NotPossible("task", task_id, "it was not charged")
    refunded = await refund_charge(
        session,
        task.account_id,
        task_id=task.id,
        amount_micros=task.charged_micros,
        reason=reason,
        actor=str(actor),
    )
    if not refunded:
        raise NotPossible("task", task_id, "it was refunded before")
    before, after = {"refunded_micros": 0}, {"refunded_micros": task.charged_micros}
    await _note(session, actor, "task.refund", task, before=before, after=after, reason=reason)
    return task.charged_micros


@act
async def unflag(
    session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str | None
) -> None:
    """Take the flag off a task that the operator has read about; its events stay.

    Raises:
        NoSuch, NotPossible: it has no flag.
    """
    task = await _lock_task(session, task_id)
    if not await flags.unflag(session, task_id, reason=reason, actor=str(actor)):
        raise NotPossible("task", task_id, "it has no flag")
    before, after = {"is_flagged": True}, {"is_flagged": False}
    await _note(session, actor, "task.unflag", task, before=before, after=after, reason=reason)


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
        # Nobody has asked Kling: it may have it all the same.
        look_after_s=LAST_LOOK_AFTER_S if state is TaskState.REFUSED else None,
        has_result_at_kling=state is TaskState.SUCCEED and task.kling_id is not None,
        delivery_body=_delivery(task, state, reason=reason, charge=charge),
        actor=str(actor),
    )
    finished = await pass_in_session(session, row, is_followed=task.is_followed)
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
    before: State,
    after: State,
    reason: str | None,
) -> None:
    await note_change(
        session,
        actor,
        act,
        kind="task",
        id=task.id,
        name=str(task.id),
        before=before,
        after=after,
        reason=reason,
    )


async def _lock_task(session: AsyncSession, task_id: TaskId) -> TaskRow:
    """Lock a task and read it as it is then: tasks before accounts, as everywhere."""
    found = await session.execute(text(LOCK_TASK), {"id": task_id})
    row = found.one_or_none()
    if row is None:
        raise NoSuch("task", task_id)
    # SQLAlchemy has decoded the quote, which the row keeps as JSON.
    values = [msgspec.json.encode(one).decode() if isinstance(one, dict) else one for one in row]
    return TaskRow.of(values)
