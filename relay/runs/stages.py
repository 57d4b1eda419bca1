"""How far a run is, as its rows tell it: stages that were reached, and nothing that is guessed.

    preparing    it waits, for steps before it or for room
    submitted    Kling has it
    processing   Kling works on it
    downloading  Kling made it, and its files are being copied
    storing      all but the last of them are

Within a stage that takes long, `percent` adds what part of the usual time has passed.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from relay.runs.tables import Run, RunState, RunStep, StepState


class Stage(StrEnum):
    """Where the furthest open step stands."""

    PREPARING = "preparing"
    SUBMITTED = "submitted"
    PROCESSING = "processing"
    DOWNLOADING = "downloading"
    STORING = "storing"
    ENDED = "ended"


class Event(msgspec.Struct, frozen=True):
    """What a run's event keeps of it: no text of a tenant's, and nothing that ages."""

    state: RunState
    stage: Stage
    steps: dict[str, StepState]
    done: int
    """Steps that ended well."""


def stage_of_step(step: RunStep) -> Stage:
    """Say where one step stands."""
    match StepState(step.state):
        case StepState.WAITING | StepState.READY:
            return Stage.PREPARING
        case StepState.SENT:
            return Stage.PROCESSING if step.task_state == "processing" else Stage.SUBMITTED
        case StepState.KEEPING:
            return Stage.DOWNLOADING
        case _:
            return Stage.ENDED


_ORDER = list(Stage)


def stage_of(steps: Sequence[RunStep]) -> Stage:
    """Say where the furthest step stands of those that are open."""
    stages = [stage for step in steps if (stage := stage_of_step(step)) is not Stage.ENDED]
    return max(stages, key=_ORDER.index, default=Stage.ENDED)


def spell_event(run: Run, steps: Sequence[RunStep]) -> str:
    """Spell a run's event."""
    event = Event(
        RunState(run.state),
        stage_of(steps),
        {step.name: StepState(step.state) for step in steps},
        sum(step.state == StepState.DONE for step in steps),
    )
    return msgspec.json.encode(event).decode()
