"""The day, week or month that a limit counts, in the operator's time zone."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from relay.limits.tables import LimitKind
from relay.months import first_moment, month_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LimitWindow(NamedTuple):
    start_at: datetime
    until_at: datetime | None
    """The first moment behind it; None is never."""


def window_of(kind: LimitKind, at: datetime, zone: tzinfo) -> LimitWindow:
    """Find the window that a moment is in; of what has none, all time."""
    day = at.astimezone(zone).date()
    match kind:
        case LimitKind.DAY:
            first, next_first = day, day + timedelta(days=1)
        case LimitKind.WEEK:
            first = day - timedelta(days=day.weekday())
            next_first = first + timedelta(days=7)
        case LimitKind.MONTH:
            return LimitWindow(*month_of(at, zone).window(zone))
        case _:
            return LimitWindow(EPOCH, None)
    return LimitWindow(first_moment(first, zone), first_moment(next_first, zone))
