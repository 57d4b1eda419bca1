"""The business at a glance: each of the last days, and who pays most."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.months import Window, days_of, first_moment
from relay.usage.raw import FIGURES
from relay.usage.sums import Usage, UsageKey, read_dearest, read_usage

DAYS = 30
TOP = 5


class Day(msgspec.Struct, frozen=True):
    day: date
    start: datetime
    """Its first moment, in UTC."""
    usage: Usage


class Glance(msgspec.Struct, frozen=True):
    """The last days, today as the last of them."""

    days: list[Day]
    """All of them, also where nothing was made; oldest first."""
    tenants: list[Usage]
    """Who was charged most in them."""

    @property
    def today(self) -> Usage:
        return self.days[-1].usage

    @property
    def whole(self) -> Usage:
        return sum_of(day.usage for day in self.days)


async def read_glance(
    session: AsyncSession, *, now: datetime, zone: tzinfo, currency: str, days: int = DAYS
) -> Glance:
    """Sum up so many days, in the operator's time zone; `currency`: of the books."""
    today = now.astimezone(zone).date()
    window = Window(
        first_moment(today - timedelta(days=days - 1), zone),
        first_moment(today + timedelta(days=1), zone),
    )
    by_day = await read_usage(session, [UsageKey.DAY], window, zone=zone, currency=currency)
    tenants = await read_dearest(session, window, count=TOP, zone=zone, currency=currency)
    found = {one.keys[UsageKey.DAY]: one for one in by_day}
    return Glance(
        days=[
            Day(day, first_moment(day, zone), found.get(str(day)) or sum_of(()))
            for day in days_of(window, zone)
        ],
        tenants=tenants,
    )


def sum_of(usages: Iterable[Usage]) -> Usage:
    """Sum up windows or keys that have nothing in common; of none all is 0."""
    found = list(usages)
    return Usage(keys={}, **{name: sum(getattr(one, name) for one in found) for name in FIGURES})
