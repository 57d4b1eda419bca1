"""Databases of a test's own: copies of one that is as the test wants it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from relay.database.embedded import EmbeddedPostgres


@asynccontextmanager
async def cloned(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """Copy a database that nobody is connected to; dropped afterwards, whoever still is.

    As files: to copy ten megabytes through the log takes half as long again.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    await execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url(name)
    await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(server: EmbeddedPostgres, statement: str, name: str = "postgres") -> None:
    """Run one statement in the database of that name."""
    connection = await asyncpg.connect(server.url(name))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
