"""Every test here that names `books` has moved money: afterwards the audit must find nothing."""

from collections.abc import AsyncIterator

import pytest

from tests.ledger.books import audit_books


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[str]:
    """A database of the test's own, whose books are recomputed when the test is over."""
    yield database_url
    report = await audit_books(database_url)
    assert report.ok, report.differences
