"""Kling's clock, as the `Date` of its answers shows it.

What we sign for Kling is dated by it: Kling refuses a bearer from its future (1003) or of its past
(1004). An upstream's word is believed for that, and for nothing else.
"""

import math
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import msgspec
import structlog

from relay.kling.jwt import Lifetime

log = structlog.get_logger()

LOOKED_AT_EVERY_S = 10.0
"""Reading a date takes as long as a tenth of a submit."""
NOTICED_S = 5.0
"""A `Date` has whole seconds, and an answer is some time on its way."""
SAID_S = 20.0
DATE_ERROR_S = 2.0
"""How far a `Date` may be off for being rounded and having travelled."""
DOUBTED_S = 600.0
"""How long a clock is not followed after a bearer was refused that holds by its `Date`: it is
another machine's than the one that judges."""
UPSTREAMS_MAX = 1024


class _Seen(msgspec.Struct):
    """What is known of one upstream's clock."""

    ahead_s: float = 0.0
    """Of ours; 0 if it does not differ, or is not followed."""
    look_at: float = -math.inf
    """Not before, on the monotonic clock."""
    doubted_until: float = -math.inf
    is_said: bool = False


class UpstreamClocks:
    """By base URLs of channels."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._seen: dict[str, _Seen] = {}

    def now_s(self, base_url: str) -> int:
        """Tell the Unix time that it is there."""
        seen = self._seen.get(base_url)
        return int(self._wall() + (seen.ahead_s if seen is not None else 0.0))

    def note(self, base_url: str, date: str) -> None:
        """Look at the `Date` of an answer that has just come, every now and then."""
        seen = self._seen.get(base_url)
        if seen is None:
            if len(self._seen) >= UPSTREAMS_MAX:
                self._seen.clear()
            seen = self._seen[base_url] = _Seen()
        now = self._clock()
        if now < seen.look_at:
            return
        seen.look_at = now + LOOKED_AT_EVERY_S
        ahead_s = self._ahead_s(date)
        if ahead_s is not None:
            self._follow(seen, base_url, ahead_s)

    def note_refused(self, base_url: str, date: str, lifetime: Lifetime) -> None:
        """Look at the `Date` of an answer that refused a bearer of this lifetime for its date.

        Where the bearer holds by it, it is no clock of whoever judged. What is followed by now says
        nothing of that: another answer may have told it since the bearer was signed.
        """
        seen = self._seen.setdefault(base_url, _Seen())
        now, ahead_s = self._clock(), self._ahead_s(date)
        if ahead_s is None or now < seen.doubted_until:
            return
        at_s = self._wall() + ahead_s
        if lifetime.begins_at_s + DATE_ERROR_S <= at_s <= lifetime.ends_at_s - DATE_ERROR_S:
            seen.ahead_s = 0.0
            seen.look_at = seen.doubted_until = now + DOUBTED_S
            log.warning("clock.of_kling_doubted", base_url=base_url)
        else:
            self._follow(seen, base_url, ahead_s)

    def _ahead_s(self, date: str) -> float | None:
        """Read how far a `Date` is before our clock; None if there is none, or it is no date."""
        try:
            return parsedate_to_datetime(date).timestamp() + 0.5 - self._wall()
        except (ValueError, TypeError, OverflowError):
            return None

    def _follow(self, seen: _Seen, base_url: str, ahead_s: float) -> None:
        if abs(ahead_s - seen.ahead_s) > NOTICED_S or abs(ahead_s) <= NOTICED_S:
            seen.ahead_s = ahead_s if abs(ahead_s) > NOTICED_S else 0.0
        if (abs(seen.ahead_s) > SAID_S) is not seen.is_said:
            seen.is_said = not seen.is_said
            log.warning(
                "clock.differs_from_kling" if seen.is_said else "clock.agrees_with_kling",
                base_url=base_url,
                kling_ahead_s=round(seen.ahead_s),
            )
