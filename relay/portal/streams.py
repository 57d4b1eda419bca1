"""Pages that are told when something is new; of one tenant only so many at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable

from litestar.response import ServerSentEventMessage

OF_TENANT_MAX = 6
LOOK_EVERY_S, HEARTBEAT_S = 3.0, 15.0
LASTS_S = 300.0
"""Then a browser asks again, and is let in again, or not: a key may have ended meanwhile."""


class Streams:
    """Of one process."""

    def __init__(self, *, look_every_s: float = LOOK_EVERY_S, lasts_s: float = LASTS_S) -> None:
        self._look_every_s = look_every_s
        self._lasts_s = lasts_s
        self._open: Counter[int] = Counter()

    def has_room(self, tenant_id: int) -> bool:
        return self._open[tenant_id] < OF_TENANT_MAX

    async def changes(
        self, tenant_id: int, look: Callable[[], Awaitable[object]]
    ) -> AsyncGenerator[ServerSentEventMessage, None]:
        """Yield a word whenever what a look finds is another than before; and heartbeats."""
        if not self.has_room(tenant_id):
            return  # of several that asked at once
        self._open[tenant_id] += 1
        try:
            seen = await look()
            yield ServerSentEventMessage(comment="here")
            lasted_s = quiet_s = 0.0
            while lasted_s < self._lasts_s:
                await asyncio.sleep(self._look_every_s)
                lasted_s += self._look_every_s
                quiet_s += self._look_every_s
                found = await look()
                if found != seen:
                    seen, quiet_s = found, 0.0
                    yield ServerSentEventMessage(event="changed", data="")
                elif quiet_s >= HEARTBEAT_S:
                    quiet_s = 0.0
                    yield ServerSentEventMessage(comment="here")
        finally:
            self._open[tenant_id] -= 1
            if not self._open[tenant_id]:
                del self._open[tenant_id]
