import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.deliveries.bench import Bench, open_bench
from tests.deliveries.tenant_server import TenantServer
from tests.relay_app import Relay, running_relay


@asynccontextmanager
async def in_one_task(opened: AbstractAsyncContextManager[Relay]) -> AsyncIterator[Relay]:
    """Enter and leave in one task, as anyio's cancel scopes ask for; a fixture does not."""
    started: asyncio.Future[Relay] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def run() -> None:
        async with opened as relay:
            started.set_result(relay)
            await stop.wait()

    running = asyncio.create_task(run())
    either: set[asyncio.Future[Any]] = {running, started}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    try:
        if running.done():
            await running  # it failed before it started
        yield started.result()
    finally:
        stop.set()
        await running


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


@pytest.fixture
async def shared(database_url: str) -> AsyncIterator[Relay]:
    """A relay before a quick sandbox, without a worker; tests bring tenants of their own."""
    async with in_one_task(running_relay(database_url)) as relay:
        await relay.add_channel()
        yield relay
