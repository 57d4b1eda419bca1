"""What tenants kept by the month, what it comes to, and what of it was charged."""

from decimal import Decimal

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.months import Month

LISTED_MAX = 1000

MONTHS = text("""
WITH kept AS (
    SELECT d.tenant_id, to_char(d.day, 'YYYY-MM') AS month, max(d.bytes) AS bytes_most,
        sum(d.bytes / 1e9::numeric / l.days) AS gb_months,
        sum(d.bytes / 1e9::numeric / l.days * coalesce(d.gb_month_micros, 0)) AS comes_to
    FROM asset_days d CROSS JOIN LATERAL (
        SELECT extract(day FROM date_trunc('month', d.day) + interval '1 month - 1 day') AS days
    ) l
    WHERE d.day >= :first AND d.day < :until
        AND (CAST(:tenant_id AS bigint) IS NULL OR d.tenant_id = :tenant_id)
    GROUP BY d.tenant_id, 2
)
SELECT n.name AS tenant, k.month, round(k.gb_months, 6) AS gb_months, k.bytes_most,
    round(k.comes_to)::bigint AS comes_to_micros, c.amount_micros AS charged_micros,
    coalesce((
        SELECT sum(e.amount_micros) FROM storage_refunds r JOIN entries e ON e.id = r.entry_id
        WHERE r.tenant_id = k.tenant_id AND r.month = k.month
    ), 0)::bigint AS given_back_micros
FROM kept k JOIN tenants n ON n.id = k.tenant_id
LEFT JOIN storage_charges c ON c.tenant_id = k.tenant_id AND c.month = k.month
ORDER BY k.month DESC, k.gb_months DESC, n.name LIMIT :at_most
""")


class KeptMonth(msgspec.Struct, frozen=True):
    """A month of a tenant's files."""

    tenant: str
    month: str
    gb_months: Decimal
    """So far, of one that is not over."""
    bytes_most: int
    """On the day that had the most."""
    comes_to_micros: int
    """By the price of each day; 0 of days without one."""
    charged_micros: int | None
    """Null before it was charged."""
    given_back_micros: int


async def list_kept_months(
    session: AsyncSession, *, first: Month, last: Month, tenant_id: int | None
) -> list[KeptMonth]:
    """List them from the newest month on; of each those first who kept most."""
    values = {
        "first": first.first,
        "until": last.next.first,
        "tenant_id": tenant_id,
        "at_most": LISTED_MAX,
    }
    return [KeptMonth(*row) for row in await session.execute(MONTHS, values)]
