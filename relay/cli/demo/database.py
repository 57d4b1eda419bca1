"""The demo's own database, and what demos that were killed left of theirs."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from relay.database.embedded import EmbeddedPostgres
from relay.database.migrate import migrate

PREFIX = "relay_demo_"
LOCKS = 0x64656D6F  # "demo"


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
        await holder.execute("SELECT pg_advisory_lock($1, $2)", LOCKS, _lock_id(name))
        try:
            await holder.execute(f"CREATE DATABASE {name}")
            await migrate(server.url(name))
            yield name
        finally:
            await _drop(server, name)
    finally:
        await holder.close()


async def _drop_leftovers(connection: Any) -> None:
    rows = await connection.fetch(
        "SELECT datname FROM pg_database WHERE datname ~ $1", f"^{PREFIX}[0-9a-f]{{8}}$"
    )
    for (name,) in rows:
        lock = (LOCKS, _lock_id(name))
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *lock):
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await connection.execute("SELECT pg_advisory_unlock($1, $2)", *lock)


async def _drop(server: EmbeddedPostgres, name: str) -> None:
    # A connection of its own: the one that holds the lock may be in a cancelled statement.
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await connection.close()


def _lock_id(name: str) -> int:
    return int.from_bytes(bytes.fromhex(name.removeprefix(PREFIX)), signed=True)
