"""How one set of prices differs from another: what ends, what is added, what stays."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from relay.pricing.book import KEY, Multiplier, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.lists import is_same_price
from relay.pricing.validity import has_begun

Either = PriceRow | Multiplier


class PriceSet(msgspec.Struct, frozen=True):
    """Prices and multipliers that are to hold, with tenants by our ids."""

    rows: list[PriceRow]
    multipliers: list[Multiplier]
    multiplies_amounts: bool | None = None


class Difference(msgspec.Struct, frozen=True):
    """What is to end and what is to be added, for one set of prices to become another."""

    ended: list[Either]
    added: list[Either]
    multiplies_amounts: bool | None = None
    """None: it stays."""

    @property
    def is_nothing(self) -> bool:
        return not (self.ended or self.added or self.multiplies_amounts is not None)


def current_set(prices: Prices, ids: Iterable[int]) -> PriceSet:
    """Say what is in force and to come, but for tenants that are not among `ids`: removed ones."""
    known = {None, *ids}
    rows = [*prices.standing_rows, *prices.coming_rows]
    multipliers = [*prices.standing_multipliers, *prices.coming_multipliers]
    return PriceSet(
        [row for row in rows if row.tenant_id in known],
        [one for one in multipliers if one.tenant_id in known],
        prices.multiplies_amounts,
    )


def differ(current: PriceSet, wanted: PriceSet, at: datetime) -> Difference:
    """Say what ends and what is added; what is alike in both stays as it is."""
    ended: list[Either] = []
    added: list[Either] = []
    _compare(current.rows, wanted.rows, at, ended=ended, added=added)
    _compare(current.multipliers, wanted.multipliers, at, ended=ended, added=added)
    said = wanted.multiplies_amounts
    return Difference(ended, added, None if said is current.multiplies_amounts else said)


def _compare(
    current: Sequence[Either],
    wanted: Sequence[Either],
    at: datetime,
    *,
    ended: list[Either],
    added: list[Either],
) -> None:
    slots = [_by_slot(every) for every in (current, wanted)]
    for where in dict.fromkeys([*slots[0], *slots[1]]):
        had, to_have = (_settled(every.get(where, []), at) for every in slots)
        # Of those that have begun, the one that began last is in force: so they stay together.
        begun = [[one for one in every if has_begun(one, at)] for every in (had, to_have)]
        if not _are_alike(*begun):
            ended += begun[0]
            # What ends lies over what is for good, so it begins behind it.
            added += sorted(begun[1], key=lambda one: one.valid_to is not None)
        coming = [[one for one in every if not has_begun(one, at)] for every in (had, to_have)]
        ended += [one for one in coming[0] if not any(_is_alike(one, two) for two in coming[1])]
        added += [one for one in coming[1] if not any(_is_alike(one, two) for two in coming[0])]


def _are_alike(had: Sequence[Either], to_have: Sequence[Either]) -> bool:
    """Tell whether the same have begun, whenever they did."""
    return len(had) == len(to_have) and all(
        any(_is_same(one, two) and one.valid_to == two.valid_to for two in had) for one in to_have
    )


def _is_alike(one: Either, other: Either) -> bool:
    """Tell whether two that are for the same come at the same moment, at the same price."""
    is_then = (one.valid_from, one.valid_to) == (other.valid_from, other.valid_to)
    return is_then and _is_same(one, other)


def _by_slot(every: Sequence[Either]) -> dict[tuple[object, ...], list[Either]]:
    found: dict[tuple[object, ...], list[Either]] = {}
    for one in every:
        found.setdefault(slot(one), []).append(one)
    return found


def _settled(every: Sequence[Either], at: datetime) -> list[Either]:
    """Let each end where one for good begins that takes its place, as the desk would have it."""
    settled: list[Either] = []
    for one in every:
        ends = [] if one.valid_to is None else [one.valid_to]
        ends += [
            other.valid_from
            for other in every
            if other.valid_to is None
            and other.valid_from is not None
            and other.valid_from > max(at, one.valid_from or at)
        ]
        settled.append(msgspec.structs.replace(one, valid_to=min(ends, default=None)))
    return settled


def slot(one: Either) -> tuple[object, ...]:
    """Say what it is for, for whom and in which hours: of those alike one is in force."""
    key = [getattr(one, name) for name in KEY] if isinstance(one, PriceRow) else []
    return (*key, one.tenant_id, one.price_group, one.hours)


def _is_same(one: Either, other: Either) -> bool:
    if isinstance(one, PriceRow) and isinstance(other, PriceRow):
        return is_same_price(one, other)
    assert isinstance(one, Multiplier), "rows are compared with rows"
    assert isinstance(other, Multiplier), "and multipliers with multipliers"
    return one.times == other.times
