"""How far a run is said to be: reached stages, the usual time within one, and never back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from relay.runs.progress import progress_of
from relay.runs.stages import Stage, StepAt, waits_at, went_back
from relay.runs.tables import RunState, StepState
from relay.tasks.tables import TaskState

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
GOES_ON = RunState.PROCESSING


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


SENT = StepAt(StepState.SENT, taken_at=NOW, usual_s=100.0)
KEEPING, DONE = StepAt(StepState.KEEPING, NOW), StepAt(StepState.DONE, NOW)
WAITING, READY = StepAt(StepState.WAITING), StepAt(StepState.READY)


@pytest.mark.parametrize(
    ("step", "seconds", "percent", "eta_s"),
    [
        (READY, 0, 0, None),
        (StepAt(StepState.SENT, usual_s=100.0), 50, 0, None),
        (SENT, 0, 5, 100),
        (SENT, 50, 45, 50),
        (SENT, 99, 84, 1),
        (SENT, 100, 85, 0),
        (SENT, 10_000, 85, 0),
        (StepAt(StepState.SENT, taken_at=NOW), 50, 5, None),
        (KEEPING, 50, 90, 0),
    ],
    ids=[
        *("not sent", "waits for room", "just taken", "half", "nearly", "usual", "far over"),
        *("unusual", "copied"),
    ],
)
def test_each_stage_of_one_step(
    step: StepAt, seconds: float, percent: int, eta_s: int | None
) -> None:
    """Kling's part goes from 5 to 85 in the usual time, and stays there however long it takes."""
    told = progress_of(GOES_ON, [step], now=after(seconds))

    assert (told.percent, told.eta_s) == (percent, eta_s)


def test_it_is_100_when_it_is_completed_and_not_before() -> None:
    """Even where every step has ended well, until the run itself has."""
    assert progress_of(GOES_ON, [DONE, DONE], now=NOW).percent == 99
    assert progress_of(RunState.COMPLETED, [DONE, DONE], now=NOW).percent == 100


def test_a_run_is_the_mean_of_its_steps() -> None:
    """One of two done is half; when it is over nobody knows, since the second was not sent."""
    told = progress_of(GOES_ON, [DONE, WAITING], now=NOW)

    assert (told.percent, told.eta_s) == (50, None)
    both = progress_of(GOES_ON, [SENT, StepAt(StepState.SENT, NOW, usual_s=300.0)], now=after(50))
    assert both.eta_s == 250, "that of the last"


def test_a_run_never_goes_back() -> None:
    """Through a whole life, second by second; what fails stays where it was."""
    life = [
        *(progress_of(RunState.PENDING, [READY], now=after(s)).percent for s in range(3)),
        *(progress_of(GOES_ON, [SENT], now=after(s)).percent for s in range(150)),
        progress_of(GOES_ON, [KEEPING], now=after(151)).percent,
        progress_of(RunState.COMPLETED, [DONE], now=after(152)).percent,
    ]
    failed = StepAt(StepState.FAILED, NOW, after(60), 100.0)

    assert all(before <= then for before, then in pairwise(life))
    assert progress_of(GOES_ON, [SENT], now=after(60)).percent == 53
    for seconds in (60, 10_000):
        told = progress_of(RunState.FAILED, [failed], now=after(seconds))
        assert (told.percent, told.eta_s) == (53, None)


def test_only_what_is_done_once_more_goes_back() -> None:
    """A step that was sent and is ready again; one that ends, in whatever way, goes on."""
    sent, ready = {"video": StepState.SENT}, {"video": StepState.READY}

    assert went_back(sent, ready)
    assert not went_back(ready, sent)
    assert not went_back(sent, {"video": StepState.FAILED})
    assert went_back({"video": StepState.FAILED}, ready)


def test_what_waits_for_room_is_not_said_to_be_at_kling() -> None:
    assert {state: waits_at(state) for state in (TaskState.QUEUED, TaskState.PENDING)} == {
        TaskState.QUEUED: Stage.PREPARING,
        TaskState.PENDING: Stage.PREPARING,
    }
    assert waits_at(TaskState.SUBMITTED) is Stage.SUBMITTED
    assert waits_at(TaskState.PROCESSING) is Stage.PROCESSING
