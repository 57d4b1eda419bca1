"""A value that others may change: remembered for a while, then read again."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")

STALE_MAX_S = 30.0
"""How old a value may become while it cannot be read: about as long as a failover takes."""
PATIENCE_S = 1.0
"""How long a reading is waited for by who could go on with the old value."""
READING_MAX_S = 15.0
"""Then it is given up, whatever it waits for, and the next one to come begins another."""
RETRY_S = 0.5
"""Between two readings that fail, while there is an old value."""


def _never(_: object) -> float:
    return math.inf


class Cached(Generic[T]):
    """What `read` returned, at most `age_max_s` after that reading began.

    Who comes while it is read waits for that reading, and shares its failure: while the database is
    down, a hundred who wait do not try one after the other. The next to come tries again. A reading
    that fails or hangs takes nothing from those who have a value of at most `stale_max_s`: they get
    that one.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[T]],
        *,
        of: str,
        age_max_s: float,
        stale_max_s: float = STALE_MAX_S,
        patience_s: float = PATIENCE_S,
        reading_max_s: float = READING_MAX_S,
        clock: Callable[[], float] = time.monotonic,
        ends_at: Callable[[T], float] = _never,
    ) -> None:
        """Nothing is read until the first `get`; `of` names it in the log.

        `ends_at`: from when on, on the clock, a value is wrong by itself and given to nobody.
        """
        self._read = read
        self._of = of
        self._age_max_s = age_max_s
        self._stale_max_s = stale_max_s
        self._waits_s = {True: patience_s, False: reading_max_s}
        """For a reading, by whether the old value could be given."""
        self._clock = clock
        self._ends_at = ends_at
        self.good_until = -math.inf
        """On the clock: whoever has no time for a call that waits for nothing looks here first."""
        self._value: T
        self._usable_until = -math.inf
        self._reading: asyncio.Task[T] | None = None
        self._waited_since_s = 0.0
        """When the reading began, by the loop."""
        self._retry_at = -math.inf
        self._is_failing = False

    async def get(self) -> T:
        """Return the value.

        Raises:
            Exception: what `read` raised, or TimeoutError; what was remembered before is too old
                to be given.
        """
        now = self._clock()
        if now <= self.good_until:
            return self._value
        is_usable = now <= self._usable_until
        if is_usable and now < self._retry_at:
            return self._value
        reading = self._begin()
        # Not cancelled with its waiter: who gives up does not end it for the others.
        await asyncio.wait({reading}, timeout=self._patience_s(is_usable=is_usable))
        if reading.done() and not reading.cancelled() and reading.exception() is None:
            return reading.result()
        if is_usable:
            return self._value
        if reading.done() and not reading.cancelled():
            return reading.result()  # raises
        self._give_up(reading)
        raise TimeoutError

    async def try_read(self) -> T:
        """Read, and remember nothing: whoever asks whether it can be read wants no old value."""
        return await self._read()

    def forget(self) -> None:
        """Have the next `get` read, also if a reading is under way: it may have come too early."""
        self.good_until = self._usable_until = self._retry_at = -math.inf
        self._reading = None

    def _begin(self) -> "asyncio.Task[T]":
        """Read, or join the reading that is under way."""
        if self._reading is not None and self._patience_s(is_usable=False) <= 0:
            self._give_up(self._reading)
        if self._reading is None:
            self._waited_since_s = asyncio.get_running_loop().time()
            self._reading = asyncio.create_task(self._read_again())
            self._reading.add_done_callback(_mark_seen)
        return self._reading

    def _patience_s(self, *, is_usable: bool) -> float:
        waited_s = asyncio.get_running_loop().time() - self._waited_since_s
        return max(0.0, self._waits_s[is_usable] - waited_s)

    def _give_up(self, reading: "asyncio.Task[T]") -> None:
        """Leave a reading that hangs, without waiting for how it ends."""
        reading.cancel()
        if self._reading is reading:
            self._reading = None
            self._note_failure(TimeoutError())

    async def _read_again(self) -> T:
        began = self._clock()
        try:
            value = await self._read()
        except Exception as error:
            if self._reading is asyncio.current_task():
                self._note_failure(error)
            raise
        else:
            if self._reading is asyncio.current_task():
                ends_at = self._ends_at(value)
                self._value, self.good_until = value, min(began + self._age_max_s, ends_at)
                self._usable_until = min(began + self._stale_max_s, ends_at)
                self._is_failing = False
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None
        return value

    def _note_failure(self, error: Exception) -> None:
        """Say once that it is failing, until it does so no more."""
        self._retry_at = self._clock() + RETRY_S
        if not self._is_failing:
            self._is_failing = True
            log.warning("cache.not_read", of=self._of, error=type(error).__name__)


def _mark_seen(reading: "asyncio.Task[T]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()
