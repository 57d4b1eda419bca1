"""That the process has begun to stop, and how long what is under way has to end."""

import asyncio
import time

CLOSING_S = 4.0
"""Of the drain's time: what is left, at the least, to close when the last request has ended. All
that is closed gives up by itself before."""


class Stopping(asyncio.Event):
    """Set when the process begins to stop: nothing new is begun then, and streams end."""

    def __init__(self, drain_s: float) -> None:
        """`drain_s`: how long the process has from then until it has ended."""
        super().__init__()
        self.under_way_s = max(drain_s - CLOSING_S, drain_s / 2)
        """How long what is under way has."""
        self._ends_at: float | None = None

    def set(self) -> None:
        """Let its time run from now, unless it does."""
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self.under_way_s
        super().set()

    def left_s(self) -> float:
        """How much of that is left; nothing to who is closed without having been told."""
        return 0.0 if self._ends_at is None else max(self._ends_at - time.monotonic(), 0.0)
