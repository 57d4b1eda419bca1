"""What tenants bought lately, as it is priced: for what another price would mean to them."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.kling.wanted import Wanted
from relay.pricing.margins import Sold

SOLD_DAYS = 30

READ = text(
    """
    SELECT n.name AS tenant, coalesce(p.id, n.id) AS tenant_id,
        CASE WHEN p.id IS NULL THEN n.price_group ELSE p.price_group END AS price_group,
        (t.quote -> 'wanted')::text AS wanted, count(*) AS tasks
    FROM tasks AS t JOIN tenants AS n ON n.id = t.tenant_id
    LEFT JOIN tenants AS p ON p.id = n.parent_id
    JOIN tokens AS k ON k.id = t.token_id AND NOT k.is_test
    WHERE t.created_at > now() - make_interval(days => :days) AND t.state = 'succeed'
        AND t.endpoint = ANY(:endpoints)
    GROUP BY n.id, p.id, t.quote -> 'wanted'
    """
)


async def read_sold(session: AsyncSession, endpoints: Sequence[str]) -> list[Sold]:
    """Read the tasks of `SOLD_DAYS` that succeeded there, those that are priced alike as one."""
    rows = await session.execute(READ, {"days": SOLD_DAYS, "endpoints": list(endpoints)})
    return [
        Sold(
            row.tenant,
            row.tenant_id,
            row.price_group,
            msgspec.json.decode(row.wanted, type=Wanted),
            row.tasks,
        )
        for row in rows
    ]
