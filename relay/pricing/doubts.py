"""What an operator may not have meant by a price row: told as facts, for each face to word."""

from collections.abc import Iterable
from datetime import datetime, tzinfo

import msgspec

from relay.kling.endpoint import Endpoint
from relay.pricing.book import ANY_ENDPOINT, Multiplier, PriceBook, PriceKind, PriceRow
from relay.pricing.lists import is_same_price
from relay.pricing.quote import UnitPrices
from relay.pricing.standing import stand, task_of, unknown_words
from relay.pricing.validity import holds, next_change

HOURS_LOOKED_AT = 30
"""A day on which the clocks are put back, and what a row has of moments besides."""


class Doubts(msgspec.Struct, frozen=True):
    """Of a row that is in force."""

    is_of_free: bool = False
    """Its endpoint is free of charge: no row ever prices it."""
    is_used: bool = True
    """Some task is priced by it."""
    before: tuple[PriceRow, ...] = ()
    """Rows that price some of the tasks of its key, or all where it is not used."""
    displaced: tuple[PriceRow, ...] = ()
    """Other rows for the same tenants that it takes the last task from."""
    is_nothing: bool = False
    """Its price is 0."""
    unknown: dict[str, tuple[str, ...]] = {}
    """Words of its key that Kling is not known to have, by field, with those that it has."""


def doubts_about(
    row: PriceRow, book: PriceBook, endpoints: Iterable[Endpoint], unit_prices: UnitPrices
) -> Doubts:
    """Compare a row with the rest of the book that it is in; `endpoints` are all that there are."""
    every = list(endpoints)
    found = Doubts(is_nothing=_is_nothing(row, unit_prices), unknown=unknown_words(row))
    if any(one.is_free for one in every if one.name == row.endpoint):
        return msgspec.structs.replace(found, is_of_free=True)
    # As it was read back, with the moment at which it began.
    stored = next((one for one in book.rows if is_same_row(one, row)), row)
    standing = stand(stored, book, every)
    return msgspec.structs.replace(
        found,
        is_used=standing.is_used,
        before=standing.before,
        displaced=tuple(_displaced(row, book, every)),
    )


def in_force_at(row: PriceRow | Multiplier, at: datetime, zone: tzinfo) -> datetime:
    """Find the first moment from `at` on at which a row holds; `at` if it holds at none."""
    moment: datetime | None = max(at, row.valid_from or at)
    for _ in range(HOURS_LOOKED_AT):
        if moment is None or holds(row, moment, zone):
            break
        moment = next_change([row], moment, zone)
    return moment or at


def is_same_row(one: PriceRow, other: PriceRow) -> bool:
    """Tell whether they price the same tasks of the same tenants alike."""
    whose = [(row.tenant_id, row.price_group, row.hours, row.is_own) for row in (one, other)]
    return whose[0] == whose[1] and is_same_price(one, other)


def winner(row: PriceRow, book: PriceBook, endpoints: Iterable[Endpoint]) -> PriceRow | None:
    """Find the row that prices a task of this key, with Kling's defaults for the rest.

    Of `*` there is no such task: None.
    """
    if row.endpoint == ANY_ENDPOINT:
        return None
    endpoint = next(one for one in endpoints if one.name == row.endpoint)
    return book.find(task_of(row, endpoint))


def _displaced(row: PriceRow, book: PriceBook, endpoints: list[Endpoint]) -> Iterable[PriceRow]:
    is_lasting = row.hours is None and row.valid_to is None
    for other in book.rows_of(row.endpoint):
        # Of others' rows all but these tenants' tasks are left, and of those that come and go some.
        is_alike = (other.tenant_id, other.price_group) == (row.tenant_id, row.price_group)
        if other.is_own and is_alike and is_lasting and not is_same_row(other, row):
            behind = stand(other, book, endpoints)
            if not behind.is_used and any(is_same_row(one, row) for one in behind.before):
                yield other


def _is_nothing(row: PriceRow, prices: UnitPrices) -> bool:
    """Tell whether its price is 0, by whichever of its numbers."""
    if row.kind is PriceKind.FIXED:
        return row.amount_micros == 0
    return not row.units or not row.multiplier or not prices.of(row.pack)
