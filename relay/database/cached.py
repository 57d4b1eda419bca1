"""A value that others may change: remembered for a while, then read again."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """What `read` returned, at most `age_max_s` after that reading began.

    Who comes while it is read waits for that reading, and shares its failure: while the database is
    down, a hundred who wait do not try one after the other. The next to come tries again.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[T]],
        *,
        age_max_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read until the first `get`."""
        self._read = read
        self._age_max_s = age_max_s
        self._clock = clock
        self.good_until = -math.inf
        """On the clock: whoever has no time for a call that waits for nothing looks here first."""
        self._value: T
        self._reading: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return the value.

        Raises:
            Exception: what `read` raised; what was remembered before is too old to be given.
        """
        if self._clock() <= self.good_until:
            return self._value
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_again())
        # Shielded: who gives up does not end it for the others.
        return await asyncio.shield(self._reading)

    def forget(self) -> None:
        """Have the next `get` read, also if a reading is under way: it may have come too early."""
        self.good_until = -math.inf
        self._reading = None

    async def _read_again(self) -> T:
        began = self._clock()
        try:
            value = await self._read()
            if self._reading is asyncio.current_task():
                self._value, self.good_until = value, began + self._age_max_s
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None
        return value
