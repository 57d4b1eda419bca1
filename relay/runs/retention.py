"""For how long it is kept what runs were asked for: as the settings or its tenant have it."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.runs.tables import RunRetention

_KEPT = "r.ended_at IS NOT NULL AND r.input_sealed IS NOT NULL"
_ENDED = "r.ended_at < now() -"
FORGET = f"""
WITH old AS MATERIALIZED (
    -- Each half along an index of its own: the operator's days hold for all, fewer for some.
    (
        SELECT r.id FROM runs r
        WHERE {_KEPT} AND {_ENDED} :days * interval '1 day'
        ORDER BY r.ended_at LIMIT :at_once
    )
    UNION
    (
        SELECT r.id FROM run_retentions k CROSS JOIN LATERAL (
            SELECT r.id FROM runs r
            -- Of one tenant, spelt so that the order is by a pair: Postgres would drop a tenant
            -- that is equal from it, and read past all others' in the order of their ends.
            WHERE {_KEPT} AND r.tenant_id >= k.tenant_id
                AND (r.tenant_id, r.ended_at)
                    < (k.tenant_id, now() - k.days * interval '1 day')
            ORDER BY r.tenant_id, r.ended_at LIMIT :at_once
        ) r
        WHERE k.days < :days LIMIT :at_once
    )
),
locked AS MATERIALIZED (
    -- One that is done once more meanwhile is not over.
    SELECT r.id FROM runs r WHERE r.id IN (SELECT id FROM old) AND r.ended_at IS NOT NULL
    FOR NO KEY UPDATE SKIP LOCKED
),
bodies AS (UPDATE run_steps SET body_sealed = NULL WHERE run_id IN (SELECT id FROM locked))
UPDATE runs SET input_sealed = NULL, inputs_mac = NULL WHERE id IN (SELECT id FROM locked)
"""  # noqa: S608 (composed of constants)
"""Forget them of runs that ended so long ago. One that is done once more by hand has ended anew."""


async def read_retention(session: AsyncSession, tenant_id: int, *, most: int) -> int:
    """Say for how many days after its end it is kept what a run of a tenant's was asked for."""
    days = await session.scalar(
        select(RunRetention.days).where(RunRetention.tenant_id == tenant_id)
    )
    return most if days is None else min(days, most)


async def set_retention(session: AsyncSession, tenant_id: int, days: int) -> None:
    """Have it kept for so many days, from the next time that something is forgotten."""
    await session.execute(
        insert(RunRetention)
        .values(tenant_id=tenant_id, days=days)
        .on_conflict_do_update(index_elements=[RunRetention.tenant_id], set_={"days": days})
    )
