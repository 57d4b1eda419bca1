"""When a delivery that failed is tried again."""

import random

import msgspec

HOUR_S = 3600.0


class RetrySchedule(msgspec.Struct, frozen=True):
    """Pauses as long as what has passed since the first attempt: they double, up to the longest.

    By default 5 s, 5 s, 10 s, 20 s, … 4 h, each a quarter more or less by chance: about 30 attempts
    in 72 hours.
    """

    first_s: float = 5.0
    longest_s: float = 4 * HOUR_S
    window_s: float = 72 * HOUR_S
    jitter: float = 0.25

    def pause_s(self, elapsed_s: float) -> float | None:
        """Say how long to rest after a failure; None when the window is over.

        The last attempt is made at the end of the window.
        """
        if elapsed_s >= self.window_s:
            return None
        pause = min(max(self.first_s, elapsed_s), self.longest_s)
        pause *= random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 (spreads load)
        return min(pause, self.window_s - elapsed_s)

    @property
    def window(self) -> str:
        if self.window_s < HOUR_S:
            return f"{self.window_s:g} seconds"
        return f"{self.window_s / HOUR_S:g} hours"
