"""How many connections to Postgres a process has, and for what."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.ext.asyncio import AsyncEngine

from relay.database.driver import Pool
from relay.database.engine import Sessions
from relay.database.lines import Lines


class Connections(NamedTuple):
    """Those for one purpose."""

    name: str
    used: int
    open: int
    most: int


def count_connections(
    lines: Lines, pool: Pool, *, sessions: Sessions, chores: Sessions
) -> Iterator[Connections]:
    """Count them as they are now; nothing is asked for it."""
    for line in lines:
        yield Connections(line.name, int(line.turn.locked()), int(line.is_open), 1)
    yield Connections("pool", pool.used, pool.open, pool.most)
    for name, of in (("sessions", sessions), ("chores", chores)):
        engine = of.kw["bind"]
        assert isinstance(engine, AsyncEngine), "sessions are made of an engine"
        queue = engine.pool
        assert isinstance(queue, AsyncAdaptedQueuePool), "an engine's own choice"
        used = queue.checkedout()
        yield Connections(name, used, used + queue.checkedin(), queue.size())
