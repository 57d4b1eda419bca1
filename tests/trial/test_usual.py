"""What is written down of the sandbox is what it does."""

from pathlib import Path

import msgspec
import pytest

from relay.trial import usual
from relay.trial.plan import ENDPOINTS
from relay.trial.usual import usual_fields
from tests.trial.test_findings import observed

WRITTEN = Path(usual.__file__).with_name("usual.json")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_usual_fields_are_those_of_the_sandbox(endpoint: str) -> None:
    """Of each reply that it gives; `python -m tests.trial.test_usual` writes them anew."""
    seen, _ = await observed(endpoint=endpoint, task_seconds=1.0)

    assert seen.replies == usual_fields(endpoint)


async def write() -> None:
    """Ask the sandbox, and write down what it said."""
    found = {
        endpoint: (await observed(endpoint=endpoint, task_seconds=1.0))[0].replies
        for endpoint in ENDPOINTS
    }
    WRITTEN.write_bytes(msgspec.json.format(msgspec.json.encode(found, order="sorted")) + b"\n")


if __name__ == "__main__":
    import asyncio

    asyncio.run(write())
