"""How often something wrong was tried, by whom; each process counts for itself."""

import time
from collections import deque
from collections.abc import Callable, Hashable

KEYS_MAX = 10_000
"""Who is remembered: an attacker may have any number of addresses."""


class Tries:
    """Counts what was wrong in a window of time; who has tried too often waits."""

    def __init__(
        self, most: int, window_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._window_s = window_s
        self._clock = clock
        self._wrong: dict[Hashable, deque[float]] = {}

    def wait_s(self, key: Hashable) -> float:
        """Say for how long somebody still waits; not above 0 is not at all."""
        wrong = self._wrong.get(key)
        if wrong is None or len(wrong) < self._most:
            return 0
        return wrong[0] + self._window_s - self._clock()

    def count(self, key: Hashable) -> None:
        """Count a try as wrong."""
        wrong = self._wrong.pop(key, None) or deque(maxlen=self._most)
        wrong.append(self._clock())
        self._wrong[key] = wrong  # the newest is last
        if len(self._wrong) > KEYS_MAX:
            del self._wrong[next(iter(self._wrong))]

    def take_back(self, key: Hashable) -> None:
        """Forget one try of somebody's: it was right."""
        if wrong := self._wrong.get(key):
            wrong.pop()
