"""One relay for all the questions of a module that do not change it for each other."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.relay_app import Relay, running_relay


@pytest.fixture(scope="module")
async def shared(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Relay]:
    """A relay with callbacks on before a quick sandbox; tests bring tenants of their own."""
    name = f"shared_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres_server.url("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        started: asyncio.Future[Relay] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        running = asyncio.create_task(_run(postgres_server.url(name), started, stop))
        running.add_done_callback(partial(_tell, started))
        yield await started
        stop.set()
        await running
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


def _tell(started: asyncio.Future[Relay], running: "asyncio.Task[None]") -> None:
    if not started.done():
        started.set_exception(running.exception() or RuntimeError("the relay ended"))


async def _run(database_url: str, started: asyncio.Future[Relay], stop: asyncio.Event) -> None:
    """Enter and leave the relay in one task, as anyio's cancel scopes ask for."""
    async with running_relay(database_url, with_callbacks=True, body_limit_mb=1) as relay:
        await relay.add_channel()
        started.set_result(relay)
        await stop.wait()


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A name that no other test of the module uses."""
    return f"{request.node.name[:80]}-{uuid.uuid4().hex[:8]}"
