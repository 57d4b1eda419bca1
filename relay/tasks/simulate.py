"""What a month's tasks would have cost at other prices, to the micro.

Each task is priced anew from what it asked for, as its quote has frozen it, and settled anew by
what Kling said at its end, with the functions that price and settle all tasks. Tasks that are alike
are counted by the database and reckoned once.
"""

from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession

from relay.kling.catalogue import Catalogue
from relay.kling.task_object import UnreadableTask, read_task
from relay.kling.wanted import Wanted
from relay.months import Window
from relay.pricing.book import FREE
from relay.pricing.in_force import Prices
from relay.pricing.quote import UnitPrices, charge_micros, cost_micros, quote
from relay.tasks.token_report import find_first_since

TIMEOUT_S = 120
"""Of the statement; a million tasks take some seconds."""
LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('price simulation', 0))")
OUT_OF_ORDER = timedelta(days=1)
"""Tasks are old in the order of their ids, give or take much less."""
READ = text(
    """
    SELECT coalesce(p.id, n.id) AS tenant_id, n.name AS tenant,
           CASE WHEN p.id IS NULL THEN n.price_group ELSE p.price_group END AS price_group,
           coalesce(t.model, t.endpoint) AS model,
           (t.quote -> 'wanted')::text AS wanted, (t.quote -> 'prices')::text AS prices,
           t.deduction, width_bucket(t.created_at, :moments) AS period,
           -- Of these alone the length of the result may price them; each has its own.
           CASE WHEN (t.quote ->> 'is_open')::boolean THEN t.reply END AS reply,
           count(*) AS tasks, sum(t.charged_micros)::bigint AS charged_micros
    FROM tasks t JOIN tenants n ON n.id = t.tenant_id LEFT JOIN tenants p ON p.id = n.parent_id
    JOIN tokens k ON k.id = t.token_id AND NOT k.is_test
    WHERE t.id >= :first_id AND t.created_at >= :start AND t.created_at < :until
        AND t.state = 'succeed'
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    """
).bindparams(bindparam("moments", type_=ARRAY(TIMESTAMP(timezone=True))))


class SimulationRunning(Exception):
    """Another one is under way: they read a month of tasks, so one is enough at a time."""


class Simulated(msgspec.Struct, frozen=True):
    """The tasks of a tenant and model that succeeded, of those made in the window."""

    tenant: str
    model: str
    """As the tenant spelled it, or the endpoint where it has none."""
    tasks: int = 0
    charged_micros: int = 0
    """What they were charged, before refunds."""
    simulated_micros: int = 0
    """What they would have been, at the other prices."""
    unpriced: int = 0
    """Tasks that no row would have priced: they would have been refused."""


async def simulate(
    session: AsyncSession, prices: Prices, window: Window, *, catalogue: Catalogue
) -> list[Simulated]:
    """Reckon what the tasks of a window would have been charged, by tenant and model.

    Each by the prices of the moment at which it was made, and by Kling's list price of a unit as
    it was then. A hold that had risen since Kling took more counts for nothing.

    Raises:
        SimulationRunning
        DBAPIError: it took longer than `TIMEOUT_S`.
    """
    if not await session.scalar(LOCK):
        raise SimulationRunning
    await session.execute(text(f"SET LOCAL statement_timeout = {TIMEOUT_S * 1000}"))
    periods = list(_periods(prices, window))
    free = {endpoint.name for endpoint in catalogue.endpoints if endpoint.is_free}
    found: dict[tuple[str, str], Simulated] = {}
    async for row in _read(session, window, [at for at, _ in periods]):
        there = periods[row.period - 1][1]
        charge = _charge(row, there, free=free)
        sum_ = found.get((row.tenant, row.model), Simulated(row.tenant, row.model))
        found[row.tenant, row.model] = msgspec.structs.replace(
            sum_,
            tasks=sum_.tasks + row.tasks,
            charged_micros=sum_.charged_micros + row.charged_micros,
            simulated_micros=sum_.simulated_micros + (charge or 0) * row.tasks,
            unpriced=sum_.unpriced + (row.tasks if charge is None else 0),
        )
    return sorted(found.values(), key=lambda one: (one.tenant, -one.charged_micros, one.model))


def _periods(prices: Prices, window: Window) -> list[tuple[datetime, Prices]]:
    """Cut a window where the prices change, and say what is in force in each part."""
    there = prices.moved(window.start)
    parts = [(window.start, there)]
    while there.good_until is not None and there.good_until < window.until:
        there = prices.moved(there.good_until)
        parts.append((there.at, there))
    return parts


async def _read(
    session: AsyncSession, window: Window, moments: list[datetime]
) -> AsyncIterator[Row[Any]]:
    """Read tasks that are alike as one, a few at a time: of some each is alone."""
    first_id = await find_first_since(session, window.start - OUT_OF_ORDER)
    values = {"first_id": first_id, "start": window.start, "until": window.until}
    found = await session.stream(READ, {**values, "moments": moments})
    async for row in found:
        yield row


def _charge(row: Row[Any], prices: Prices, *, free: AbstractSet[str]) -> int | None:
    """Price and settle a task; None if nothing prices it."""
    wanted = msgspec.json.decode(row.wanted, type=Wanted)
    book = prices.book(row.tenant_id, row.price_group)
    price_row = FREE if wanted.endpoint in free else book.find(wanted)
    if price_row is None:
        return None
    made = quote(
        price_row,
        wanted,
        prices=msgspec.json.decode(row.prices, type=UnitPrices),
        tenant_multiplier=book.multiplier,
        multiplies_amounts=book.multiplies_amounts,
    )
    deduction, package = _taken(row.deduction)
    cost = cost_micros(
        made, deduction=deduction, result_seconds=_seconds(row.reply), package=package
    )
    return min(charge_micros(made, cost), made.hold_micros)


def _taken(costs: str | None) -> tuple[Decimal | None, str | None]:
    """Read what Kling took, from its own cost fields, as when the task ended."""
    if costs is None:
        return None, None
    news = read_task(costs.encode())
    return news.deduction, news.package


def _seconds(reply: str | None) -> Decimal | None:
    if reply is None:
        return None
    try:
        return read_task(reply.encode()).result_seconds
    except UnreadableTask:
        return None
