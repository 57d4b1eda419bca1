"""A window of time as tenants ask for one: a month, or whole days from one to another."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo

from relay.errors import InvalidParameter
from relay.months import Window, WrongWindow, window_of

DAYS_MAX = 366
NAMES = frozenset({"month", "from", "to"})

Given = Mapping[str, Sequence[str]]


def read_own_window(given: Given, zone: tzinfo) -> Window:
    """Read it; the month of now, where none is named.

    Raises:
        InvalidParameter
    """
    first, last = (_day(given, name) for name in ("from", "to"))
    try:
        return window_of(
            last_of(given, "month"),
            *(first, last),
            zone=zone,
            now=datetime.now(UTC),
            days_max=DAYS_MAX,
        )
    except WrongWindow as error:
        raise InvalidParameter(error.field, error.why) from error


def last_of(given: Given, name: str) -> str | None:
    """Read a parameter; of several the last one."""
    values = given.get(name)
    return values[-1] if values else None


def _day(given: Given, name: str) -> date | None:
    spelt = last_of(given, name)
    if spelt is None:
        return None
    try:
        return date.fromisoformat(spelt)
    except ValueError as error:
        raise InvalidParameter(name, "must be a day such as 2026-11-27") from error
