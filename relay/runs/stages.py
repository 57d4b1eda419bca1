"""Where a run is, as its rows tell it: stages that were reached, and nothing that is guessed.

    preparing    it waits, for steps before it or for room
    submitted    Kling has it
    processing   Kling works on it
    downloading  Kling made it, and its files are being copied

There is no `storing`: a copy is fetched and put away under one lease, and until both are done no
row says which of the two it is at (`assets/copier.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from relay.runs.tables import Run, RunState, RunStep, StepState
from relay.tasks.tables import TaskState


class Stage(StrEnum):
    """Where the furthest open step stands."""

    PREPARING = "preparing"
    SUBMITTED = "submitted"
    PROCESSING = "processing"
    DOWNLOADING = "downloading"
    ENDED = "ended"


class Event(msgspec.Struct, frozen=True):
    """What a run's event keeps of it: no text of a tenant's, and nothing that ages."""

    state: RunState
    stage: Stage
    steps: dict[str, StepState]
    done: int
    """Steps that ended well."""


class StepAt(msgspec.Struct, frozen=True):
    """A step at some moment, as far as it says how far a run is."""

    state: StepState
    taken_at: datetime | None = None
    """Since when Kling has its task; None while it waits for room."""
    ended_at: datetime | None = None
    usual_s: float | None = None
    """What such tasks take, as it was known when this one was sent."""


_ORDER = list(Stage)
_RANKS = {
    StepState.WAITING: 0,
    StepState.READY: 0,
    StepState.SENT: 1,
    StepState.KEEPING: 2,
    StepState.DONE: 3,
    StepState.FAILED: 3,
    StepState.SKIPPED: 3,
}
_AT_KLING = {TaskState.UNKNOWN, TaskState.SUBMITTED}


def waits_at(task_state: TaskState) -> Stage:
    """Say where a step stands whose task lives."""
    if task_state is TaskState.PROCESSING:
        return Stage.PROCESSING
    return Stage.SUBMITTED if task_state in _AT_KLING else Stage.PREPARING


def stage_of_step(step: RunStep) -> Stage:
    """Say where one step stands."""
    match StepState(step.state):
        case StepState.WAITING | StepState.READY:
            return Stage.PREPARING
        case StepState.SENT:
            return Stage(step.task_state or Stage.SUBMITTED)
        case StepState.KEEPING:
            return Stage.DOWNLOADING
        case _:
            return Stage.ENDED


def stage_of(steps: Sequence[RunStep]) -> Stage:
    """Say where the furthest step stands of those that are open."""
    stages = [stage for step in steps if (stage := stage_of_step(step)) is not Stage.ENDED]
    return max(stages, key=_ORDER.index, default=Stage.ENDED)


def event_of(run: Run, steps: Iterable[RunStep]) -> Event:
    """Say how a run stands."""
    steps = list(steps)
    return Event(
        RunState(run.state),
        stage_of(steps),
        {step.name: StepState(step.state) for step in steps},
        sum(step.state == StepState.DONE for step in steps),
    )


def spell_event(run: Run, steps: Sequence[RunStep]) -> str:
    """Spell a run's event."""
    return msgspec.json.encode(event_of(run, steps)).decode()


def went_back(before: Mapping[str, StepState], after: Mapping[str, StepState]) -> bool:
    """Tell whether a step is done once more: then a run is less far than it was."""
    return any(_RANKS[state] < _RANKS[before.get(name, state)] for name, state in after.items())
