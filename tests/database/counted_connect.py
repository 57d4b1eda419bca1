"""A `Connect` that counts how often a line had to connect."""

from relay.database.driver import Connection
from relay.database.line import Connect


class CountedConnect:
    """Connects as `connector` does, and counts."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.times = 0

    async def __call__(self, *, durable: bool) -> Connection:
        self.times += 1
        return await self._connect(durable=durable)
