"""What happened to one task, as its tenant is told: its own moments, its money, its callbacks.

Not channels, operators' names and reasons, what Kling took, or what it said in its own ids.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.deliveries.tables import DeliveryAttempt
from relay.ledger.tables import Entry, EntryKind
from relay.tasks.inspect import OfTask
from relay.tasks.tables import Task
from relay.tasks.timeline import left_of_hold


class Step(StrEnum):
    """What happened."""

    CREATED = "created"
    HELD = "held"
    QUEUED = "queued"
    """It had to wait for room."""
    SUBMITTED = "submitted"
    """Kling has it."""
    ENDED = "ended"
    RELEASED = "released"
    """What was held and is not charged was given back."""
    CHARGED = "charged"
    CORRECTED = "corrected"
    """Kling's own word differed from what it was charged by."""
    REFUNDED = "refunded"
    CALLBACK = "callback"
    """Its callback URL was called."""


MOVES = {
    EntryKind.CHARGE: Step.CHARGED,
    EntryKind.REFUND: Step.REFUNDED,
    EntryKind.CORRECTION: Step.CORRECTED,
}


class OwnStep(msgspec.Struct, frozen=True):
    """One thing that happened."""

    at: datetime
    what: Step
    micros: int | None = None
    """Of the account's: what was held, given back, or charged; of a correction below zero is what
    it gave back."""
    delivery_id: str | None = None
    """Of what was told: the `webhook-id`."""
    told: str | None = None
    """Which status."""
    attempt: DeliveryAttempt | None = None


async def read_attempts(session: AsyncSession, task: OfTask) -> list[DeliveryAttempt]:
    """Read each try to call a task's tenant back."""
    ids = [one.id for one in task.deliveries]
    query = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(ids))
    return list(await session.scalars(query)) if ids else []


def own_timeline(task: Task, of_task: OfTask, attempts: Sequence[DeliveryAttempt]) -> list[OwnStep]:
    """Put in order what a task's own tenant is told."""
    told = {one.id: one for one in of_task.deliveries}
    steps = [
        *_steps(task),
        *_money(task, of_task),
        *(
            OwnStep(
                one.at,
                Step.CALLBACK,
                delivery_id=told[one.delivery_id].webhook_id,
                told=told[one.delivery_id].task_status,
                attempt=one,
            )
            for one in sorted(attempts, key=lambda one: (one.delivery_id, one.number))
        ),
    ]
    return sorted(steps, key=lambda one: one.at)  # stable: in this order if at once


def _steps(task: Task) -> list[OwnStep]:
    steps = [
        OwnStep(task.created_at, Step.CREATED),
        OwnStep(task.created_at, Step.HELD, task.hold_micros),
    ]
    if task.public_id is not None:
        steps.append(OwnStep(task.created_at, Step.QUEUED))
    if task.submitted_at is not None:
        steps.append(OwnStep(task.submitted_at, Step.SUBMITTED))
    if task.ended_at is not None:
        steps.append(OwnStep(task.ended_at, Step.ENDED))
    return steps


def _money(task: Task, of_task: OfTask) -> list[OwnStep]:
    steps = [_moved(one) for one in sorted(of_task.entries, key=lambda one: one.id)]
    rest = left_of_hold(task, of_task.entries, of_task.events)
    if rest and task.hold_ended_at is not None:
        steps.insert(0, OwnStep(task.hold_ended_at, Step.RELEASED, rest))
    return steps


def _moved(entry: Entry) -> OwnStep:
    step = MOVES[EntryKind(entry.kind)]
    micros = entry.amount_micros if step is Step.REFUNDED else -entry.amount_micros
    return OwnStep(entry.created_at, step, micros)
