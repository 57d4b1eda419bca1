"""Figures of the business for Home: read once for all who look, and not again within seconds."""

from datetime import UTC, datetime

import msgspec
from sqlalchemy.exc import DBAPIError

from relay.channels.read import read_rows
from relay.console.page import reading
from relay.database.cached import Cached
from relay.desk.office import Office
from relay.health.read import Standing, read_standings
from relay.html.problems import took_too_long
from relay.months import first_moment
from relay.tasks.queue.read import Lineup, read_lineup
from relay.tasks.recent import Times, read_times
from relay.usage.glance import DAYS, Glance, read_glance

AGE_MAX_S = 15.0


class Figured(msgspec.Struct, frozen=True):
    """All of it, of one time."""

    at: datetime
    glance: Glance
    """Of fewer days where all of them took too long."""
    times: Times
    """Of today."""
    times_whole: Times
    """Of all its days, as far as the newest tasks go."""
    lineup: Lineup
    channels: list[tuple[str, Standing]]

    @property
    def is_whole(self) -> bool:
        return len(self.glance.days) == DAYS


class Figures:
    """Reads them when somebody looks."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._cached = Cached(self._read, of="figures of Home", age_max_s=AGE_MAX_S)

    async def get(self) -> Figured:
        """Read them, or give those of a moment ago.

        Raises:
            DBAPIError, OSError, TimeoutError: the database is away, or too slow even for today's.
        """
        return await self._cached.get()

    async def _read(self) -> Figured:
        now, settings = datetime.now(UTC), self._office.settings
        try:
            glance = await self._glance(now, DAYS)
        except DBAPIError as error:
            if not took_too_long(error):
                raise
            glance = await self._glance(now, 1)
        async with reading(self._office) as session:
            midnight = first_moment(now.astimezone(settings.zone).date(), settings.zone)
            rows = await read_rows(session)
            standings = await read_standings(session, rows)
            return Figured(
                at=now,
                glance=glance,
                times=await read_times(session, midnight),
                times_whole=await read_times(session, glance.days[0].start),
                lineup=await read_lineup(session),
                channels=[(row.name, standings[row.id]) for row in rows],
            )

    async def _glance(self, now: datetime, days: int) -> Glance:
        settings = self._office.settings
        async with reading(self._office) as session:
            return await read_glance(
                session, now=now, zone=settings.zone, currency=settings.currency, days=days
            )
