"""What an answer of Kling's says of a channel, as data: which part of it, and for how long.

Source of the codes: docs/kling-api.md 8 and 9. How long Kling means each is nowhere said, so pauses
begin short and double.
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple

from relay.kling.codes import Code


class State(StrEnum):
    """How a channel, or a part of it, stands."""

    OK = "ok"
    COOLING = "cooling"
    """Kling is busy, slow or away; over by itself."""
    PARKED = "parked"
    """Nothing is left to pay with; over when units are bought."""
    REFUSED = "refused"
    """Kling does not take the keys, the address or the account, or not for this model."""


GRAVITY = {State.OK: 0, State.COOLING: 1, State.PARKED: 2, State.REFUSED: 3}


class Part(IntEnum):
    """What of a channel an answer is about."""

    ACCOUNT = 0
    PACK = 1
    MODEL = 2
    """Whatever pack pays for it."""
    ROOM = 3
    """Slots of a pack, or of a model in it: see `room.py`."""


class Rule(NamedTuple):
    """What follows from one kind of answer."""

    state: State
    part: Part
    pause_s: float
    """The first; each next is twice as long."""
    pause_most_s: float
    is_probed: bool = False
    """Whether a free question tells that it is over; else a tenant's create does."""


_KEYS = Rule(State.REFUSED, Part.ACCOUNT, 30, 900, is_probed=True)
RULES: dict[int, Rule] = {
    Code.AUTH_FAILED: _KEYS,
    Code.AUTH_EMPTY: _KEYS,
    Code.AUTH_INVALID: _KEYS,
    Code.AUTH_NOT_YET_VALID: _KEYS,
    Code.AUTH_EXPIRED: _KEYS,
    Code.ACCOUNT_ABNORMAL: _KEYS,
    Code.IP_NOT_ALLOWED: _KEYS,
    Code.ACCOUNT_IN_ARREARS: Rule(State.PARKED, Part.ACCOUNT, 60, 1800),
    Code.RESOURCE_PACK_USED_UP: Rule(State.PARKED, Part.PACK, 60, 1800),
    Code.NO_PERMISSION: Rule(State.REFUSED, Part.MODEL, 300, 6 * 3600),
    Code.RATE_LIMITED: Rule(State.COOLING, Part.ACCOUNT, 1, 60),
    Code.CONCURRENCY_LIMITED: Rule(State.COOLING, Part.ROOM, 1, 600),
}
TROUBLE = Rule(State.COOLING, Part.ACCOUNT, 1, 60)
"""5xx, no answer in time, or a page of something that stands before Kling."""
UNREACHABLE = Rule(State.COOLING, Part.ACCOUNT, 1, 60, is_probed=True)

FAILURES_OF_SEVERAL, FAILURES_OF_ONE = 3, 10
"""So many creates in a row end in trouble before a channel cools: of two tenants or more, or of
one, whose bodies may be what Kling stumbles over."""
