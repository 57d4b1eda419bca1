"""Percentages that are honest: what is reached, and within it what part of the usual time is over.

A step's hundred parts: 5 when it is at Kling, up to 85 while Kling works, 90 when it has made it,
100 when its files are kept. Within Kling's time the median of the last equal tasks tells how far it
is; where none is known, nothing is added. A run is the mean of its steps, and 100 when it is
completed, not before.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from relay.runs.tables import Run, RunState, RunStep, StepState
from relay.tasks.usual import Usual

SENT, MADE, WHOLE = 5.0, 90.0, 100.0
WORKED = 85.0
"""The most that is told while Kling works, however long it takes."""

Known = Mapping[int, Usual | None]
"""By step: what is usual of tasks like its own."""


class Progress(msgspec.Struct, frozen=True):
    """How far a run is."""

    percent: int
    eta_s: int | None
    """None if nobody knows: a step has not begun, or none like it ended lately."""


def progress_of(run: Run, steps: Sequence[RunStep], known: Known, *, now: datetime) -> Progress:
    """Say how far a run is, by its rows as they stand."""
    if run.state == RunState.COMPLETED:
        return Progress(100, 0)
    parts = [_part_of(step, known.get(step.id), now) for step in steps]
    percent = min(int(sum(parts) / len(parts)), 99)
    return Progress(percent, None if run.ended_at is not None else _eta_s(steps, known, now))


def _part_of(step: RunStep, usual: Usual | None, now: datetime) -> float:
    match StepState(step.state):
        case StepState.DONE:
            return WHOLE
        case StepState.KEEPING:
            return MADE
        case StepState.SENT:
            if usual is None or step.sent_at is None or usual.median_s <= 0:
                return SENT
            over = (now - step.sent_at).total_seconds() / usual.median_s
            return min(SENT + (WORKED - SENT) * over, WORKED)
        case _:
            return 0.0


def _eta_s(steps: Sequence[RunStep], known: Known, now: datetime) -> int | None:
    """Say when the last open step is usually over; only when all that are open are at Kling."""
    left_s = 0.0
    for step in steps:
        match StepState(step.state):
            case StepState.SENT:
                usual = known.get(step.id)
                if usual is None or step.sent_at is None:
                    return None
                left_s = max(left_s, usual.median_s - (now - step.sent_at).total_seconds())
            case StepState.WAITING | StepState.READY:
                return None
            case _:
                pass
    return max(round(left_s), 0)
