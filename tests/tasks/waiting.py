"""Waiting for something that happens elsewhere, with a deadline instead of a fixed sleep."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.relay_app import Relay


async def wait_until(
    is_so: Callable[[], Awaitable[bool]], *, at_most_s: float = 10.0, every_s: float = 0.02
) -> None:
    """Ask again and again; TimeoutError if it does not come true in time."""
    async with asyncio.timeout(at_most_s):
        while not await is_so():  # noqa: ASYNC110 (what is waited for is in a database, not in this loop)
            await asyncio.sleep(every_s)


async def is_a_lock_waited_for(relay: Relay) -> bool:
    """Whether some session of this test's database waits for another one's lock."""
    return bool(
        await relay.rows(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
    )
