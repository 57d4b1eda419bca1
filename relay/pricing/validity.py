"""When a price holds: from one moment until another, and if it says so in some hours of the day.

Hours are whole ones of the relay's time zone (`RELAY_TIMEZONE`), as a clock on the wall shows them:
18-24 is the evening, 22-6 the night. On a day on which the clocks are changed an hour is missing
from them, or stands twice.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

Hours = tuple[int, int]
"""From the first until the second, which is not in it; over midnight the first is the greater."""

HOURS_OF_DAY = 24
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
EVERYWHERE = UTC


class Dated(Protocol):
    """What holds from a moment until another one."""

    @property
    def valid_from(self) -> datetime | None:
        """None is always."""

    @property
    def valid_to(self) -> datetime | None:
        """The first moment behind it; None is for good."""

    @property
    def hours(self) -> Hours | None:
        """None is all day."""


def has_begun(one: Dated, at: datetime) -> bool:
    """Tell whether its days have come; its hours are not asked for."""
    return one.valid_from is None or one.valid_from <= at


def is_over(one: Dated, at: datetime) -> bool:
    return one.valid_to is not None and one.valid_to <= at


def holds(one: Dated, at: datetime, zone: tzinfo) -> bool:
    """Tell whether it is in force at a moment."""
    return (
        has_begun(one, at)
        and not is_over(one, at)
        and (one.hours is None or is_within(one.hours, at.astimezone(zone).hour))
    )


def is_within(hours: Hours, hour: int) -> bool:
    begin, end = hours
    return begin <= hour < end if begin < end else hour >= begin or hour < end


def next_change(dated: Iterable[Dated], at: datetime, zone: tzinfo) -> datetime | None:
    """Find the next moment at which something begins, ends, or may have another hour.

    None: nothing changes by itself any more.
    """
    moments: list[datetime] = []
    has_hours = False
    for one in dated:
        if is_over(one, at):
            continue
        moments += [
            moment
            for moment in (one.valid_from, one.valid_to)
            if moment is not None and moment > at
        ]
        has_hours = has_hours or one.hours is not None
    if has_hours:
        moments.append(_next_hour(at, zone))
    return min(moments, default=None)


def _next_hour(at: datetime, zone: tzinfo) -> datetime:
    """Find when the clock on the wall shows another hour: at the full one, or when it is put."""
    local = at.astimezone(zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    begin, end = at.astimezone(UTC), at.astimezone(UTC) + HOUR - into
    if end.astimezone(zone).utcoffset() == local.utcoffset():
        return end
    # The clocks are put forward or back before that, or then: to the second.
    while end - begin > SECOND:
        middle = begin + (end - begin) // 2
        if middle.astimezone(zone).utcoffset() == local.utcoffset():
            begin = middle
        else:
            end = middle
    return end.replace(microsecond=0)


def spelt_hours(hours: Hours) -> str:
    return f"{hours[0]}-{hours[1]}"
