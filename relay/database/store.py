"""The database as one process has it: connections by what they are for, and what seals in it."""

from contextlib import AsyncExitStack

import msgspec

from relay.counts import Counts
from relay.database.driver import Pool
from relay.database.engine import Sessions, open_engine, open_pool, open_sessions
from relay.database.line import connector
from relay.database.lines import Lines, share
from relay.database.opener import SESSION_TIMEOUT_S, Opener
from relay.secrets import KeyRing
from relay.settings import Settings

CLOSE_TIMEOUT_S = 2.0
"""Of all that is closed when a process ends. What still waits for the database then never had an
answer, and what it was about is found again: the connections are dropped."""


class Store(msgspec.Struct, frozen=True):
    """The database, and what seals secrets in it."""

    openers: tuple[Opener, ...]
    """Of all its connections."""
    sessions: Sessions
    chores: Sessions
    """For what takes minutes."""
    pool: Pool
    lines: Lines
    """Of batched statements."""
    keys: KeyRing
    close_timeout_s: float


async def open_store(
    settings: Settings,
    database_url: str,
    keys: KeyRing,
    closing: AsyncExitStack,
    *,
    counts: Counts,
) -> Store:
    """Open it at its first use; what it holds open closes with `closing`."""
    shares = share(settings.database_connections)
    direct = other = Opener(database_url)
    if settings.database_pool_url is not None:
        other = Opener(settings.database_pool_url, is_shared=True)
    engine = open_engine(other, connections=shares.sessions, statement_timeout_s=SESSION_TIMEOUT_S)
    closing.push_async_callback(engine.dispose)
    patient = open_engine(other, connections=shares.chores)
    closing.push_async_callback(patient.dispose)
    pool = await open_pool(other, connections=shares.pool, counts=counts)
    closing.push_async_callback(pool.close)
    # Never through a pooler: their statements stay prepared, with settings of their own.
    lines = Lines(connector(direct), count=shares.lines, counts=counts)
    closing.push_async_callback(lines.aclose)
    return Store(
        (direct, other),
        open_sessions(engine),
        open_sessions(patient),
        pool,
        lines,
        keys,
        close_timeout_s=min(CLOSE_TIMEOUT_S, settings.drain_s / 4),
    )
