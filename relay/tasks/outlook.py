"""What a task waits for: on whom, since when, how long that usually takes, and who acts next."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.deliveries.tables import Delivery, DeliveryState
from relay.tasks.tables import Task, TaskState
from relay.tasks.task import BY_OPERATOR, BY_QUEUE
from relay.tasks.usual import Alike, Usual, read_usuals

OVERDUE_AFTER = timedelta(minutes=1)
"""Past its time, what a worker does is late by more than any worker is."""
WORKER = "the worker"


class Awaited(StrEnum):
    """What a task waits for, in a word."""

    ROOM = "room"
    ANSWER = "answer"
    """To its submit, which is under way."""
    VERDICT = "verdict"
    """Whether Kling has it is not known."""
    KLING = "kling"
    """Works on it."""
    REPLY = "reply"
    """It has ended, and Kling's own word about that is still to be read."""
    CALLBACK = "callback"
    """Its tenant is still to be told."""
    FLAG = "flag"
    """The operator is to look at it."""
    NOTHING = "nothing"


class Outlook(msgspec.Struct, frozen=True):
    """What a task waits for."""

    awaited: Awaited
    waits_for: str
    since: datetime | None
    """None if it waits for nothing."""
    next_by: str | None
    """Who acts next."""
    next_at: datetime | None
    is_overdue: bool
    """Nobody did it though it was time."""
    kling_asked_at: datetime | None
    """When Kling was last asked or heard; None if never."""
    read_at: datetime
    usual: Usual | None
    """None if there was no success of its endpoint and model lately."""


async def read_outlook(
    session: AsyncSession, task: Task, deliveries: Sequence[Delivery], *, is_test: bool
) -> Outlook:
    """Say what a task of this moment waits for; by the database's clock, which stamped its row."""
    now = await session.scalar(text("SELECT now()"))
    assert isinstance(now, datetime), "a clock tells a time"
    due = [one for one in deliveries if one.state == DeliveryState.DUE]
    awaited, waits_for, since, next_by, next_at = _awaited(task, due, now=now)
    mode, seconds = task.quote["wanted"].get("mode"), task.quote["seconds"]
    alike = Alike(is_test, task.endpoint, task.model, mode, seconds)
    return Outlook(
        awaited=awaited,
        waits_for=waits_for,
        since=since,
        next_by=next_by,
        next_at=next_at,
        is_overdue=next_at is not None and next_at < now - OVERDUE_AFTER,
        kling_asked_at=_asked_at(task),
        read_at=now,
        usual=(await read_usuals(session, [alike]))[alike],
    )


def _asked_at(task: Task) -> datetime | None:
    """Say when Kling was last asked or heard; its row's moment is also that of an end of ours."""
    is_ours = task.ended_via == BY_QUEUE and task.refresh_at == task.ended_at
    return None if is_ours or task.refresh_at <= task.created_at else task.refresh_at


_Awaited = tuple[Awaited, str, datetime | None, str | None, datetime | None]


def _awaited(task: Task, due: Sequence[Delivery], *, now: datetime) -> _Awaited:
    """Choose the first of what is open: Kling's end, its full reply, the tenant, the operator."""
    if task.hold_ended_at is None:
        return _awaited_alive(task, now=now)
    if task.next_look_at is not None:
        what = "Kling's full reply, which has more fields than its callback"
        if task.state == TaskState.REFUSED:
            what = "Kling's end of what was given up"
        elif task.ended_via == BY_OPERATOR:
            what = "Kling's own word about what the operator ended"
        return Awaited.REPLY, what, task.ended_at, WORKER, task.next_look_at
    if due:
        first = min(due, key=lambda one: one.next_attempt_at)
        what = f"the tenant's callback URL, which was tried {first.attempts} times"
        return Awaited.CALLBACK, what, first.created_at, WORKER, first.next_attempt_at
    if task.is_flagged:
        what = "you to read its flag"
        return Awaited.FLAG, what, task.ended_at, "you: `relay task unflag`", None
    return Awaited.NOTHING, "nothing: it has ended", None, None, None


def _awaited_alive(task: Task, *, now: datetime) -> _Awaited:
    if task.state == TaskState.QUEUED:
        what, next_by = "room on a channel", f"{WORKER}, when a slot is free"
        return Awaited.ROOM, what, task.created_at, next_by, None
    if task.state == TaskState.PENDING and now < task.submit_deadline_at:
        what = "the answer to its submit, which is under way"
        next_by = "the process that took it"
        return Awaited.ANSWER, what, task.created_at, next_by, task.submit_deadline_at
    if task.state in (TaskState.PENDING, TaskState.UNKNOWN):
        what = "Kling's verdict: whether it has the task is not known"
        if task.not_found:
            what += f' ({task.not_found} times "Task not found")'
        next_by = f"{WORKER}, by our external id"
        return Awaited.VERDICT, what, task.created_at, next_by, task.next_look_at
    what = "Kling, which works on it"
    return Awaited.KLING, what, task.submitted_at, WORKER, task.next_look_at
