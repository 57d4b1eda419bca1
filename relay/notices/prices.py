"""Which prices change for whom: what is set for a date, or is not any more, told when it is set.

Another factor of a sub-tenant is told by the act that sets it.
"""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.moments import ms_of
from relay.money import plain
from relay.notices.events import Event
from relay.notices.tell import News
from relay.pricing.in_force import Prices
from relay.pricing.offered import coming, shown_offer, spelt_price
from relay.pricing.quote import UnitPrices

DAY, MOMENT = timedelta(days=1), timedelta.resolution
LISTED_MAX = 50
"""Prices in one notice; `/relay/prices` has all."""

WHO = """
SELECT p.id AS place_id, coalesce(o.id, t.id) AS tenant_id, t.resale,
    CASE WHEN o.id IS NULL THEN t.price_group ELSE o.price_group END AS price_group
FROM notice_places p JOIN tenants t ON t.id = p.tenant_id AND t.enabled
LEFT JOIN tenants o ON o.id = t.parent_id
WHERE p.events IS NULL OR 'price.changing' = ANY (p.events)
ORDER BY t.id, p.id
"""
TOLD = """
SELECT DISTINCT ON (place_id, at_ms) place_id, at_ms, split_part(key, '/', 2) AS hash, id
FROM (
    SELECT n.*, split_part(n.key, '/', 1)::bigint AS at_ms FROM notices n
    WHERE n.event = 'price.changing'
) n
WHERE at_ms > :now_ms
ORDER BY place_id, at_ms, id DESC
"""
"""Of each moment that is still to come, what each place was told last."""
NOTHING = "none"
AT_ONCE = "0"
"""In a key, for the moment: no look waits for it, or takes it for withdrawn."""
TIMES_PLACES = Decimal("0.000001")
HASH_CHARS = 16


def news_of_factor(before: Decimal, after: Decimal, *, at: datetime) -> dict[str, object] | None:
    """Say what another factor comes to, or None where nobody could see it.

    By the ratio alone, which is that of any price before and after: a factor would tell a
    sub-tenant what its parent pays.
    """
    times = (after / before).quantize(TIMES_PLACES)
    if times == 1:
        return None
    return {"at": ms_of(at), "prices": [], "ended": [], "changes": None, "times": plain(times)}


class _Change(NamedTuple):
    """What changes at one moment."""

    at_ms: int
    hash: str
    data: dict[str, object]


def _none_any_more(at_ms: int) -> _Change:
    return _Change(at_ms, NOTHING, {"at": at_ms, "prices": [], "ended": [], "changes": 0})


async def find_price_news(
    session: AsyncSession, prices: Prices, unit_prices: UnitPrices
) -> list[News]:
    """Find what will be another price than what a place was told last of that moment."""
    rows = (await session.execute(text(TOLD), {"now_ms": ms_of(prices.at)})).mappings()
    told = {(row["place_id"], row["at_ms"]): (row["hash"], row["id"]) for row in rows}
    own = {one.tenant_id for one in prices.dated}
    changes: dict[tuple[int | None, str | None, Decimal | None], list[_Change]] = {}
    news: list[News] = []
    for row in (await session.execute(text(WHO))).mappings():
        # Those without a price of their own pay what their group pays.
        tenant_id = row["tenant_id"] if row["tenant_id"] in own else None
        whom = (tenant_id, row["price_group"], row["resale"])
        if whom not in changes:
            changes[whom] = await asyncio.to_thread(_changes, prices, unit_prices, *whom)
        place_id = row["place_id"]
        moments = {at_ms for place, at_ms in told if place == place_id}
        withdrawn = moments - {one.at_ms for one in changes[whom]}
        for one in (*changes[whom], *map(_none_any_more, sorted(withdrawn))):
            last, last_id = told.get((place_id, one.at_ms), (NOTHING, 0))
            if one.hash != last:
                key = f"{one.at_ms}/{one.hash}/{last_id}"
                news.append(News(place_id, Event.PRICE_CHANGING, key, one.data))
    return news


def _changes(
    prices: Prices,
    unit_prices: UnitPrices,
    tenant_id: int | None,
    price_group: str | None,
    resale: Decimal | None,
) -> list[_Change]:
    """List what changes at which moment."""
    dates = _dates(prices.for_whom(tenant_id, price_group))
    if not any(until > prices.at for _, until in dates):
        return []  # nothing is to come, which costs less to see
    found = []
    for one in coming(prices, unit_prices, tenant_id, price_group, resale=resale):
        if not any(since <= one.at < until for since, until in dates):
            continue
        data: dict[str, object] = {
            "at": ms_of(one.at),
            "prices": [
                {
                    **shown_offer(offer),
                    "price_before": None if before is None else spelt_price(before.micros),
                }
                for offer, before in zip(one.offers[:LISTED_MAX], one.before, strict=False)
            ],
            "ended": [shown_offer(offer) for offer in one.ended[:LISTED_MAX]],
            "changes": len(one.offers) + len(one.ended),
        }
        hashed = sha256(msgspec.json.encode(data)).hexdigest()[:HASH_CHARS]
        found.append(_Change(ms_of(one.at), hashed, data))
    return found


def _dates(prices: Prices) -> set[tuple[datetime, datetime]]:
    """Say within which spans it is news that something begins or ends.

    That a price of some hours comes and goes each day is no news; but on its first day it is, at
    whichever hour that comes.
    """
    dates = set()
    for one in prices.dated:
        if one.valid_from is not None:
            begins_for = MOMENT if one.hours is None else DAY
            dates.add((one.valid_from, one.valid_from + begins_for))
        if one.valid_to is not None:
            dates.add((one.valid_to, one.valid_to + MOMENT))
    return dates
