"""What an operator may do to one task by hand, each act with a reason that is kept.

`settle`, `release` and `cancel` end a hold through the one door, here as an array of one inside the
desk's own transaction; `refund` is a further entry. `unflag` and `look_now` move no money.

A reason is for operators and stays with them. What the tenant reads instead, in its GETs, lists and
callbacks, is `tell`.
"""

from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, note_change
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.names import check_words
from relay.money import decimal_of
from relay.notices.events import Event
from relay.notices.tell import tell as tell_tenant
from relay.tasks import flags
from relay.tasks.door import LAST_LOOK_AFTER_S, Via, end_row, pass_in_session
from relay.tasks.events import note_event
from relay.tasks.given import spell_ended
from relay.tasks.lock import lock_task
from relay.tasks.look_soon import look_soon
from relay.tasks.queue.end import CANCELLED, end_waiting
from relay.tasks.refund import refund_task
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.view import show_callback

TOLD_OF_SETTLED = "The task was completed by the service."
TOLD_OF_RELEASED = "The task was ended by the service without a result."
"""What the tenant reads as the task's message where the operator has no words for it."""


@act("task.settle")
async def settle(
    session: AsyncSession,
    actor: Actor,
    task_id: TaskId,
    *,
    reason: str,
    tell: str = TOLD_OF_SETTLED,
) -> int:
    """Count a task as a success and charge what it was quoted; return that, in micros.

    For a live task that Kling is known to have delivered, or one that failed by mistake.

    Raises:
        NoSuch, NotPossible: it was charged already, also if that was corrected to nothing.
        Unusable: `tell` cannot be read.
    """
    task = await _lock_task(session, task_id)
    charge = task.quote.price_micros
    told = _Told(state=TaskState.SUCCEED, reason=reason, tell=tell, charge_micros=charge)
    if not await _end(session, actor, task, told):
        why = "it was charged already"
        if task.charged_micros is None:
            # By a callback's word, which Kling's own took back: a task has one charge.
            why += ", and Kling's own reply gave that back: `relay tenant adjust` charges it"
        raise NotPossible("task", task_id, why)
    before = {"state": task.state.value, "charged_micros": None}
    after = {"state": TaskState.SUCCEED.value, "charged_micros": charge}
    await _note(
        *(session, actor, "task.settle", task, charge), before=before, after=after, reason=reason
    )
    return charge


@act("task.release")
async def release(
    session: AsyncSession,
    actor: Actor,
    task_id: TaskId,
    *,
    reason: str,
    tell: str = TOLD_OF_RELEASED,
) -> int:
    """Give a live task's hold back, in micros; the tenant sees it as failed, or not at all.

    If Kling reports its success later, it is charged after all, and flagged.

    Raises:
        NoSuch, NotPossible: it has no open hold.
        Unusable: `tell` cannot be read.
    """
    task = await _lock_task(session, task_id)
    state = TaskState.FAILED if task.shown_id else TaskState.REFUSED
    if not await _end(session, actor, task, _Told(state=state, reason=reason, tell=tell)):
        raise NotPossible("task", task_id, f"it has no open hold: it is {task.state.value}")
    before = {"state": task.state.value, "held_micros": task.hold_micros}
    after = {"state": state.value, "held_micros": 0}
    await _note(
        *(session, actor, "task.release", task, task.hold_micros),
        before=before,
        after=after,
        reason=reason,
    )
    return task.hold_micros


@act("task.refund")
async def refund(
    session: AsyncSession,
    actor: Actor,
    task_id: TaskId,
    *,
    reason: str,
    amount_micros: int | None = None,
) -> int:
    """Give a charge back as a new entry, all that is left of it or so much; return that, in micros.

    The task stays a success, and what all views show of it is what is left of its charge.

    Raises:
        NoSuch
        NotPossible: it was not charged, or less than that is left of its charge.
        Unusable: the amount is not above 0.
    """
    if amount_micros is not None and amount_micros <= 0:
        raise Unusable("what is refunded is more than 0", field="amount_micros")
    task = await _lock_task(session, task_id)
    if task.charged_micros is None:
        raise NotPossible("task", task_id, "it was not charged")
    if task.paid_micros == 0:
        why = "all of its charge was refunded before" if task.charged_micros else "it cost nothing"
        raise NotPossible("task", task_id, why)
    given_micros = task.paid_micros if amount_micros is None else amount_micros
    if given_micros > task.paid_micros:
        why = f"only {decimal_of(task.paid_micros)} of its charge is left to refund"
        raise NotPossible("task", task_id, why, field="amount_micros")
    await refund_task(session, task, amount_micros=given_micros, reason=reason, actor=str(actor))
    await _tell_refunded(session, task, given_micros)
    before = {"refunded_micros": task.refunded_micros}
    after = {"refunded_micros": task.refunded_micros + given_micros}
    await _note(
        *(session, actor, "task.refund", task, given_micros),
        before=before,
        after=after,
        reason=reason,
    )
    return given_micros


