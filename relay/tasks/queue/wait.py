"""How long a caller lets a create wait for room."""

import re
from datetime import timedelta

from relay.errors import InvalidParameter
from relay.tenants.caller import Caller

HEADER = "Relay-Queue"
WAIT_DEFAULT_S, WAIT_MAX_S = 480, 86_400
"""Clients give up after ten minutes, and a video takes some itself."""
BODY_BYTES_MAX = 1_000_000
WAITING_MAX = 1000
"""Of one tenant, or what it sends would fill the disk: its quota bounds that at cents a body."""

_SPELT = re.compile(r"(\d{1,6})([smh]?)")
_IN_S = {"": 1, "s": 1, "m": 60, "h": 3600}


def read_wait(text: str) -> int:
    """Read `8m`, `30s`, `1h`, `on` or `off` in seconds; 0 is not to wait.

    Raises:
        ValueError: none of these, or longer than a day. The message says what it may be.
    """
    spelt = text.strip().lower()
    if spelt in ("on", "off"):
        return WAIT_DEFAULT_S if spelt == "on" else 0
    found = _SPELT.fullmatch(spelt)
    wait_s = int(found[1]) * _IN_S[found[2]] if found else -1
    if not 0 <= wait_s <= WAIT_MAX_S:
        raise ValueError("must be a time such as 8m, 30s or 1h, at most a day, or on or off")
    return wait_s


def wait_of(caller: Caller, header: str | None) -> int:
    """Say for how many seconds a create may wait: by its header, else as its caller's are.

    Raises:
        InvalidParameter: the header cannot be read.
    """
    if header is None or not header.strip():
        return caller.queue_s
    try:
        return read_wait(header)
    except ValueError as error:
        raise InvalidParameter(HEADER, str(error)) from error


def spell_wait(wait_s: int | None) -> str:
    """Spell it for people."""
    if not wait_s:
        return "off"
    hours, minutes = divmod(wait_s, 3600)
    if not minutes:
        return f"{hours}h"
    return f"{wait_s // 60}m" if wait_s % 60 == 0 else str(timedelta(seconds=wait_s))
