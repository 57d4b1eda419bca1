"""Ending a run before its time, and going on with one that failed; by its tenant."""

import uuid

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.runs.moves import Moving, lock_run, note, settle
from relay.runs.tables import ENDED_RUNS, RunState, StepState
from relay.tasks.queue.end import CANCELLED, end_waiting
from relay.tasks.tables import Task, TaskState
from relay.tenants.tables import Token


async def cancel_run(session: AsyncSession, run_id: int, *, actor: str) -> Moving:
    """Begin no new step, and take back what waits for room; what Kling has goes on.

    Returns it as it is then: it has ended if nothing of it was at Kling. Of one that had ended
    nothing is changed.
    """
    moving = await lock_run(session, run_id)
    run = moving.run
    if run.state in ENDED_RUNS:
        return moving
    # Asked again, it takes back what went on to wait meanwhile.
    run.cancelled_at = run.cancelled_at or moving.now
    for step in moving.steps:
        if step.state == StepState.SENT and step.task_id is not None:
            _, is_ended = await end_waiting(
                session,
                TaskId(step.task_id),
                reason="its tenant cancelled the run",
                told=CANCELLED,
                actor=actor,
            )
            if is_ended:
                step.state, step.lease, step.ended_at = StepState.SKIPPED, None, moving.now
                step.reserved_micros = 0
    settle(moving)
    note(session, moving)
    return moving


async def retry_run(
    session: AsyncSession, run_id: int, *, token_id: int, address: str | None
) -> Moving:
    """Send what failed once more, each as a new task; what ended well is kept.

    By the rights of who asks for it now. Of one that did not fail nothing is changed.
    """
    moving = await lock_run(session, run_id, with_bodies=True)
    run = moving.run
    if run.state not in (RunState.FAILED, RunState.CANCELLED):
        return moving
    again = [step for step in moving.steps if step.state in (StepState.FAILED, StepState.SKIPPED)]
    if any(step.body_sealed is None for step in again):
        return moving
    for step in again:
        task = None if step.task_id is None else await session.get(Task, step.task_id)
        step.error_code = step.error_message = step.ended_at = None
        step.attempts = 0
        if task is not None and task.state == TaskState.SUCCEED:
            # Kling has said so late: it is charged, and is no reason for another one.
            step.state, step.next_attempt_at = StepState.SENT, moving.now
            continue
        step.state, step.key, step.task_id = StepState.WAITING, uuid.uuid4(), None
        step.task_state = None
    if run.token_id != token_id:
        run.key = None  # it is unique to the one that it came with
        if not await _are_alike(session, run.token_id, token_id):
            run.inputs_mac = None  # what a key for tests makes is given again to no other
    run.token_id, run.caller_address = token_id, address
    run.cancelled_at = run.ended_at = run.error_code = run.error_message = None
    run.state = RunState.PROCESSING if run.started_at is not None else RunState.PENDING
    settle(moving)
    note(session, moving)
    return moving


async def _are_alike(session: AsyncSession, *token_ids: int) -> bool:
    """Tell whether keys are all for tests, or none of them is."""
    kinds = select(func.count(Token.is_test.distinct())).where(Token.id.in_(token_ids))
    return await session.scalar(kinds) == 1
