"""What the operator should read about a task: raised by the relay, taken off at the desk.

The task's events say what it is. `hurry` raises no flag: the worker looks at once and finds out.
"""

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.driver import Pool
from relay.database.ids import TaskId

log = structlog.get_logger()

KEEP = """
WITH kept AS (
    UPDATE tasks
    SET is_flagged = is_flagged OR $5,
        -- Of an end that Kling's full reply told there is nothing more to learn.
        next_look_at = CASE WHEN $6 AND (hold_ended_at IS NULL OR NOT is_reply_full) THEN now()
                       ELSE next_look_at END
    WHERE id = $1 RETURNING id
)
INSERT INTO task_events (task_id, kind, detail, body) SELECT id, $2, $3, $4 FROM kept
"""

UNFLAG = """
WITH unflagged AS (
    UPDATE tasks SET is_flagged = false WHERE id = :id AND is_flagged RETURNING id
)
INSERT INTO task_events (task_id, kind, detail, actor)
SELECT id, 'operator.unflagged', :reason, :actor FROM unflagged
RETURNING task_id
"""


class Flags:
    """Marks tasks, in a statement of its own each time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def flag(
        self,
        task_id: TaskId,
        kind: str,
        detail: str,
        body: bytes | None = None,
        *,
        looks: bool = False,
    ) -> None:
        """Keep something for the operator to read, and mark the task.

        `looks`: let the worker look at once as well.
        """
        log.warning(kind, id=task_id, detail=detail)
        await self._pool.execute(KEEP, task_id, kind, detail, body, True, looks)  # noqa: FBT003 (SQL's)

    async def hurry(self, task_id: TaskId, why: str, body: bytes) -> None:
        """Keep a callback that could not be applied, and let the worker look at once."""
        await self._pool.execute(KEEP, task_id, "callback", why, body, False, True)  # noqa: FBT003 (SQL's)


async def unflag(session: AsyncSession, task_id: TaskId, *, reason: str | None, actor: str) -> bool:
    """Take the flag off a task; its events stay. False if there is no such task with a flag."""
    found = await session.execute(text(UNFLAG), {"id": task_id, "reason": reason, "actor": actor})
    return found.first() is not None
