"""What fails in a loop ends nothing, and the database's own is told in one line."""

import asyncio
import io
import json
from typing import Any

import pytest

from relay.database.line import DatabaseUnavailable
from relay.worker.chores import repeat
from relay.worker.sweep import sweep
from tests.waiting import wait_until

EVENTS = {"sweep.claim_failed", "sweep.row_failed", "chore.failed"}


def told(logged: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]


@pytest.mark.parametrize("error", [DatabaseUnavailable(), KeyError("a bug")], ids=["fault", "bug"])
async def test_a_traceback_is_for_bugs(logged: io.StringIO, error: Exception) -> None:
    """A claim, a row and a chore fail: each is named, and the loops go on."""
    rows = [1]

    async def fail(*_: object) -> None:
        raise error

    async def claim(_: int) -> list[int]:
        return [rows.pop()] if rows else []

    async def claim_nothing(_: int) -> list[int]:
        raise error

    loops = [
        asyncio.create_task(sweep("looks", claim, fail, at_once=1)),
        asyncio.create_task(sweep("deliveries", claim_nothing, fail, at_once=1)),
        asyncio.create_task(repeat("audit", fail, every_s=0.01)),
    ]
    await wait_until(lambda: {line["event"] for line in told(logged)} == EVENTS)
    await wait_until(lambda: len(told(logged)) > len(EVENTS))

    assert not any(loop.done() for loop in loops)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    is_bug = isinstance(error, KeyError)
    assert {"exception" in line for line in told(logged)} == {is_bug}
    assert {line.get("error") for line in told(logged)} == {
        None if is_bug else "DatabaseUnavailable"
    }
