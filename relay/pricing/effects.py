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

    @property
    def change_micros(self) -> int | None:
        """Say by how much the example is dearer; None where it is refused, before or after."""
        if self.before is None or self.after is None:
            return None
        return self.after.price_micros - self.before.price_micros


class EffectOn(msgspec.Struct, frozen=True):
    """What is alike for some tenants."""

    names: list[str]
    is_for_others: bool
    """For tenants without prices of their own too, such as those that are opened yet."""
    shifts: list[Shift]


class TimesChange(msgspec.Struct, frozen=True):
    """Tenants of whom another multiplier counts."""

    before: Decimal
    after: Decimal
    names: list[str]
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
    row: PriceRow,
    payers: Iterable[Payer],
    *,
    before: Prices,
    after: Prices,
    endpoints: Iterable[Endpoint],
    unit_prices: UnitPrices,
) -> list[EffectOn]:
    """Tell what differs between two sets of prices at one moment, of the tasks that a row fits.

    Whoever notices nothing is left out. Those who are most stand first. Of `*` one task of each
    endpoint is looked at, with a model that no row names beside it.
    """
    found: dict[tuple[Shift, ...], EffectOn] = {}
    concerned = [
        one for one in endpoints if not one.is_free and row.endpoint in (one.name, ANY_ENDPOINT)
    ]
    sides = [(one, before.of_endpoint(one.name), after.of_endpoint(one.name)) for one in concerned]
    known: dict[tuple[int, ...], tuple[Shift, ...]] = {}
    for payer in (None, *payers):
        whose = (None, None) if payer is None else (payer.id, payer.price_group)
        books = [(one, old.book(*whose), new.book(*whose)) for one, old, new in sides]
        same = tuple(id(book) for _, *both in books for book in both)
        if same not in known:
            known[same] = tuple(_shifts(row, books, unit_prices))
        shifts = known[same]
        if shifts:
            on = found.setdefault(shifts, EffectOn([], payer is None, list(shifts)))
            on.names.extend([] if payer is None else [payer.name])
    return sorted(found.values(), key=lambda one: (not one.is_for_others, -len(one.names)))


def times_effects(payers: Iterable[Payer], *, before: Prices, after: Prices) -> list[TimesChange]:
    """Tell of whom another multiplier counts at the moment of both; those who are most first."""
    found: dict[tuple[Decimal, Decimal], TimesChange] = {}
    for payer in (None, *payers):
        whose = (None, None) if payer is None else (payer.id, payer.price_group)
        one, other = (_times(side, *whose) for side in (before, after))
        if one != other:
            change = found.setdefault((one, other), TimesChange(one, other, [], payer is None))
            change.names.extend([] if payer is None else [payer.name])
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
        old, new = (_quoted(book, one.wanted, unit_prices) for book in books)
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


def _shifts(
    row: PriceRow,
    books: Sequence[tuple[Endpoint, PriceBook, PriceBook]],
    unit_prices: UnitPrices,
) -> Iterator[Shift]:
    for endpoint, before, after in books:
        pairs: set[tuple[PriceRow | None, PriceRow | None]] = set()
        for wanted in _kinds(row, endpoint, before, after):
            pair = (before.find(wanted), after.find(wanted))
            if pair in pairs or not row.fits(wanted):
                continue
            pairs.add(pair)
            old, new = (_quoted(book, wanted, unit_prices) for book in (before, after))
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


def _quoted(book: PriceBook, wanted: Wanted, unit_prices: UnitPrices) -> Quote | None:
    row = book.find(wanted)
    if row is None:
        return None
    return quote(
        row,
        wanted,
        prices=unit_prices,
        tenant_multiplier=book.multiplier,
        multiplies_amounts=book.multiplies_amounts,
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
