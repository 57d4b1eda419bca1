"""How a run moves with its steps: one transaction each, with the run locked first.

What is freed, skipped or ended by a step's end is so in the transaction that notes that end, and
the event that tells of it stands in it, too.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from relay.runs.stages import spell_event
from relay.runs.tables import (
    OPEN_STEPS,
    Run,
    RunEvent,
    RunState,
    RunStep,
    StepState,
)


class Moving(msgspec.Struct):
    """A run, locked, with all its steps."""

    run: Run
    steps: Sequence[RunStep]
    now: datetime

    def step(self, step_id: int) -> RunStep:
        return next(step for step in self.steps if step.id == step_id)

    @property
    def reserved_micros(self) -> int:
        """What its steps hold and were charged."""
        return sum(step.reserved_micros for step in self.steps)


async def lock_run(session: AsyncSession, run_id: int, *, with_bodies: bool = False) -> Moving:
    """Lock a run, then its steps, and read them as they are under the locks.

    The steps too: what wakes one, or claims it, takes no lock of the run's, and is not to be
    written over by who read the step before.

    `with_bodies`: of a megabyte each, at the most.
    """
    query = select(Run, func.clock_timestamp()).where(Run.id == run_id)
    run, now = (await session.execute(query.with_for_update())).one()
    steps = await session.scalars(
        select(RunStep)
        .where(RunStep.run_id == run_id)
        .order_by(RunStep.place)
        .options(*([] if with_bodies else [defer(RunStep.body_sealed)]))
        .with_for_update(key_share=True)
    )
    return Moving(run, steps.all(), now)


async def lock_step(session: AsyncSession, step_id: int, lease: UUID) -> Moving | None:
    """Lock the run of a step; None if somebody else has that by now."""
    run_id = await session.scalar(select(RunStep.run_id).where(RunStep.id == step_id))
    if run_id is None:
        return None
    moving = await lock_run(session, run_id)
    return moving if moving.step(step_id).lease == lease else None


def end_step(
    moving: Moving,
    step: RunStep,
    state: StepState,
    *,
    error_code: int | None = None,
    error_message: str | None = None,
) -> None:
    """End a step, and free, skip or end what that decides."""
    step.state, step.lease, step.ended_at = state, None, moving.now
    step.error_code, step.error_message = error_code, error_message
    settle(moving)


def settle(moving: Moving) -> None:
    """Free what has all that it needs, skip what never will, and end the run if all ended."""
    run = moving.run
    by_name = {step.name: step for step in moving.steps}
    for step in moving.steps:  # each stands behind what it needs
        if step.state not in (StepState.WAITING, StepState.READY):
            continue
        needed = [StepState(by_name[name].state) for name in step.needs]
        is_sending = step.state == StepState.READY and step.lease is not None
        if any(state in (StepState.FAILED, StepState.SKIPPED) for state in needed) or (
            run.cancelled_at is not None and not is_sending
        ):
            step.state, step.lease, step.ended_at = StepState.SKIPPED, None, moving.now
            step.reserved_micros = 0  # of a worker that died before it sent it
        elif step.state == StepState.WAITING and all(state is StepState.DONE for state in needed):
            step.state, step.next_attempt_at = StepState.READY, moving.now
    states = {StepState(step.state) for step in moving.steps}
    if run.state == RunState.PENDING and states & {
        StepState.SENT,
        StepState.KEEPING,
        StepState.DONE,
    }:
        run.state, run.started_at = RunState.PROCESSING, moving.now
    if states & OPEN_STEPS:
        return
    end = _end_of(run, states)
    if run.state != end:  # also of one that had ended, where a step came to good later
        run.state, run.ended_at = end, run.ended_at or moving.now
        run.caller_address = None  # it is for the rights of its steps alone
        failed = next((step for step in moving.steps if step.state == StepState.FAILED), None)
        run.error_code = None if failed is None else failed.error_code
        run.error_message = None if failed is None else failed.error_message


def note(session: AsyncSession, moving: Moving) -> None:
    """Tell whoever follows the run how it stands now."""
    run = moving.run
    run.updated_at = moving.now
    shown = spell_event(run, moving.steps)
    session.add(
        RunEvent(run_id=run.id, tenant_id=run.tenant_id, shown=shown, created_at=moving.now)
    )


def _end_of(run: Run, states: set[StepState]) -> RunState:
    if states == {StepState.DONE}:
        return RunState.COMPLETED
    return RunState.CANCELLED if run.cancelled_at is not None else RunState.FAILED
