"""One relay for all the questions of a module that do not change it for each other."""

import uuid
from collections.abc import AsyncIterator

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.sandbox.settings import SandboxSettings
from tests.clones import cloned
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay


@pytest.fixture(scope="module")
async def shared(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Relay]:
    """A relay with callbacks on before a quick sandbox; tests bring tenants of their own."""
    # So many slots that none is waited for: nobody looks at these tasks.
    sandbox = SandboxSettings(task_seconds=0.2, concurrency=10_000, public_url=SANDBOX_URL)
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, sandbox=sandbox, with_callbacks=True, body_limit_mb=1) as relay,
    ):
        await relay.add_channel()
        yield relay


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A name that no other test of the module uses."""
    printable = "".join(char for char in request.node.name if char.isprintable() and char != "/")
    return f"{printable[:40].strip()}-{uuid.uuid4().hex[:8]}"
