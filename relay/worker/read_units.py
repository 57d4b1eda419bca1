"""What units each account has left, asked on a schedule."""

from datetime import UTC, datetime

import structlog

from relay.channels.directory import ChannelDirectory
from relay.database.driver import Pool
from relay.health.board import Board
from relay.health.observer import Observer
from relay.health.statements import CLAIM_UNITS, WRITE_PACKS, PackRow
from relay.kling.packs import COSTS, PackInfo, costs_query, read_packs
from relay.kling.transport import NoUsableReply
from relay.tasks.upstream import Upstream

log = structlog.get_logger()

UNITS_EVERY_S = 600.0
"""Of one account; Kling's figures lag hours, and what matters here is a pack that was bought."""
TURN_EVERY_S = 1.5
"""One account at a time: Kling allows one question a second, and channels may share an account."""
TIMEOUT_S = 15.0


class UnitsReader:
    """Asks for free what packs there are."""

    def __init__(
        self,
        pool: Pool,
        *,
        directory: ChannelDirectory,
        upstream: Upstream,
        board: Board,
        observer: Observer,
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._upstream = upstream
        self._board = board
        self._observer = observer

    async def read_next(self) -> None:
        """Ask about the channel that was asked longest ago, if that is long enough."""
        record = await self._pool.fetchrow(CLAIM_UNITS, UNITS_EVERY_S)
        if record is None:
            return
        channel = await self._directory.get(record["id"])
        query = costs_query(datetime.now(UTC))
        try:
            reply = await self._upstream.read(channel, COSTS, query, timeout_s=TIMEOUT_S)
        except NoUsableReply as error:
            log.warning("units.unread", channel=channel.name, reason=error.reason)
            return
        packs = read_packs(reply)
        if packs is None:
            log.warning("units.unread", channel=channel.name, reason=f"HTTP {reply.status}")
            return
        await self._keep(channel.id, packs)

    async def _keep(self, channel_id: int, packs: list[PackInfo]) -> None:
        """Write them; where there are more than before, what was parked goes on.

        Not where there merely are some: for twelve hours Kling tells of units that are used up.
        """
        rows = [
            PackRow(
                pack.id,
                pack.name,
                pack.kind,
                pack.total,
                pack.remaining,
                pack.effective_at,
                pack.expires_at,
                pack.status,
            )
            for pack in {pack.id: pack for pack in packs}.values()
        ]
        columns = [list(column) for column in zip(*rows, strict=True)] or [
            [] for _ in PackRow._fields
        ]
        risen = await self._pool.fetch(WRITE_PACKS, *columns, channel_id)
        if risen:
            await self._board.refresh(())
        for record in risen:
            self._observer.units_are_back(channel_id, record["kind"])
            self._observer.units_are_back(channel_id, "")
