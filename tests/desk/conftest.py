"""Every test here has a desk with something on it; afterwards the audit must find nothing."""

from collections.abc import AsyncIterator

import pytest

from relay.database.engine import open_engine, open_pool, open_sessions
from tests.desk.world import Desk, furnish
from tests.ledger.books import audit_books


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[str]:
    """A database of the test's own, whose books are recomputed when the test is over."""
    yield database_url
    report = await audit_books(database_url)
    assert report.ok, report.differences


@pytest.fixture
async def desk(books: str) -> AsyncIterator[Desk]:
    engine, pool = open_engine(books), await open_pool(books)
    desk = Desk(books, open_sessions(engine), pool)
    await furnish(desk)
    yield desk
    await pool.close()
    await engine.dispose()
