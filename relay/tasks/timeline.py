"""What happened to one task, in order, as the operator reads it.

Amounts in texts are spelled "420000 micros", as the statements that note them can; a face spells
them in its currency.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from relay.deliveries.kept_url import show_url
from relay.deliveries.tables import Delivery
from relay.ledger.entries import BY_RELAY
from relay.ledger.tables import Entry, EntryKind
from relay.tasks.tables import Task, TaskEvent

ROUTINE = ("reply.", "submit.", "look.", "operator.", "queue.", "callback", "task.channel_changed")
"""How kinds of events begin that are no reason for a flag, but for `callback.not_applied`."""
UNFLAGGED = "operator.unflagged"
SUCCEEDED_LATE = "task.succeeded_late"
"""A success after the hold was given back: as FINISH notes it."""


class Happening(msgspec.Struct, frozen=True):
    """One thing that happened to a task; `body` is raw, as Kling sent it or we send it."""

    at: datetime
    what: str
    detail: str
    body: bytes | None = None
    actor: str = BY_RELAY
    """Whose doing it was, as `desk/actor.py` spells."""


def timeline(
    task: Task,
    *,
    first_channel: str,
    events: Sequence[TaskEvent],
    entries: Sequence[Entry],
    deliveries: Sequence[Delivery],
) -> list[Happening]:
    """Put in order what the row, its events, its entries and its deliveries tell.

    Money stands where it moved: a hold that was given back is no charge, whatever came later.
    """
    happened = [
        *_steps(task, first_channel=first_channel),
        *(_of_event(event) for event in sorted(events, key=lambda event: event.id)),
        *_given_back(task, entries, events),
        *(_of_entry(entry) for entry in sorted(entries, key=lambda entry: entry.id)),
        *(_of_delivery(delivery) for delivery in deliveries),
    ]
    return sorted(happened, key=lambda one: one.at)  # stable: in this order if at once


def flag_reasons(events: Sequence[TaskEvent]) -> list[Happening]:
    """Pick what a flag is about: what was noted, beside routine, since it was last taken off."""
    reasons: list[Happening] = []
    for event in sorted(events, key=lambda event: event.id):
        if event.kind == UNFLAGGED:
            reasons.clear()
        elif event.kind == "callback.not_applied" or not event.kind.startswith(ROUTINE):
            reasons.append(_of_event(event))
    return reasons


def _steps(task: Task, *, first_channel: str) -> list[Happening]:
    """Tell what the row itself says, without its events."""
    steps = [
        Happening(task.created_at, "created", f"{task.endpoint} for channel {first_channel}"),
        Happening(task.created_at, "held", f"{task.hold_micros} micros"),
    ]
    if task.submitted_at is not None:
        known = "Kling has it without an id so far"
        if task.kling_id:
            known = f"Kling has it as {task.kling_id}"
        steps.append(Happening(task.submitted_at, "submitted", known))
    if task.ended_at is not None:
        how = f"{task.state} by {task.ended_via}"
        if task.fail_message:
            how = f"{task.state} by {task.ended_via}: {task.fail_message}"
        steps.append(Happening(task.ended_at, "ended", how))
    return steps


def _given_back(
    task: Task, entries: Sequence[Entry], events: Sequence[TaskEvent]
) -> list[Happening]:
    """Tell what of the hold was given back when it ended."""
    rest = left_of_hold(task, entries, events)
    if not rest or task.hold_ended_at is None:
        return []
    return [Happening(task.hold_ended_at, "released", f"{rest} micros of the hold given back")]


def left_of_hold(task: Task, entries: Sequence[Entry], events: Sequence[TaskEvent]) -> int:
    """Say how many micros were given back as the hold ended: all, unless it was charged then."""
    if task.hold_ended_at is None:
        return 0
    is_late = any(event.kind == SUCCEEDED_LATE for event in events)
    charged = -sum(
        entry.amount_micros for entry in entries if entry.kind == EntryKind.CHARGE and not is_late
    )
    return task.hold_micros - charged


def _of_event(event: TaskEvent) -> Happening:
    return Happening(event.created_at, event.kind, event.detail or "", event.body, event.actor)


_WHAT = {EntryKind.CHARGE.value: "charged", EntryKind.REFUND.value: "refunded"}


def _of_entry(entry: Entry) -> Happening:
    amount = -entry.amount_micros if entry.kind == EntryKind.CHARGE else entry.amount_micros
    why = f" ({entry.reason})" if entry.reason else ""
    return Happening(
        entry.created_at,
        _WHAT.get(entry.kind, entry.kind),
        f"{amount} micros{why}",
        actor=entry.actor,
    )


def _of_delivery(delivery: Delivery) -> Happening:
    url = show_url(delivery.url)
    return Happening(
        delivery.created_at,
        "delivery",
        f"{delivery.task_status} to {url}: {delivery.state}, {delivery.attempts} attempts",
        delivery.body.encode(),
    )
