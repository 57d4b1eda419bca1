import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.server import streaming
from tests.server.peer import Served


@pytest.fixture(params=[False, True], ids=["kling", "page"])
def each_exchange(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run once with our own exchange, of Kling's paths, and once with uvicorn's, of pages."""
    Served.as_pages = request.param
    yield
    Served.as_pages = False


@pytest.fixture
async def served_file(tmp_path: Path) -> AsyncIterator[streaming.Served]:
    """The streaming application, with a file of a million bytes."""
    async with streaming.serving() as served:
        served.told.file = tmp_path / "clip.mp4"
        served.told.file.write_bytes(random.Random(1).randbytes(1_000_000))
        yield served
