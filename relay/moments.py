"""Moments in milliseconds since 1970, as Kling and its clients spell them.

The one way from a moment to its milliseconds and back. A moment is kept to the microsecond and
shown by the millisecond that it falls in; a window holds all of the milliseconds that it names, so
that what is shown at T is found by a window that begins with T, and by one that ends with it.
"""

from datetime import UTC, datetime, timedelta

MS_MAX = 253_402_300_799_000
"""The last second that a date can hold, at its beginning."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def ms_of(at: datetime) -> int:
    """Say in which millisecond a moment falls; exact, where a float of seconds is not."""
    return (at - _EPOCH) // _MS


def moment_of(ms: int) -> datetime:
    """Make the first moment of a millisecond from 0 to `MS_MAX`."""
    return _EPOCH + ms * _MS


def moment_after(ms: int) -> datetime:
    """Make the first moment behind a millisecond: where a window ends that holds all of it."""
    return moment_of(ms + 1)


def spelt_moment(at: datetime | None) -> str:
    """Spell a moment for people, in UTC."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
