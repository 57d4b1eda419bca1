"""Every test here has a desk with something on it; afterwards the audit must find nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import open_engine, open_pool, open_sessions
from tests.clones import cloned, execute
from tests.desk.world import Desk, furnish
from tests.ledger.books import audit_books


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[str]:
    """A database of the test's own, whose books are recomputed when the test is over."""
    yield database_url
    report = await audit_books(database_url)
    assert report.ok, report.differences


@pytest.fixture(scope="session")
async def furnished(postgres_server: EmbeddedPostgres, template: str) -> Desk:
    """The desk that all begin with, in a database that is only copied: furnishing takes longer."""
    name = "template_desk"
    await execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with opened(postgres_server.url(name)) as desk:
        await furnish(desk)
    return desk


@pytest.fixture
async def desk(postgres_server: EmbeddedPostgres, furnished: Desk) -> AsyncIterator[Desk]:
    async with cloned(postgres_server, "template_desk") as url:
        async with opened(url) as desk:
            desk.take_over(furnished)
            yield desk
        report = await audit_books(url)
        assert report.ok, report.differences


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Desk]:
    engine, pool = open_engine(url), await open_pool(url)
    yield Desk(url, open_sessions(engine), pool)
    await pool.close()
    await engine.dispose()
