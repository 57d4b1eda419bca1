"""What is asked of Kling for free: lists that all share are remembered, and each tenant has a pace.

Both are of one process. They guard what a channel's account may ask for as a whole: one tenant's
loop over a free path would else take every tenant's rate.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from relay.errors import TooManyCalls

AT_ONCE_S = 10.0
"""For how long a tenant's calls gather that it does not make, or makes at once later."""
TENANTS_MAX = 10_000
LISTS_AGE_S = 60.0
"""As old as presets may be that a submit names (`PRESETS_AGE_MIN_S`)."""
LISTS_MAX, LIST_BYTES_MAX, KEY_BYTES_MAX = 100, 512 * 1024, 200
"""Of what is remembered; tenants choose the queries."""

Answer = TypeVar("Answer")
Key = tuple[int, str, bytes]
"""A channel, an endpoint, a query."""


class Pace:
    """A bucket for each tenant, filled at `per_s`, of which each call takes one.

    It holds what `AT_ONCE_S` fill, and one at least.
    """

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._at_once = max(1.0, per_s * AT_ONCE_S)
        self._clock = clock
        self._left: dict[int, tuple[float, float]] = {}
        """What was left in a bucket, and when."""

    def take(self, tenant_id: int) -> None:
        """Take one, or raise TooManyCalls."""
        now_s = self._clock()
        left, at_s = self._left.get(tenant_id, (self._at_once, now_s))
        left = min(self._at_once, left + (now_s - at_s) * self._per_s)
        if left < 1:
            raise TooManyCalls
        if len(self._left) >= TENANTS_MAX and tenant_id not in self._left:
            self._left.clear()
        self._left[tenant_id] = (left - 1, now_s)


class SharedLists(Generic[Answer]):
    """Remembers lists for a minute: the last hundred that are not too long."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Answer]] = OrderedDict()

    def get(self, key: Key) -> Answer | None:
        at_s, answer = self._kept.get(key, (float("-inf"), None))
        return answer if self._clock() - at_s < LISTS_AGE_S else None

    def keep(self, key: Key, answer: Answer, *, size: int) -> None:
        if size > LIST_BYTES_MAX or len(key[2]) > KEY_BYTES_MAX:
            return
        self._kept[key] = (self._clock(), answer)
        self._kept.move_to_end(key)
        if len(self._kept) > LISTS_MAX:
            self._kept.popitem(last=False)
