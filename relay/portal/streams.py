"""Pages that are told when something is new; of one tenant only so many at a time."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from litestar.response import ServerSentEventMessage

from relay.html.following import LOOK_EVERY_S, changes

OF_TENANT_MAX = 6


class Streams:
    """Of one process."""

    def __init__(self, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._look_every_s = look_every_s
        self._open: Counter[int] = Counter()

    def has_room(self, tenant_id: int) -> bool:
        return self._open[tenant_id] < OF_TENANT_MAX

    async def changes(
        self,
        tenant_id: int,
        look: Callable[[], Awaitable[object]],
        is_still_in: Callable[[], Awaitable[bool]],
    ) -> AsyncGenerator[ServerSentEventMessage, None]:
        """Yield what a page of a tenant's is told (`html/following.py`)."""
        if not self.has_room(tenant_id):
            return  # of several that asked at once
        self._open[tenant_id] += 1
        try:
            told = changes(look, is_still_in, look_every_s=self._look_every_s)
            async with aclosing(told):
                async for word in told:
                    yield word
        finally:
            self._open[tenant_id] -= 1
            if not self._open[tenant_id]:
                del self._open[tenant_id]
