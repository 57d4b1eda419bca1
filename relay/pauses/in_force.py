"""The pauses in force, and what they stop."""

from collections.abc import Collection, Iterable, Sequence

import msgspec
import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.opened import OpenedChannel
from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.errors import Paused
from relay.pauses.tables import Pause

log = structlog.get_logger()

AGE_MAX_S = 2.0
"""How long a pause, or its end, may stay unseen by a running process."""


class Scope(msgspec.Struct, frozen=True):
    """What one pause stops; None is any."""

    id: int
    tenant_id: int | None
    channel_id: int | None
    endpoint: str | None
    model: str | None

    def fits(self, whose: Collection[int], endpoint: str, model: str | None) -> bool:
        """Tell whether it stops this create on the channels that it names.

        `whose`: the tenant, and the one that it is below.
        """
        return (
            (self.tenant_id is None or self.tenant_id in whose)
            and self.endpoint in (None, endpoint)
            and (self.model is None or (model is not None and self.model == model.lower()))
        )


class Pauses:
    """All that are in force."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self._scopes = tuple(scopes)

    def left_of(
        self,
        channels: Sequence[OpenedChannel],
        *,
        whose: Collection[int],
        endpoint: str,
        model: str | None,
    ) -> list[OpenedChannel]:
        """Keep the channels on which a create is not paused; at least one.

        Raises:
            Paused: none is left.
        """
        if not self._scopes:
            return list(channels)
        fitting = [one for one in self._scopes if one.fits(whose, endpoint, model)]
        stopped = {one.channel_id for one in fitting}
        left = [one for one in channels if None not in stopped and one.id not in stopped]
        if not left:
            log.info("submit.paused", pauses=[one.id for one in fitting], whose=sorted(whose))
            raise Paused
        return left


def cached_pauses(sessions: Sessions) -> Cached[Pauses]:
    """Keep what is in force, at most `AGE_MAX_S` old."""

    async def read() -> Pauses:
        async with sessions() as session:
            return Pauses(await read_scopes(session))

    return Cached(read, of="pauses", age_max_s=AGE_MAX_S)


async def read_scopes(session: AsyncSession) -> list[Scope]:
    """Read those in force, by the database's clock."""
    rows = await session.scalars(
        select(Pause)
        .where(Pause.ended_at.is_(None), or_(Pause.until.is_(None), Pause.until > func.now()))
        .order_by(Pause.id)
    )
    return [Scope(row.id, row.tenant_id, row.channel_id, row.endpoint, row.model) for row in rows]
