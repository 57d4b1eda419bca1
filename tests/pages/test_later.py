"""What is built at its first request: once for a process, and tenants are served meanwhile."""

import asyncio
import threading
from functools import cache
from typing import Any

from relay.pages.later import Later
from tests.waiting import PATIENCE_S, wait_until


async def test_many_first_requests_build_it_once_and_hold_up_nobody() -> None:
    """Eight at once, at two relays of the process; the loop goes on until it is built."""
    begun, may_end = threading.Event(), threading.Event()
    built: list[int] = []
    asked: list[str] = []

    @cache
    def build() -> Any:
        begun.set()
        assert may_end.wait(PATIENCE_S), "the loop stands still"
        built.append(threading.get_ident())

        async def answer(scope: Any, _receive: Any, _send: Any) -> None:
            asked.append(scope["path"])

        return answer

    relays = [Later(build), Later(build)]
    assert not begun.is_set()
    requests = asyncio.gather(
        *(relays[number % 2]({"path": f"/{number}"}, None, None) for number in range(8))
    )
    await wait_until(begun.is_set)
    assert asked == []
    may_end.set()
    await requests

    assert sorted(asked) == [f"/{number}" for number in range(8)]
    assert len(built) == 1
    assert built != [threading.get_ident()]


async def test_what_is_a_relays_own_is_built_once_too() -> None:
    """As the office, whose first requests may be a monitor's and a scraper's at once."""
    built: list[int] = []

    def build() -> Any:
        built.append(1)

        async def answer(_scope: Any, _receive: Any, _send: Any) -> None:
            pass

        return answer

    office = Later(build)
    await asyncio.gather(*(office({}, None, None) for _ in range(8)))

    assert built == [1]
