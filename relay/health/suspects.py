"""Whose creates a channel in trouble was tried with in vain.

It may be what they ask for that Kling breaks on, so they stand back for others: each may try again
after pauses of its own, which double, and lengthens no pause of the channel's but once.
"""

from collections.abc import Callable, Collection, Iterable

import msgspec

from relay.health.condition import Condition, Key, Need, rule_of
from relay.health.rules import TROUBLE

GRACE_S = 60.0
"""Where no worker runs, nobody asks: then a create tries what a free question would end. And where
nothing else comes, one tries that has failed before."""

Who = tuple[int, str]
"""A tenant, and the model that it asked for."""


class _Suspect(msgspec.Struct):
    try_at_s: float
    tries: int = 0
    """In vain, to see whether it is over."""


class Suspects:
    """As this process knows them; another one lets each try once more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of: dict[Key, dict[Who, _Suspect]] = {}

    def see(self, key: Key, whose: Iterable[Who]) -> None:
        """Note by whose creates the trouble was found."""
        suspects = self._of.setdefault(key, {})
        for who in whose:
            suspects.setdefault(who, _Suspect(self._clock() + TROUBLE.pause_s))

    def blame(self, key: Key, need: Need) -> bool:
        """Note that it tried in vain; True if it had failed before."""
        suspects = self._of.setdefault(key, {})
        before = suspects.get(who_of(need))
        tries = 0 if before is None else before.tries + 1
        pause_s = min(TROUBLE.pause_s * 2.0 ** min(tries, 20), TROUBLE.pause_most_s)
        suspects[who_of(need)] = _Suspect(self._clock() + pause_s, tries)
        return before is not None

    def own_try_at_s(self, key: Key, need: Need) -> float:
        """Say when it may try again for its own part: at any time if it has not failed."""
        suspect = self._of.get(key, {}).get(who_of(need))
        return float("-inf") if suspect is None else suspect.try_at_s

    def try_at_s(self, condition: Condition, need: Need) -> float:
        """Say when a create of this need may see whether it is over."""
        is_late = condition.is_probed or (need.has_failed and rule_of(condition) is TROUBLE)
        return max(
            condition.try_at_s + (GRACE_S if is_late else 0.0),
            self.own_try_at_s(condition.key, need),
        )

    def keep(self, keys: Collection[Key]) -> None:
        """Forget all of conditions that are over."""
        for key in [key for key in self._of if key not in keys]:
            del self._of[key]


def who_of(need: Need) -> Who:
    return need.tenant_id, need.model
