"""What other prices come to, and for whom: told before they are in force.

Of each kind of task that a row may price, the row that prices it now is held against the one that
would, for every tenant that pays for itself. Those for whom all is alike stand together.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec

from relay.kling.endpoint import Endpoint
from relay.kling.wanted import Wanted
from relay.pricing.book import ANY_ENDPOINT, AS_PRICED, PriceBook, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.margins import Both, Sold
from relay.pricing.quote import Quote, UnitPrices, quote
from relay.pricing.standing import OTHER_MODEL, kinds_of_task, task_of

WHOM_MAX = 100
"""Tenants and groups with rows of their own there that are looked at, for all kinds of task."""

Whom = tuple[int | None, str | None]
Pair = tuple[Wanted, PriceRow | None, PriceRow | None]
"""Such a task, the row that prices it now, and the one that would."""


class Payer(msgspec.Struct, frozen=True):
    """A tenant that has prices: its sub-tenants have its own."""

    id: int
    name: str
    price_group: str | None


class Shift(msgspec.Struct, frozen=True):
    """Kinds of task that one row prices now, and another one, or the same no more, would."""

    example: Wanted
    """One of them."""
    before: Quote | None
    """Of the example; None: it is refused."""
    after: Quote | None


class EffectOn(msgspec.Struct, frozen=True):
    """What is alike for some tenants."""

    names: list[str]
    groups: list[str]
    """Price groups of which all tenants are among them."""
    is_for_others: bool
    """For tenants without prices of their own too, such as those that are opened yet."""
    shifts: list[Shift]


class Effects(msgspec.Struct, frozen=True):
    on: list[EffectOn]
    unseen: int
    """Tenants that were not looked at, since too many have rows of their own."""


class TimesChange(msgspec.Struct, frozen=True):
    """Tenants of whom another multiplier counts."""

    before: Decimal
    after: Decimal
    names: list[str]
    groups: list[str]
    """Price groups of which all tenants are among them."""
    is_for_others: bool
    """For tenants without one of their own too, such as those that are opened yet."""


class SoldChange(msgspec.Struct, frozen=True):
    """What one tenant's tasks of late come to, of those that would be priced otherwise."""

    tenant: str
    tasks: int = 0
    charges: Both = Both()
    refused: int = 0
    """Tasks that nothing would price any more."""


def effects(
    changed: Sequence[PriceRow],
    payers: Sequence[Payer],
    *,
    before: Prices,
    after: Prices,
    endpoints: Iterable[Endpoint],
    unit_prices: UnitPrices,
) -> Effects:
    """Tell what differs between two sets of prices at one moment, of the tasks that rows fit.

    Whoever notices nothing is left out. Those who are most stand first. Of `*` one task of each
    endpoint is looked at, with a model that no row names beside it.
    """
    sides = [
        (one, rows, before.of_endpoint(one.name), after.of_endpoint(one.name))
        for one in endpoints
        if not one.is_free
        and (rows := [row for row in changed if row.endpoint in (one.name, ANY_ENDPOINT)])
    ]
    every = {one for _, _, *both in sides for side in both for one in side.rows}
    tenants, groups = ({getattr(one, of) for one in every} for of in ("tenant_id", "price_group"))
    pairs: dict[Whom, list[Pair]] = {}
    known: dict[tuple[Whom, Decimal, Decimal], tuple[Shift, ...]] = {}
    found: dict[tuple[Shift, ...], EffectOn] = {}
    unseen = 0
    for payer in (None, *payers):
        tenant_id, group = (None, None) if payer is None else (payer.id, payer.price_group)
        if not any(
            row.tenant_id in (None, tenant_id) and row.price_group in (None, group)
            for row in changed
        ):
            continue
        # Whose rows are the same has the same row for each task, by whatever multiplier.
        whom = (tenant_id if tenant_id in tenants else None, group if group in groups else None)
        if whom not in pairs:
            if len(pairs) == WHOM_MAX:
                unseen += 1
                continue
            pairs[whom] = list(_pairs(whom, sides))
        times = [_times(side, tenant_id, group) for side in (before, after)]
        key = (whom, times[0], times[1])
        if key not in known:
            known[key] = tuple(_shifts(pairs[whom], times, after, unit_prices))
        if known[key]:
            shifts = known[key]
            on = found.setdefault(shifts, EffectOn([], [], payer is None, list(shifts)))
            on.names.extend([] if payer is None else [payer.name])
    members = _members(payers)
    for on in found.values():
        on.groups.extend(group for group, names in members.items() if names <= set(on.names))
    ordered = sorted(found.values(), key=lambda one: (not one.is_for_others, -len(one.names)))
    return Effects(ordered, unseen)


