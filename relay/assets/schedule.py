"""When a copy that came to nothing is tried again, and when no more."""

from relay.assets.statements import KLING_KEEPS_DAYS

FIRST_PAUSE_S, PAUSE_MAX_S = 20.0, 6 * 3600.0
DAY_S = 86400.0
KLING_KEEPS_S = KLING_KEEPS_DAYS * DAY_S
GONE_AFTER_S = DAY_S
"""What a store says to be no more is believed after that: it says so of a fault of its own too."""


def pause_s(attempts: int, *, age_s: float, is_gone: bool) -> float | None:
    """Say for how long it rests after so many attempts; None if it is lost.

    `age_s`: since its task told of it.
    """
    if age_s > KLING_KEEPS_S or (is_gone and age_s > GONE_AFTER_S):
        return None
    return min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 16), PAUSE_MAX_S)
