"""Connections for everything that is not hot: an engine, and a pool of asyncpg's own."""

import weakref
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from relay.counts import Counts
from relay.database import compiled
from relay.database.arrays import know_arrays
from relay.database.driver import Connection, Pool
from relay.database.opener import (
    FREE_TIMEOUT_S,
    LONG_TIMEOUT_S,
    READ_ONLY,
    STATEMENT_TIMEOUT_S,
    Database,
    opener_of,
)
from relay.database.pool import BoundedPool
from relay.database.url import dsn

__all__ = ["Sessions", "dsn", "open_engine", "open_pool", "open_sessions"]

Sessions = async_sessionmaker[AsyncSession]
"""`sessions`: the callee opens its own transactions; `session`: it works inside yours."""
PLANNED_ANEW = {"plan_cache_mode": "force_custom_plan"}
"""Each is planned for its values: a plan from when `tasks` was empty would scan it for ever."""


def open_engine(
    database: Database,
    *,
    connections: int = 5,
    statement_timeout_s: float | None = LONG_TIMEOUT_S,
) -> AsyncEngine:
    """Build the engine; nothing is connected yet, and never more than so many.

    A statement ends in TimeoutError after so long, and who finds no connection free in sqlalchemy's
    own. asyncpg reads the URL itself, so that options such as `?sslmode=require` mean what they
    mean.
    """
    opener = opener_of(database)

    async def connect() -> Connection:
        return await opener.open(statement_timeout_s=statement_timeout_s)

    engine = create_async_engine(
        compiled.URL,
        async_creator=connect,
        execution_options={"compiled_cache": compiled.COMPILED},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=FREE_TIMEOUT_S,
    )
    event.listen(engine.sync_engine, "connect", _know_arrays)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "handle_error", _give_up_lost)
    return engine


async def open_pool(
    database: Database,
    *,
    connections: int = 5,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    free_timeout_s: float = FREE_TIMEOUT_S,
    counts: Counts | None = None,
) -> Pool:
    """Make a pool; each connection is opened at its first use.

    `free_timeout_s`: how long one is waited for that is free, or connects.
    """
    opener = opener_of(database)
    opened: weakref.WeakSet[Any] = weakref.WeakSet()

    async def connect(**options: Any) -> Connection:
        settings = None if opener.is_shared else PLANNED_ANEW
        connection = await opener.open(
            statement_timeout_s=statement_timeout_s, settings=settings, **options
        )
        opened.add(connection)
        return connection

    async def leave(_: Connection) -> None:
        """Reset nothing: the next transaction is another server connection's."""

    pool = await asyncpg.create_pool(
        min_size=0,
        max_size=connections,
        connect=lambda _dsn, **options: connect(**options),
        reset=leave if opener.is_shared else None,
    )
    return BoundedPool(
        pool,
        opened,
        free_timeout_s=free_timeout_s,
        is_shared=opener.is_shared,
        settings=PLANNED_ANEW,
        counts=counts or Counts(),
    )


def open_sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


def _know_arrays(connection: object, _record: object) -> None:
    """Once more: SQLAlchemy has just said how it reads json, and asyncpg forgot them."""
    know_arrays(connection.driver_connection)  # type: ignore[attr-defined]  # asyncpg's, adapted


def _refuse_closed(connection: object, _record: object, _proxy: object) -> None:
    """Have another one opened in its place, and in the others'.

    The loop sees a socket close. SQLAlchemy's own ping would ask with three statements each time.
    """
    if connection.driver_connection.is_closed():  # type: ignore[attr-defined]  # asyncpg's, adapted
        raise InvalidatePoolError("it was closed while it was at rest")


def _give_up_lost(context: ExceptionContext) -> None:
    """Tell the pool of a connection that never answers again, or is no primary's any more."""
    error = context.original_exception
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(error, TimeoutError) or sqlstate == READ_ONLY:
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
