"""Connections: an engine for everything that is not hot, and the two spellings of a URL."""

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from relay.database.driver import Connection, Pool

Sessions = async_sessionmaker[AsyncSession]
"""`sessions`: the callee opens its own transactions; `session`: it works inside yours."""


def dsn(url: str) -> str:
    """Spell a database URL as asyncpg reads it, whichever driver it names."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def open_engine(url: str, *, connections: int = 5) -> AsyncEngine:
    """Build the engine; nothing is connected yet, and never more than so many.

    asyncpg reads the URL itself, so that options such as `?sslmode=require` mean what they mean.
    """

    async def connect() -> Connection:
        connection: Connection = await asyncpg.connect(dsn(url))
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
    )


async def open_pool(url: str, *, connections: int = 5) -> Pool:
    """Open asyncpg connections, at first use, for statements neither hot nor worth an ORM.

    Each is planned for its values: a plan kept from when `tasks` was empty would scan it for ever.
    """
    settings = {"plan_cache_mode": "force_custom_plan"}
    pool: Pool = await asyncpg.create_pool(
        dsn(url), min_size=0, max_size=connections, server_settings=settings
    )
    return pool


def open_sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)
