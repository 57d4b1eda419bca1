"""The corpus is played once for all the tests that look at it."""

from collections.abc import AsyncIterator

import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.clones import cloned
from tests.corpus.play import Recording, record
from tests.corpus.world import open_world


@pytest.fixture(scope="session")
async def recording(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Recording]:
    """What relay, sandbox and tenant saw; tests that go on from there bring their own tenants."""
    async with cloned(postgres_server, template) as url, open_world(url) as world:
        yield await record(world)
