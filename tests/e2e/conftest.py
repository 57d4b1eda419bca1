from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A Kling whose tasks take 0.3 s, a database, and no relay yet."""
    async with open_world(database_url, tmp_path) as opened:
        yield opened
