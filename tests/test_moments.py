"""One way from a moment to milliseconds, and no rounding on it."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from relay.moments import MS_MAX, moment_after, moment_of, ms_of

YEARS_MS = 60 * 365 * 86_400_000


def test_a_millisecond_is_itself_again() -> None:
    """Of 20,000 from 60 years and the last one; by a float of seconds some fell short."""
    drawn = [random.Random(7).randrange(YEARS_MS) + n for n in range(20_000)]

    assert [ms_of(moment_of(ms)) for ms in (*drawn, MS_MAX)] == [*drawn, MS_MAX]


@pytest.mark.parametrize("us", [0, 1, 499, 500, 999])
def test_a_moment_is_in_the_window_of_its_millisecond_alone(us: int) -> None:
    """Whatever microsecond it is kept to: after the beginning, before the end, in no other."""
    at = datetime(2026, 11, 26, 17, 2, 8, 123_000, tzinfo=UTC) + timedelta(microseconds=us)
    shown = ms_of(at)

    def has(start: int, end: int) -> bool:
        return moment_of(start) <= at < moment_after(end)

    assert has(shown, shown)
    assert not has(shown - 9, shown - 1)
    assert not has(shown + 1, shown + 9)
