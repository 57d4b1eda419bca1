"""How much waits, for operators."""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LINEUP = """
SELECT count(*) AS tasks,
    coalesce(extract(epoch FROM now() - min(q.created_at)), 0)::float8 AS wait_s
FROM queue q JOIN tasks t ON t.id = q.task_id WHERE t.state = 'queued'
"""


class Lineup(msgspec.Struct, frozen=True):
    """What waits for room, all of it."""

    tasks: int
    wait_s: float
    """Of the one that has waited longest."""


async def read_lineup(session: AsyncSession) -> Lineup:
    return Lineup(**(await session.execute(text(LINEUP))).mappings().one())
