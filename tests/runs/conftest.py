"""One relay for all runs of a module."""

from collections.abc import AsyncIterator

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.sandbox.settings import SandboxSettings
from tests.clones import cloned
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay


@pytest.fixture(scope="module")
async def relay(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Relay]:
    """No worker beside the tests, which are it."""
    sandbox = SandboxSettings(task_seconds=0.0, concurrency=10_000, public_url=SANDBOX_URL)
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, sandbox=sandbox, with_callbacks=True, studio=True) as relay,
    ):
        await relay.add_channel()
        yield relay
