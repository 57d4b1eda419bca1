"""Ids of requests, as their tenants see them."""

import random
import time

_LOW = (1 << 62) - 1


def new_request_id() -> str:
    """Make a UUID, as Kling's are: of version 7, which Python has no function for yet.

    They begin with the time, so that the index of tasks by them grows at its end.
    """
    ms = time.time_ns() // 1_000_000
    # Not a generator of our own: Python seeds this one anew in a process that is forked.
    bits = random.getrandbits(74)
    text = f"{ms << 80 | 7 << 76 | bits >> 62 << 64 | 2 << 62 | bits & _LOW:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