def _members(payers: Iterable[Payer]) -> dict[str, set[str]]:
    """Name the tenants of each price group."""
    found: dict[str, set[str]] = {}
    for payer in payers:
        if payer.price_group is not None:
            found.setdefault(payer.price_group, set()).add(payer.name)
    return found


def times_effects(payers: Sequence[Payer], *, before: Prices, after: Prices) -> list[TimesChange]:
    """Tell of whom another multiplier counts at the moment of both; those who are most first."""
    found: dict[tuple[Decimal, Decimal], TimesChange] = {}
    for payer in (None, *payers):
        whose = (None, None) if payer is None else (payer.id, payer.price_group)
        one, other = (_times(side, *whose) for side in (before, after))
        if one != other:
            change = found.setdefault((one, other), TimesChange(one, other, [], [], payer is None))
            change.names.extend([] if payer is None else [payer.name])
    members = _members(payers)
    for change in found.values():
        change.groups.extend(g for g, names in members.items() if names <= set(change.names))
    return sorted(found.values(), key=lambda one: (not one.is_for_others, -len(one.names)))


def _times(prices: Prices, tenant_id: int | None, price_group: str | None) -> Decimal:
    found = prices.multiplier(tenant_id, price_group)
    return AS_PRICED if found is None else found.times


def weigh_sold(
    sold: Iterable[Sold], *, before: Prices, after: Prices, unit_prices: UnitPrices
) -> list[SoldChange]:
    """Quote what was sold of late by both; whose sum changes most stands first."""
    found: dict[str, SoldChange] = {}
    for one in sold:
        books = [side.book(one.tenant_id, one.price_group) for side in (before, after)]
        old, new = (
            _quoted(book.find(one.wanted), one.wanted, book.multiplier, side, unit_prices)
            for book, side in zip(books, (before, after), strict=True)
        )
        if _is_alike(old, new):
            continue
        sum_ = found.get(one.tenant, SoldChange(one.tenant))
        prices = [0 if made is None else made.price_micros * one.tasks for made in (old, new)]
        found[one.tenant] = msgspec.structs.replace(
            sum_,
            tasks=sum_.tasks + one.tasks,
            charges=sum_.charges.plus(*prices),
            refused=sum_.refused + (one.tasks if new is None else 0),
        )
    return sorted(
        found.values(), key=lambda one: -abs(one.charges.new_micros - one.charges.old_micros)
    )


def _pairs(
    whom: Whom, sides: Sequence[tuple[Endpoint, Sequence[PriceRow], Prices, Prices]]
) -> Iterator[Pair]:
    """Yield each pair of rows, of which the one prices some kind of task now, with such a task."""
    for endpoint, changed, *both in sides:
        before, after = (side.book(*whom) for side in both)
        seen: set[tuple[PriceRow | None, PriceRow | None]] = set()
        for row in changed:
            for wanted in _kinds(row, endpoint, before, after):
                rows = (before.find(wanted), after.find(wanted))
                if rows not in seen and row.fits(wanted):
                    seen.add(rows)
                    yield wanted, *rows


def _shifts(
    pairs: Iterable[Pair], times: Sequence[Decimal], prices: Prices, unit_prices: UnitPrices
) -> Iterator[Shift]:
    for wanted, *rows in pairs:
        old, new = (
            _quoted(row, wanted, multiplier, prices, unit_prices)
            for row, multiplier in zip(rows, times, strict=True)
        )
        if not _is_alike(old, new):
            yield Shift(wanted, old, new)


def _kinds(
    row: PriceRow, endpoint: Endpoint, before: PriceBook, after: PriceBook
) -> Iterable[Wanted]:
    if row.endpoint == ANY_ENDPOINT:
        default = task_of(PriceRow(endpoint.name), endpoint)
        return (default, msgspec.structs.replace(default, model=OTHER_MODEL))
    both = (kinds_of_task(row, book, endpoint) for book in (before, after))
    return dict.fromkeys(wanted for kinds in both for wanted in kinds)


def _quoted(
    row: PriceRow | None,
    wanted: Wanted,
    multiplier: Decimal,
    prices: Prices,
    unit_prices: UnitPrices,
) -> Quote | None:
    if row is None:
        return None
    return quote(
        row,
        wanted,
        prices=unit_prices,
        tenant_multiplier=multiplier,
        multiplies_amounts=bool(prices.multiplies_amounts),
    )


def _is_alike(one: Quote | None, other: Quote | None) -> bool:
    """Tell whether a task comes to the same, and is settled by the same."""
    if one is None or other is None:
        return one is other
    said = [
        (
            *(made.price_micros, made.seconds, made.row.kind, made.row.per, made.row.input_floor),
            # A row in units is settled by its units, so the price of one tells rows apart, too.
            None if made.row.units is None else made.unit_micros,
        )
        for made in (one, other)
    ]
    return said[0] == said[1]
