from collections.abc import AsyncIterator

import pytest

from tests.deliveries.bench import Bench, open_bench
from tests.deliveries.tenant_server import TenantServer


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """Delivery rows and workers on a database of the test's own."""
    async with open_bench(database_url) as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[TenantServer]:
    """A tenant's server on 127.0.0.1."""
    async with TenantServer() as opened:
        yield opened
