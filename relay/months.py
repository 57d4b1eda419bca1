"""Days and months as the operator counts them: in his time zone, each from its first moment on.

A window holds its first moment and not its last one, so that windows which touch lose and double
nothing. Where clocks are set, a day is 23 or 25 hours long.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)


class Window(NamedTuple):
    """A span of time."""

    start: datetime
    until: datetime
    """The first moment behind it."""


class WrongWindow(ValueError):
    """Months and days that make no window: `field` names one, and `why` goes on."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field} {why}")
        self.field = field
        self.why = why


class Month(NamedTuple):
    """One month of a calendar."""

    year: int
    number: int
    """From 1."""

    def __str__(self) -> str:
        """Spell it: 2026-11."""
        return f"{self.year:04}-{self.number:02}"

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def next(self) -> "Month":
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> "Month":
        year, number = divmod(self.year * 12 + self.number - 2, 12)
        return Month(year, number + 1)

    def window(self, zone: tzinfo) -> Window:
        return Window(first_moment(self.first, zone), first_moment(self.next.first, zone))


def read_zone(name: str) -> tzinfo:
    """Find a time zone by its IANA name.

    Raises:
        ValueError: this machine knows none of that name.
    """
    if name == "UTC":
        return UTC  # known also where no time zones are installed
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:  # folders and odd bytes are no names
        raise ValueError(f"'{name}' is no time zone that this machine knows") from error


def read_month(text: str) -> Month:
    """Read a month such as 2026-11.

    Raises:
        ValueError: it is none, or beyond what dates can say.
    """
    found = _MONTH.fullmatch(text)
    month = Month(int(found[1]), int(found[2])) if found else Month(0, 0)
    if not (1 < month.year < date.max.year and 1 <= month.number <= 12):  # noqa: PLR2004 (months of a year)
        raise ValueError(f"'{text}' is no month such as 2026-11")
    return month


def month_of(at: datetime, zone: tzinfo) -> Month:
    local = at.astimezone(zone)
    return Month(local.year, local.month)


def window_of(
    month: str | None,
    first: date | None,
    last: date | None,
    *,
    zone: tzinfo,
    now: datetime,
    days_max: int | None = None,
) -> Window:
    """Read a month, or days from one to another, with that; else the month of now.

    Raises:
        WrongWindow
    """
    if first is None:
        if last is not None:
            raise WrongWindow("from", "is required beside to")
        try:
            return (month_of(now, zone) if month is None else read_month(month)).window(zone)
        except ValueError as error:
            raise WrongWindow("month", "must be a month such as 2026-11") from error
    if month is not None:
        raise WrongWindow("month", "excludes from and to")
    last = now.astimezone(zone).date() if last is None else last
    for name, day in (("from", first), ("to", last)):
        if not date.min.year < day.year < date.max.year:
            raise WrongWindow(name, "must be a day such as 2026-11-27")
    if last < first:
        raise WrongWindow("to", "is before from")
    if days_max is not None and (last - first).days >= days_max:
        raise WrongWindow("to", f"must be 1 to {days_max} days, with that of from")
    return Window(first_moment(first, zone), first_moment(last + timedelta(days=1), zone))


def first_moment(day: date, zone: tzinfo) -> datetime:
    """Say when a day begins, in UTC; where clocks leave out its midnight, when they go on."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def spelt_window(window: Window, zone: tzinfo) -> list[tuple[str, str]]:
    """Say from when until when, by the operator's clock."""
    start, until = window.start.astimezone(zone), window.until.astimezone(zone)
    return [
        ("From", f"{start:%Y-%m-%d %H:%M:%S} {zone}"),
        ("Before", f"{until:%Y-%m-%d %H:%M:%S} {zone}"),
    ]


def days_of(window: Window, zone: tzinfo) -> Iterator[date]:
    """Name the days that a window has a part of, in order."""
    day = window.start.astimezone(zone).date()
    while first_moment(day, zone) < window.until:
        yield day
        day += timedelta(days=1)
