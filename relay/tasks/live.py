"""What of a tenant's, a channel's or a key's tasks is not over yet."""

from sqlalchemy import and_, func, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from relay.tasks.tables import Task, TaskState


async def count_live(
    session: AsyncSession, *, tenant_id: int | None = None, channel_id: int | None = None
) -> int:
    """Count tasks whose hold is open, or that Kling is still to be asked about; of one of the two.

    What waits in the queue is its tenant's, and no channel's yet, whichever its row names.

    Two parts, each with an index of its own: by `OR` all tasks would be read.
    """
    whose = Task.tenant_id == tenant_id
    if tenant_id is None:
        whose = and_(Task.channel_id == channel_id, Task.state != TaskState.QUEUED)
    live = union(
        select(Task.id).where(whose, Task.hold_ended_at.is_(None)),
        select(Task.id).where(whose, Task.next_look_at.is_not(None)),
    )
    return await session.scalar(select(func.count()).select_from(live.subquery())) or 0


async def read_held(session: AsyncSession, *, token_id: int) -> tuple[int, int]:
    """Read how many tasks of a token live, and the micros that they hold."""
    query = select(func.count(), func.coalesce(func.sum(Task.hold_micros), 0)).where(
        Task.token_id == token_id, Task.hold_ended_at.is_(None)
    )
    tasks, held_micros = (await session.execute(query)).one()
    return tasks, int(held_micros)
