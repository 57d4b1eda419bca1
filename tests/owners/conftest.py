"""One relay before two accounts for a module; tests bring tenants of their own."""

from collections.abc import AsyncIterator

import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.clones import cloned
from tests.owners.two_accounts import Shop, open_shop


@pytest.fixture(scope="module")
async def shared_shop(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Shop]:
    async with cloned(postgres_server, template) as url, open_shop(url) as shop:
        yield shop


@pytest.fixture
async def shop(shared_shop: Shop) -> AsyncIterator[Shop]:
    """The module's shop with nothing asked yet; the audit agrees after each test."""
    shared_shop.kling.asked.clear()
    await shared_shop.relay.heal()
    yield shared_shop
    await shared_shop.check_books()
