"""One task, locked and read as it is then: tasks before accounts, as everywhere."""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.task import TaskRow

LOCK_TASK = f"""
SELECT {TASK_COLUMNS} FROM tasks t WHERE t.id = :id FOR NO KEY UPDATE
"""  # noqa: S608 (composed of constants)


async def lock_task(session: AsyncSession, task_id: TaskId) -> TaskRow | None:
    """Lock a task; None if there is none."""
    found = await session.execute(text(LOCK_TASK), {"id": task_id})
    row = found.one_or_none()
    if row is None:
        return None
    # SQLAlchemy has decoded the quote, which the row keeps as JSON.
    values = [msgspec.json.encode(one).decode() if isinstance(one, dict) else one for one in row]
    return TaskRow.of(values)
