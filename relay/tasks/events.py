"""What happened to a task, noted inside the transaction in which it happens.

FINISH and RECORD note what Kling says themselves.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId

NOTE_EVENT = """
INSERT INTO task_events (task_id, kind, detail, actor) VALUES (:id, :kind, :detail, :actor)
"""


async def note_event(
    session: AsyncSession, task_id: TaskId, kind: str, detail: str, *, actor: str
) -> None:
    """Keep a note of ours with a task; `actor` as `desk/actor.py` spells."""
    values = {"id": task_id, "kind": kind, "detail": detail, "actor": actor}
    await session.execute(text(NOTE_EVENT), values)