@act("task.cancel")
async def cancel(session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str) -> int:
    """End a create that waits for room, and give its hold back, in micros; Kling never had it.

    The tenant sees it as failed: cancelled before it was sent.

    Raises:
        NoSuch, NotPossible: it does not wait, or is just being sent.
        Unusable: the reason.
    """
    check_words(reason, what="reason")
    task = await _lock_task(session, task_id)
    _, is_ended = await end_waiting(
        session, task_id, reason=reason, told=CANCELLED, actor=str(actor)
    )
    if not is_ended:
        raise NotPossible("task", task_id, f"it does not wait for room: it is {task.state.value}")
    before = {"state": task.state.value, "held_micros": task.hold_micros}
    after = {"state": TaskState.FAILED.value, "held_micros": 0}
    await _note(session, actor, "task.cancel", task, before=before, after=after, reason=reason)
    return task.hold_micros


@act("task.unflag")
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


@act("task.look")
async def look_now(
    session: AsyncSession, actor: Actor, task_id: TaskId, *, reason: str | None = None
) -> None:
    """Have a worker ask Kling about a task at once, and not when that is due.

    Raises:
        NoSuch
        NotPossible: its submit is under way, or nobody asks about it any more.
    """
    task = await _lock_task(session, task_id)
    due_at = await look_soon(session, task_id)
    if due_at is None:
        raise NotPossible("task", task_id, "there is nothing to ask Kling about it now")
    before = {"next_look_at": due_at.isoformat()}
    await _note(session, actor, "task.look", task, before=before, after=None, reason=reason)


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's word about a task's end."""

    state: TaskState
    reason: str
    """For operators."""
    tell: str
    """For the tenant."""
    charge_micros: int = 0


async def _end(session: AsyncSession, actor: Actor, task: TaskRow, told: _Told) -> bool:
    """End it through the door. False if that is no news, and nothing was changed."""
    check_words(told.tell)
    row = end_row(
        task.id,
        told.state,
        via=Via.OPERATOR,
        reason=told.tell,
        charge=told.charge_micros,
        # Nobody has asked Kling: it may have it all the same.
        look_after_s=LAST_LOOK_AFTER_S if told.state is TaskState.REFUSED else None,
        awaits_kling=told.state is not TaskState.REFUSED,
        delivery_body=await _delivery(session, task, told),
        is_noted=False,
        actor=str(actor),
    )
    finished = await pass_in_session(session, row, is_followed=task.is_followed)
    if finished.moved:
        kind = f"{Via.OPERATOR.value}.{told.state.value}"
        await note_event(session, task.id, kind, told.reason, actor=str(actor))
    return finished.moved


async def _delivery(session: AsyncSession, task: TaskRow, told: _Told) -> str | None:
    if task.callback_url is None or told.state is TaskState.REFUSED:
        return None
    reply = task.reply
    if reply is None and task.public_id is not None:
        at = await session.scalar(select(func.now()))
        assert isinstance(at, datetime), "a clock tells a time"
        reply = spell_ended(task, told.state, told.tell, at=at).decode()
    if reply is None:
        return None
    ended = msgspec.structs.replace(
        task,
        state=told.state,
        ended_via=Via.OPERATOR.value,
        charged_micros=told.charge_micros,
        fail_message=told.tell,
    )
    return show_callback(reply, ended.shown()).decode()


async def _tell_refunded(session: AsyncSession, task: TaskRow, given_micros: int) -> None:
    refunded_micros = task.refunded_micros + given_micros
    resold = task.quote.resold
    left_micros = resold(task.paid_micros - given_micros)
    data = {
        "task_id": task.shown_id,
        "external_task_id": task.tenant_external_id,
        "amount": decimal_of(resold(task.paid_micros) - left_micros),
        "charged": decimal_of(left_micros),
    }
    key = f"{task.id}/{refunded_micros}"
    await tell_tenant(session, Event.TASK_REFUNDED, key, data, tenant_id=task.tenant_id)


async def _note(
    session: AsyncSession,
    actor: Actor,
    act: str,
    task: TaskRow,
    amount_micros: int | None = None,
    *,
    before: State,
    after: State | None,
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
        amount_micros=amount_micros,
    )


async def _lock_task(session: AsyncSession, task_id: TaskId) -> TaskRow:
    """Lock a task and read it as it is then; raises NoSuch."""
    task = await lock_task(session, task_id)
    if task is None:
        raise NoSuch("task", task_id)
    return task
