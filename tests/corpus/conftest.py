"""The corpus is played once for all the tests that look at it."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.corpus.play import Recording, record
from tests.corpus.world import open_world


@pytest.fixture(scope="session")
async def recording(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Recording]:
    """What relay, sandbox and tenant saw; tests that go on from there bring their own tenants."""
    name = f"corpus_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres_server.url("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        async with open_world(postgres_server.url(name)) as world:
            yield await record(world)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()
