"""A look that an operator does not want to wait for."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId

# Not of a submit that is under way: until its deadline the process that sent it owns its row.
LOOK_SOON = """
WITH due AS (
    SELECT id, next_look_at FROM tasks
    WHERE id = :id AND next_look_at IS NOT NULL
        AND NOT (state IN ('queued', 'pending') AND submit_deadline_at > now())
    FOR NO KEY UPDATE
)
UPDATE tasks t SET next_look_at = now() FROM due WHERE t.id = due.id RETURNING due.next_look_at
"""


async def look_soon(session: AsyncSession, task_id: TaskId) -> datetime | None:
    """Let the worker ask Kling at once; return when it would have, None if never again."""
    due: datetime | None = await session.scalar(text(LOOK_SOON), {"id": task_id})
    return due
