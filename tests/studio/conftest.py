"""One relay with the studio on, for all the questions of a module that do not change it."""

from collections.abc import AsyncIterator

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.sandbox.settings import SandboxSettings
from tests.clones import cloned
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay


@pytest.fixture(scope="module")
async def studio(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Relay]:
    """A relay with a worker before a quick sandbox; tests bring tenants of their own."""
    sandbox = SandboxSettings(task_seconds=0.2, concurrency=10_000, public_url=SANDBOX_URL)
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(
            url, sandbox=sandbox, with_callbacks=True, with_worker=True, studio=True
        ) as relay,
    ):
        await relay.add_channel()
        yield relay
