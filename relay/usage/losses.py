"""What was sold below cost, and which price row did it.

A task is of the window in which it was charged, with all that was given back of it since; one that
was never charged, of that in which it was made. Tasks of keys for tests are left out, and those of
which it is not known what Kling took.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.months import Window
from relay.pricing.book import PriceRow
from relay.tenants.tables import Tenant
from relay.usage import costs
from relay.usage.raw import WANTED, family_of, ids_of, plan_for_values


class Why(StrEnum):
    """How a task came to less than its cost."""

    PRICE = "price"
    """By its price row, with the multipliers of then."""
    UNDERQUOTED = "underquoted"
    """Kling took more than was held, and the hold is the most that is charged."""
    REFUNDED = "refunded"
    """It was sold above cost, and given back."""
    UNCHARGED = "uncharged"
    """It failed here or was released, and Kling took for it all the same."""


_WANTED = WANTED.format(row="t")
READ = f"""
WITH {costs.ROWS},
told AS (
    SELECT t.id, t.tenant_id, t.channel_id, t.state, t.hold_micros, t.charged_micros,
           t.cost_units, t.quote -> 'row' AS row, (t.quote ->> 'unit_micros')::numeric AS sold_at,
           coalesce(t.charged_micros, 0) - t.refunded_micros AS kept_micros,
           {costs.MICROS} AS cost_micros, {costs.IS_KNOWN} AS is_known
    FROM entries e JOIN tasks t ON t.id = e.task_id JOIN tokens k ON k.id = t.token_id
    {costs.JOINS}
    WHERE e.created_at >= :start AND e.created_at < :until AND e.kind = 'charge'
        AND t.state = 'succeed' AND NOT k.is_test {_WANTED}
    UNION ALL
    SELECT t.id, t.tenant_id, t.channel_id, t.state, t.hold_micros, t.charged_micros,
           t.cost_units, t.quote -> 'row', (t.quote ->> 'unit_micros')::numeric,
           0, {costs.MICROS}, {costs.IS_KNOWN}
    FROM tasks t JOIN tokens k ON k.id = t.token_id {costs.JOINS}
    WHERE t.id >= :first_id AND t.id < :behind_id
        AND t.created_at >= :start AND t.created_at < :until
        AND NOT k.is_test AND t.state <> 'succeed' AND {costs.WAS_TAKEN} {_WANTED}
)
SELECT CASE WHEN state <> 'succeed' THEN 'uncharged'
            WHEN charged_micros >= cost_micros THEN 'refunded'
            WHEN row ->> 'amount_micros' IS NULL AND cost_units * sold_at > hold_micros
                THEN 'underquoted'
            ELSE 'price' END AS why,
       tenant_id, channel_id, row, sold_at, count(*) AS tasks,
       sum(kept_micros)::bigint AS charged_micros, sum(cost_micros)::bigint AS cost_micros,
       sum(cost_units) AS units,
       (array_agg(id ORDER BY kept_micros - cost_micros, id))[1] AS worst_id,
       max(cost_micros - kept_micros)::bigint AS worst_micros
FROM told
WHERE is_known AND kept_micros < cost_micros
GROUP BY 1, 2, 3, 4, 5
ORDER BY sum(kept_micros - cost_micros), worst_id
"""  # noqa: S608 (composed of constants)


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one tenant on one channel that one price row sold below cost."""

    why: Why
    tenant: str
    channel: str
    row: PriceRow | None
    """As the tasks' quotes froze it."""
    sold_at_micros: Decimal | None
    """What a unit of Kling's cost the tenant, by list, row and multipliers."""
    tasks: int
    charged_micros: int
    """Less what was given back."""
    cost_micros: int
    units: Decimal | None
    """What Kling took, as far as it took units."""
    worst_id: int
    """Of ours: the task that lost most."""
    worst_micros: int
    """What it lost."""

    @property
    def lost_micros(self) -> int:
        return self.cost_micros - self.charged_micros


async def read_losses(
    session: AsyncSession,
    window: Window,
    *,
    currency: str,
    tenant_id: int | None = None,
    channel_id: int | None = None,
    model: str | None = None,
    as_of: datetime | None = None,
) -> list[Loss]:
    """List what was sold below cost, the greatest loss first; arguments as of `read_usage`."""
    await plan_for_values(session)
    values: dict[str, Any] = {
        **await ids_of(session, window),
        "start": window.start,
        "until": window.until,
        "currency": currency,
        "tenant_ids": None if tenant_id is None else await family_of(session, tenant_id),
        "token_id": None,
        "channel_id": channel_id,
        "model": model,
        "as_of": as_of or await session.scalar(select(func.clock_timestamp())),
    }
    rows = list((await session.execute(text(READ), values)).mappings())
    tenants = dict((await session.execute(select(Tenant.id, Tenant.name))).all())
    channels = dict((await session.execute(select(Channel.id, Channel.name))).all())
    return [
        Loss(
            why=Why(row["why"]),
            tenant=tenants[row["tenant_id"]],
            channel=channels[row["channel_id"]],
            row=None if row["row"] is None else msgspec.convert(row["row"], PriceRow, strict=False),
            sold_at_micros=row["sold_at"],
            **{name: row[name] for name in ("tasks", "charged_micros", "cost_micros", "units")},
            worst_id=row["worst_id"],
            worst_micros=row["worst_micros"],
        )
        for row in rows
    ]
