"""How much tenants keep, by the day: the most that was seen of each day, at the price of then.

A GB-month is 10^9 bytes kept for all days of a month. A day that no worker saw is in no sum.
"""

from calendar import monthrange
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.money import rounded
from relay.months import Month, read_month

GB = Decimal(10) ** 9
PLACES = Decimal("0.000001")
OVERDUE_DAYS = 100
"""How old a month may be that is charged late, as after a relay that did not run."""

MEASURE = text("""
INSERT INTO asset_days (tenant_id, day, bytes, gb_month_micros)
SELECT k.tenant_id, :day, k.bytes,
    coalesce(p.asset_gb_month_micros, CAST(:price AS bigint))
FROM (
    SELECT o.tenant_id, sum(o.bytes) AS bytes FROM asset_objects o
    WHERE o.stored_at IS NOT NULL AND o.doomed_at IS NULL
    GROUP BY o.tenant_id
) k
JOIN tenants n ON n.id = k.tenant_id JOIN tenants p ON p.id = coalesce(n.parent_id, n.id)
ORDER BY k.tenant_id
ON CONFLICT (tenant_id, day) DO UPDATE SET bytes = excluded.bytes
    WHERE asset_days.bytes < excluded.bytes
""")

DAYS = text("""
SELECT day, bytes, gb_month_micros FROM asset_days
WHERE tenant_id = :tenant_id AND day >= :first AND day < :until
""")

UNCHARGED = text("""
SELECT n.name, to_char(d.day, 'YYYY-MM') AS month
FROM asset_days d JOIN tenants n ON n.id = d.tenant_id
WHERE d.day >= :first AND d.day < :until AND d.gb_month_micros > 0
    AND NOT EXISTS (
        SELECT FROM storage_charges c
        WHERE c.tenant_id = d.tenant_id AND c.month = to_char(d.day, 'YYYY-MM')
    )
GROUP BY n.name, 2 ORDER BY 2, n.name
""")


class Stored(NamedTuple):
    """What a tenant kept in some days."""

    gb_months: Decimal
    amount_micros: int
    """By the price of each day; 0 of days without one."""
    is_priced: bool


async def measure(session: AsyncSession, day: date, *, gb_month_micros: int | None) -> None:
    """Note what everybody keeps now, where it is more than was seen on that day before.

    The price of a day is the one at its first look.
    """
    await session.execute(MEASURE, {"day": day, "price": gb_month_micros})


async def read_stored(session: AsyncSession, tenant_id: int, *, first: date, until: date) -> Stored:
    """Sum up the days from the first one on, before `until`."""
    found = await session.execute(DAYS, {"tenant_id": tenant_id, "first": first, "until": until})
    gb_months = micros = Decimal(0)
    is_priced = False
    for day, size, price in found:
        part = size / GB / monthrange(day.year, day.month)[1]
        gb_months += part
        micros += part * (price or 0)
        is_priced = is_priced or bool(price)
    return Stored(gb_months.quantize(PLACES, ROUND_HALF_UP), rounded(micros), is_priced)


async def read_month_stored(session: AsyncSession, tenant_id: int, month: Month) -> Stored:
    return await read_stored(session, tenant_id, first=month.first, until=month.next.first)


async def read_uncharged(session: AsyncSession, before: Month) -> list[tuple[str, Month]]:
    """Name who kept files at a price in months before that one, and was not charged for it."""
    until = before.first
    values = {"first": until - timedelta(days=OVERDUE_DAYS), "until": until}
    # The oldest month may be there in part: it is charged whole, or was long ago.
    first = Month(values["first"].year, values["first"].month).next.first
    rows = await session.execute(UNCHARGED, values | {"first": first})
    return [(name, read_month(month)) for name, month in rows]
