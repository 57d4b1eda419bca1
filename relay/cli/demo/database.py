"""The demo's own database, and what demos that were killed left of theirs."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from relay.database.embedded import EmbeddedPostgres
from relay.database.migrate import migrate

PREFIX = "relay_demo_"
LOCK = f"{0x64656D6F}, hashtext($1)"
"""An advisory lock under "demo" and a database's name."""


@asynccontextmanager
async def demo_database(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """Create and migrate a database, yield its name, and drop it.

    The demo's session holds an advisory lock under its name, so others can tell a living demo from
    one whose process is gone: the lock goes with the process.
    """
    holder = await asyncpg.connect(server.url("postgres"))
    try:
        await _drop_leftovers(holder)
        name = f"{PREFIX}{secrets.token_hex(4)}"
        await holder.execute(f"SELECT pg_advisory_lock({LOCK})", name)
        try:
            await holder.execute(f"CREATE DATABASE {name}")
            await migrate(server.url(name))
            yield name
        finally:
            # A connection of its own: the one with the lock may be in a cancelled statement.
            connection = await asyncpg.connect(server.url("postgres"))
            try:
                await _drop(connection, name)
            finally:
                await connection.close()
    finally:
        await holder.close()


async def _drop_leftovers(connection: Any) -> None:
    rows = await connection.fetch(
        "SELECT datname FROM pg_database WHERE datname ~ $1", f"^{PREFIX}[0-9a-f]{{8}}$"
    )
    for (name,) in rows:
        if await connection.fetchval(f"SELECT pg_try_advisory_lock({LOCK})", name):
            await _drop(connection, name)
            await connection.execute(f"SELECT pg_advisory_unlock({LOCK})", name)


async def _drop(connection: Any, name: str) -> None:
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
