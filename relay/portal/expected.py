"""When a task is expected to be done, as far as those before it tell."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from relay.moments import moment_of


class Expected(msgspec.Struct, frozen=True):
    """Of one that has not ended; what is None is not known."""

    place: int | None = None
    """In the queue, of one that waits for room."""
    turn_at: datetime | None = None
    """When it is sent."""
    done_at: datetime | None = None
    """When half of those like it were done; it may be past."""
    is_late: bool = False
    """Of 20 like it 19 were done by now."""


def expected(
    task: dict[str, Any], place: dict[str, Any] | None, *, now: datetime
) -> Expected | None:
    """Tell it of a task of `/relay/tasks`; `place`: what `/relay/queue` says of it.

    None of one that has ended, and of one that waits for room where its place is not known.
    """
    if task["ended_at"] is not None or (place is None and task.get("is_queued")):
        return None
    usual = task["usual"]
    if place is not None:
        wait_s = place["expected_wait_s"]
        turn_at = None if wait_s is None else now + timedelta(seconds=wait_s)
        return Expected(place["place"], turn_at, _after(turn_at, usual, "p50_s"))
    since = moment_of(task["submitted_at"] or task["created_at"])
    latest = _after(since, usual, "p95_s")
    return Expected(
        done_at=_after(since, usual, "p50_s"), is_late=latest is not None and latest < now
    )


def _after(start: datetime | None, usual: dict[str, Any] | None, name: str) -> datetime | None:
    if start is None or usual is None:
        return None
    return start + timedelta(seconds=usual[name])
