"""A wait that ends without Kling: cancelled, too long, or of what no channel can take any more."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.ledger.entries import BY_RELAY
from relay.tasks.door import pass_in_session
from relay.tasks.given import failed_row
from relay.tasks.lock import lock_task
from relay.tasks.queue.tables import Queued
from relay.tasks.tables import Task, TaskState
from relay.tasks.task import TaskRow

CANCELLED = "The task was cancelled before it was sent."


async def end_waiting_of(session: AsyncSession, *, token_id: int, actor: str) -> int:
    """Cancel all that waits of a leaked token; return how many."""
    ids = await session.scalars(
        select(Task.id)
        .join(Queued, Queued.id == Task.id)
        .where(Task.token_id == token_id, Task.state == TaskState.QUEUED)
        .order_by(Task.id)
        # All of them before the first account.
        .with_for_update(of=Task, key_share=True)
    )
    reason = "its token was leaked"
    ended = [
        await end_waiting(session, TaskId(id_), reason=reason, told=CANCELLED, actor=actor)
        for id_ in ids.all()
    ]
    return sum(is_ended for _, is_ended in ended)


async def end_waiting(
    session: AsyncSession,
    task_id: TaskId,
    *,
    reason: str,
    told: str,
    actor: str = BY_RELAY,
) -> tuple[TaskRow | None, bool]:
    """End one that still waits, and give its hold back; True beside it if it did.

    The row is locked before it is judged: what is being sent is no longer to be ended.
    """
    task = await lock_task(session, task_id)
    if task is None or task.state is not TaskState.QUEUED:
        return task, False
    at = await session.scalar(select(func.now()))
    assert isinstance(at, datetime), "a clock tells a time"
    row = failed_row(task, at=at, reason=reason, told=told, actor=actor)
    await pass_in_session(session, row, is_followed=task.is_followed)
    await session.execute(delete(Queued).where(Queued.id == task_id))
    return await lock_task(session, task_id), True
