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

log = structlog.get_logger()

LOOKED_AT_EVERY_S = 10.0
"""Reading a date takes as long as a tenth of a submit."""
NOTICED_S = 5.0
"""A `Date` has whole seconds, and an answer is some time on its way."""
SAID_S = 20.0
DOUBTED_S = 600.0
"""How long a clock is not followed after it was, and the bearer refused for its date all the same:
the `Date` may be another machine's than the one that judges."""
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
        self._read(seen, base_url, date)

    def note_refused(self, base_url: str, date: str) -> None:
        """Look at the `Date` of an answer that refused a bearer for its own date."""
        seen = self._seen.setdefault(base_url, _Seen())
        followed_s, now = seen.ahead_s, self._clock()
        if now < seen.doubted_until:
            return
        self._read(seen, base_url, date)
        if followed_s and abs(seen.ahead_s - followed_s) <= NOTICED_S:
            seen.ahead_s = 0.0
            seen.look_at = seen.doubted_until = now + DOUBTED_S
            log.warning("clock.of_kling_doubted", base_url=base_url)

    def _read(self, seen: _Seen, base_url: str, date: str) -> None:
        try:
            ahead_s = parsedate_to_datetime(date).timestamp() + 0.5 - self._wall()
        except (ValueError, TypeError, OverflowError):  # there is none, or it is no date
            return
        if abs(ahead_s - seen.ahead_s) > NOTICED_S or abs(ahead_s) <= NOTICED_S:
            seen.ahead_s = ahead_s if abs(ahead_s) > NOTICED_S else 0.0
        if (abs(seen.ahead_s) > SAID_S) is not seen.is_said:
            seen.is_said = not seen.is_said
            log.warning(
                "clock.differs_from_kling" if seen.is_said else "clock.agrees_with_kling",
                base_url=base_url,
                kling_ahead_s=round(seen.ahead_s),
            )
