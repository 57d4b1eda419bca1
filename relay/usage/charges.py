"""What an account was charged in a window, by token and model: the lines of its statement."""

from collections.abc import Sequence
from datetime import tzinfo

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.months import Window
from relay.usage.raw import ENTRIES_IN, plan_for_values
from relay.usage.rolled import find_rolled, in_few_runs, rest_of

CHARGES = """
    -- By an index alone. Each charge's task is a row of its own to read, of what no day has.
    WITH of_spans AS MATERIALIZED (
        SELECT id FROM entries e WHERE e.account_id = :account_id AND ({spans})
    )
    SELECT n.name AS tenant, n.parent_id IS NULL AS is_payers, c.token_id, c.model,
           c.tasks, c.amount_micros
    FROM (
        SELECT tenant_id, token_id, model,
               sum(tasks)::bigint AS tasks, -sum(charge_micros)::bigint AS amount_micros
        FROM (
            SELECT r.tenant_id, r.token_id, r.model, r.charge_entries AS tasks, r.charge_micros
            FROM rolled_usage r
            WHERE r.day_id = ANY(:day_ids) AND r.account_id = :account_id AND r.charge_entries > 0
            UNION ALL
            SELECT t.tenant_id, t.token_id, t.model, 1, -e.amount_micros
            FROM of_spans JOIN entries e USING (id) JOIN tasks t ON t.id = e.task_id
            WHERE e.kind = 'charge'
        ) charges
        GROUP BY tenant_id, token_id, model
    ) c JOIN tenants n ON n.id = c.tenant_id
    ORDER BY n.name, c.token_id, c.model
"""


class ChargeLine(msgspec.Struct, frozen=True):
    """What was charged for tasks of one token and model."""

    tenant: str
    is_payers: bool
    """It has the account, and is no sub-tenant of whose it is."""
    token_id: int
    model: str | None
    """As the tenant spelled it."""
    tasks: int
    amount_micros: int
    """As entries have it: below zero."""


async def read_charges(
    session: AsyncSession,
    account_id: AccountId,
    window: Window,
    *,
    zone: tzinfo,
    currency: str,
    is_raw: bool = False,
) -> list[ChargeLine]:
    """Sum up what was charged; in a session that began with a snapshot.

    Days that were summed up before are taken as they were, while that still holds, unless `is_raw`.
    """
    await plan_for_values(session)
    held = [] if is_raw else await find_rolled(session, window, zone=zone, currency=currency)
    days = in_few_runs(held)
    spans = rest_of(window, days)
    values = {"account_id": account_id, "day_ids": [day.id for day in days]}
    moments = {
        name: value
        for place, span in enumerate(spans)
        for name, value in ((f"start_{place}", span.start), (f"until_{place}", span.until))
    }
    query = CHARGES.format(spans=_in(spans))
    lines = (await session.execute(text(query), values | moments)).mappings()
    return [ChargeLine(**line) for line in lines]


def _in(spans: Sequence[Window]) -> str:
    return " OR ".join(ENTRIES_IN.format(n=place) for place in range(len(spans))) or "false"
