"""Percentages that are honest: what is reached, and within it what part of the usual time is over.

A step's hundred parts: 5 when Kling has it, up to 85 while Kling works, 90 when it has made it, 100
when its files are kept. Within Kling's time the median of the last equal tasks tells how far it is,
as it was known when the step was sent: were it read anew, a run could be less far than it was.
Where none is known, nothing is added. A run is the mean of its steps, and 100 when it is completed,
not before. It goes back only where a step is done once more.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from relay.runs.stages import StepAt
from relay.runs.tables import ENDED_RUNS, RunState, StepState

SENT, MADE, WHOLE = 5.0, 90.0, 100.0
WORKED = 85.0
"""The most that is told while Kling works, however long it takes."""


class Progress(msgspec.Struct, frozen=True):
    """How far a run is."""

    percent: int
    eta_s: int | None
    """None if nobody knows: a step has not begun, or none like it ended lately."""


def progress_of(state: RunState, steps: Sequence[StepAt], *, now: datetime) -> Progress:
    """Say how far a run is."""
    if state is RunState.COMPLETED:
        return Progress(100, 0)
    percent = min(int(sum(_part_of(step, now) for step in steps) / len(steps)), 99)
    return Progress(percent, None if state in ENDED_RUNS else _eta_s(steps, now))


def _part_of(step: StepAt, now: datetime) -> float:
    match step.state:
        case StepState.DONE:
            return WHOLE
        case StepState.KEEPING:
            return MADE
        case StepState.SENT:
            return _worked(step, now)
        case StepState.FAILED | StepState.SKIPPED:
            return 0.0 if step.ended_at is None else _worked(step, step.ended_at)
        case _:
            return 0.0


def _worked(step: StepAt, now: datetime) -> float:
    """Say how far Kling is with a step, or was."""
    if step.taken_at is None or now < step.taken_at:
        return 0.0
    if not step.usual_s:
        return SENT
    over = (now - step.taken_at).total_seconds() / step.usual_s
    return min(SENT + (WORKED - SENT) * over, WORKED)


def _eta_s(steps: Sequence[StepAt], now: datetime) -> int | None:
    """Say when the last open step is usually over; only when all that are open are at Kling."""
    left_s = 0.0
    for step in steps:
        match step.state:
            case StepState.SENT:
                if step.usual_s is None or step.taken_at is None:
                    return None
                left_s = max(left_s, step.usual_s - (now - step.taken_at).total_seconds())
            case StepState.WAITING | StepState.READY:
                return None
            case _:
                pass
    return max(round(left_s), 0)
