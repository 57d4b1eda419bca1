"""Ids that never repeat: 18 digits, as Kling's have."""

import secrets


class Ids:
    """Makes ids of every kind; the first digit tells kinds apart."""

    def __init__(self) -> None:
        self._last_ms = 0
        self._issued: set[str] = set()

    def task(self, at_ms: int) -> str:
        """Make the time in ms, then five random digits.

        Time keeps them apart from those of an earlier run, the set from others of the same ms.
        """
        if at_ms > self._last_ms:
            self._issued.clear()
            self._last_ms = at_ms
        while True:
            name = f"{self._last_ms}{secrets.randbelow(100_000):05d}"
            if name not in self._issued:
                self._issued.add(name)
                return name

    def other(self, at_ms: int, first: str) -> str:
        """Make an id that begins with `first`, for what is no task."""
        return first + self.task(at_ms)[1:]
