"""What a tenant is told of its place."""

from relay.database.cached import Cached
from relay.database.driver import Pool
from relay.database.ids import TenantId
from relay.health.board import Board
from relay.tasks.queue.order import Waiting, read_waiting

AGE_MAX_S = 1.0
"""The whole queue is read for all who ask within that time."""


class Places:
    """Knows the order, as of a moment ago."""

    def __init__(self, pool: Pool, board: Board) -> None:
        self._room = board.room
        self._order = Cached(lambda: read_waiting(pool), of="the queue", age_max_s=AGE_MAX_S)

    async def of(self, tenant_id: TenantId) -> list[tuple[Waiting, int | None]]:
        """List what waits of a tenant, with the whole seconds that each is expected to wait.

        None if it is no slot that it waits for: nobody knows how long a pause or an outage takes.
        """
        waiting = await self._order.get()
        await self._room.count()
        return [
            (one, self._expected_s(one)) for one in waiting if one.caller.tenant_id == tenant_id
        ]

    def _expected_s(self, one: Waiting) -> int | None:
        if not one.channel_ids:
            return None
        keys = ((channel_id, one.need.pack, "") for channel_id in one.channel_ids)
        return self._room.expected_wait_s(keys, ahead=one.place - 1)
