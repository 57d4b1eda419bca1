"""A made-up business: tasks and entries at random moments, in a database of a test's own."""

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec

from relay.database.engine import dsn
from relay.months import Window
from tests.relay_app import Relay

FILL_TASKS = """
INSERT INTO tasks (
    tenant_id, account_id, token_id, channel_id, endpoint, state, injected_id, kling_id, model,
    pack, request_id, quote, hold_micros, submit_deadline_at, created_at, hold_ended_at, ended_at,
    charged_micros, refunded_micros, cost_units
)
SELECT n.id, n.account_id, k.id, 1, 'text2video', $3, 'i-' || $4, 'k-' || $4, $5, $6, 'r-' || $4,
       $7::text::jsonb, 1000000, $8, $8, $8, $8, $9, $10, $11
FROM tenants n JOIN tokens k ON k.tenant_id = n.id
WHERE n.name = $1 AND k.is_test = $2 ORDER BY k.id LIMIT 1
RETURNING id, account_id
"""
FILL_ENTRY = """
INSERT INTO entries (account_id, kind, amount_micros, task_id, reason, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
BALANCE = """
UPDATE accounts a SET quota_micros = coalesce(
    (SELECT sum(amount_micros) FROM entries e WHERE e.account_id = a.id), 0)
"""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One task as it was written, and when its money moved."""

    tenant: str
    model: str | None
    state: str
    created_at: datetime
    charged_at: datetime
    charge_micros: int
    refund_micros: int
    refunded_at: datetime
    is_image: bool
    cost_micros: int


async def make_business(
    relay: Relay, tenants: Sequence[str], *, within: Window, edges: Sequence[datetime], count: int
) -> list[Made]:
    """Write that many tasks; of their moments, half are at an edge or a microsecond beside it."""
    rng = random.Random(20261101)
    span_s = (within.until - within.start).total_seconds()

    def moment(*, least: datetime = within.start) -> datetime:
        at = within.start + timedelta(seconds=rng.uniform(0, span_s - 60))
        if rng.random() < 0.5:
            at = rng.choice(edges) + rng.choice((-1, 0, 1)) * timedelta(microseconds=1)
        return max(at, least)

    made = []
    connection = await asyncpg.connect(dsn(relay.database_url))
    for number, created_at in enumerate(sorted(moment() for _ in range(count))):
        state = rng.choice(("succeed", "succeed", "failed", "refused"))
        charged_at = moment(least=created_at)
        charge = rng.randrange(0, 900_000) if state == "succeed" else 0
        units = Decimal(rng.randrange(0, 40_000)) / 10_000
        one = Made(
            tenant=rng.choice(tenants),
            model=rng.choice(("kling-v3", "kling-v2", None)),
            state=state,
            created_at=created_at,
            charged_at=charged_at,
            charge_micros=charge,
            refund_micros=rng.choice((0, charge // 3, charge)),
            refunded_at=moment(least=charged_at),
            is_image=rng.random() < 0.3,
            cost_micros=int((units * 140_000).to_integral_value()) if state == "succeed" else 0,
        )
        made.append(one)
        await _write(connection, number, one, units)
    await connection.execute(BALANCE)
    await connection.close()
    return made


async def _write(connection: asyncpg.Connection, number: int, one: Made, units: Decimal) -> None:
    quote = {
        "wanted": {"seconds": None if one.is_image else 5, "count": 2, "is_open": False},
        "seconds": 5,
        "prices": {"video_micros": 140_000, "image_micros": 140_000},
    }
    is_success = one.state == "succeed"
    task = await connection.fetchrow(
        FILL_TASKS,
        *(one.tenant, False, one.state, str(number), one.model),
        "image" if one.is_image else "video",
        *(json.dumps(quote), one.created_at),
        one.charge_micros if is_success else None,
        one.refund_micros,
        units if is_success else None,
    )
    assert task is not None
    account_id, task_id = task["account_id"], task["id"]
    if is_success:
        charge = (account_id, "charge", -one.charge_micros, task_id, None, one.charged_at)
        await connection.execute(FILL_ENTRY, *charge)
    if one.refund_micros:
        refund = (account_id, "refund", one.refund_micros, task_id, "why", one.refunded_at)
        await connection.execute(FILL_ENTRY, *refund)
