"""One relay before two accounts for a module; tests bring tenants of their own."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.owners.two_accounts import Shop, open_shop


@pytest.fixture(scope="module")
async def shared_shop(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Shop]:
    name = f"shop_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres_server.url("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        async with open_shop(postgres_server.url(name)) as shop:
            yield shop
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def shop(shared_shop: Shop) -> AsyncIterator[Shop]:
    """The module's shop with nothing asked yet; the audit agrees after each test."""
    shared_shop.kling.asked.clear()
    await shared_shop.relay.heal()
    yield shared_shop
    await shared_shop.check_books()
