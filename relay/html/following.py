"""A page that is told when something is new, for as long as somebody who may looks on."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from litestar.response import ServerSentEventMessage

LOOK_EVERY_S, HEARTBEAT_S = 3.0, 15.0
LASTS_S = 300.0
"""Then a browser asks again, as the page that it shows by now."""


async def changes(
    look: Callable[[], Awaitable[object]],
    is_still_in: Callable[[], Awaitable[bool]],
    *,
    look_every_s: float = LOOK_EVERY_S,
    lasts_s: float = LASTS_S,
) -> AsyncGenerator[ServerSentEventMessage, None]:
    """Yield a word whenever what a look finds is another than before; and heartbeats.

    `is_still_in` is asked before each look: once whoever looks on was logged out, or its key has
    ended, it is told that, and nothing more.
    """
    seen = await look()
    yield ServerSentEventMessage(comment="here")
    lasted_s = quiet_s = 0.0
    while lasted_s < lasts_s:
        await asyncio.sleep(look_every_s)
        lasted_s += look_every_s
        quiet_s += look_every_s
        if not await is_still_in():
            yield ServerSentEventMessage(event="over", data="")
            return
        found = await look()
        if found != seen:
            seen, quiet_s = found, 0.0
            yield ServerSentEventMessage(event="changed", data="")
        elif quiet_s >= HEARTBEAT_S:
            quiet_s = 0.0
            yield ServerSentEventMessage(comment="here")
