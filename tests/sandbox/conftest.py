import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from relay.sandbox.app import Sandbox
from relay.sandbox.serve import SandboxServer
from relay.sandbox.settings import SandboxSettings
from tests.sandbox.client import Caller
from tests.waiting import PATIENCE_S, block_until

Opened = Callable[..., AbstractAsyncContextManager[Caller]]

FAST = SandboxSettings(task_seconds=0.1)
SLOW = SandboxSettings(task_seconds=60)


@contextlib.asynccontextmanager
async def open_sandbox(settings: SandboxSettings = FAST) -> AsyncIterator[Caller]:
    app: Any = Sandbox(settings)  # Litestar's ASGI types are stricter than httpx's
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kling.test") as http:
        yield Caller(http)
        await http.post("/sandbox/reset")  # timers and callbacks end with the test


@contextlib.contextmanager
def serve_sandbox(settings: SandboxSettings = FAST) -> Iterator[str]:
    server = SandboxServer(settings, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    block_until(lambda: server.started)
    yield server.url
    server.should_exit = True
    thread.join(timeout=PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture
async def kling() -> AsyncIterator[Caller]:
    """A sandbox in process whose tasks take 0.1 s."""
    async with open_sandbox(FAST) as caller:
        yield caller


@pytest.fixture
async def slow_kling() -> AsyncIterator[Caller]:
    """A sandbox in process whose tasks do not end during a test."""
    async with open_sandbox(SLOW) as caller:
        yield caller


@pytest.fixture
def opened() -> Opened:
    """Opens a sandbox in process with settings of the test's own."""
    return open_sandbox


@pytest.fixture
async def served() -> AsyncIterator[Caller]:
    """A sandbox on a real socket whose tasks take 0.1 s."""
    with serve_sandbox(FAST) as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as http:
            yield Caller(http)
