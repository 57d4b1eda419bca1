"""What a tenant pays for which kind of task, now and by what is set to come."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from relay.kling.models import is_retired
from relay.moments import ms_of
from relay.money import PLACES, plain
from relay.pricing.book import KEY, Per, PriceBook, PriceKind, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.quote import AS_IS, UnitPrices, quoted_per
from relay.pricing.validity import next_change, spelt_hours

KINDS_OF_ROW = ("model", "mode", "sound", "voice", "video_input")
"""What a row may name of a task, beside its length."""
NAMED = KEY[1:]
CHANGES_MAX = 50
"""That are told ahead; the rest is told when it is nearer."""
AHEAD = timedelta(days=1)
"""How far the hours of the day are told; days on which a price changes are told for ever."""


class Offer(msgspec.Struct, frozen=True):
    """The price of one kind of task, to one tenant."""

    row: PriceRow
    micros: Decimal
    """For each task, second or image (`row.per`), with all multipliers; not rounded."""


class ComingOffers(msgspec.Struct, frozen=True):
    """What is another price from a moment on."""

    at: datetime
    offers: list[Offer]
    """New ones, and those at another price."""
    before: list[Offer | None]
    """Beside each of them, what it takes the place of."""
    ended: list[Offer]
    """What goes, with nothing of the same key in its place."""


def offers(
    prices: Prices,
    unit_prices: UnitPrices,
    tenant_id: int | None,
    price_group: str | None,
    *,
    resale: Decimal | None = None,
) -> list[Offer]:
    """List what is in force for a tenant: each row that some task is priced by, the closest first.

    `resale`: to a sub-tenant of it, at so many times its prices.

    Left out are rows behind one of another's that takes all of their tasks, and retired models.
    """
    book = prices.book(tenant_id, price_group)
    times = AS_IS if resale is None else resale
    return [
        Offer(row, quoted_per(row, book.multiplier, unit_prices, book.multiplies_amounts) * times)
        for row in _used(book)
    ]


def coming(
    prices: Prices,
    unit_prices: UnitPrices,
    tenant_id: int | None,
    price_group: str | None,
    *,
    resale: Decimal | None = None,
) -> list[ComingOffers]:
    """List what changes for a tenant, moment by moment, the next first; `resale` as of `offers`."""
    theirs = prices.for_whom(tenant_id, price_group)
    before = _by_key(offers(theirs, unit_prices, tenant_id, price_group, resale=resale))
    found: list[ComingOffers] = []
    for at in sorted(_moments(theirs)):
        if len(found) == CHANGES_MAX:
            break
        listed = offers(theirs.moved(at), unit_prices, tenant_id, price_group, resale=resale)
        after = _by_key(listed)
        other = [one for key, one in after.items() if not _is_alike(before.get(key), one)]
        ended = [one for key, one in before.items() if key not in after]
        if other or ended:
            replaced = [before.get(_key(one.row)) for one in other]
            found.append(ComingOffers(at, other, replaced, ended))
        before = after
    return found


def shown_offer(offer: Offer) -> dict[str, Any]:
    """Show it to its tenant, who is not told whom else it is for."""
    row = offer.row
    return {
        "endpoint": row.endpoint,
        **kind_of_row(row),
        "price": spelt_price(offer.micros),
        "per": row.per.value,
        "settled_by": settled_by(row, is_open=True),
        "hours": None if row.hours is None else spelt_hours(row.hours),
        "until": None if row.valid_to is None else ms_of(row.valid_to),
    }


def kind_of_row(row: PriceRow) -> dict[str, Any]:
    """Name the tasks that a row is for; null fits any."""
    named = {name: getattr(row, name) for name in KINDS_OF_ROW}
    return {**named, "duration": row.duration_s}


def settled_by(row: PriceRow, *, is_open: bool) -> str:
    """Say what decides the charge, at most the hold; `is_open`: Kling may decide the length."""
    if row.kind is PriceKind.UNITS:
        return "deduction"
    return "seconds" if is_open and row.per is Per.SECOND and row.input_floor is None else "amount"


def spelt_price(micros: Decimal) -> str:
    """Spell what is not rounded: a price per second may be finer than a micro."""
    return plain(micros.scaleb(-PLACES).normalize())


def _moments(prices: Prices) -> set[datetime]:
    dated = prices.dated
    moments = {
        moment
        for one in dated
        for moment in (one.valid_from, one.valid_to)
        if moment is not None and moment > prices.at
    }
    by_hour = [one for one in dated if one.hours is not None]
    at = next_change(by_hour, prices.at, prices.zone)
    while by_hour and at is not None and at <= prices.at + AHEAD:
        moments.add(at)
        at = next_change(by_hour, at, prices.zone)
    return moments


def _used(book: PriceBook) -> Iterator[PriceRow]:
    before: dict[str, list[PriceRow]] = {}
    for layer in book.layers:
        keys: set[tuple[object, ...]] = set()
        for row in layer.in_order():
            of_endpoint = before.setdefault(row.endpoint, [])
            if _key(row) in keys or any(_covers(one, row) for one in of_endpoint):
                continue
            keys.add(_key(row))
            if row.is_own or not is_retired(row.endpoint, row.model):
                yield row
        for row in layer.rows:
            before.setdefault(row.endpoint, []).append(row)


def _covers(one: PriceRow, row: PriceRow) -> bool:
    """Tell whether a row takes every task of another one that is tried later."""
    return all(getattr(one, name) in (None, getattr(row, name)) for name in NAMED)


def _key(row: PriceRow) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in KEY)


def _by_key(listed: Iterable[Offer]) -> dict[tuple[object, ...], Offer]:
    return {_key(one.row): one for one in listed}


def _is_alike(one: Offer | None, other: Offer) -> bool:
    """Tell whether two offers of a key come to the same for its tenant."""
    if one is None or one.micros != other.micros:
        return False
    said = [
        (row.per, row.kind, row.pack if row.kind is PriceKind.UNITS else None, row.input_floor)
        for row in (one.row, other.row)
    ]
    return said[0] == said[1]
