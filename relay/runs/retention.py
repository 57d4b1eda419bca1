"""For how long it is kept what runs were asked for: as the settings or its tenant have it."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.runs.tables import RunRetention

FORGET = """
WITH old AS MATERIALIZED (
    SELECT r.id FROM runs r LEFT JOIN run_retentions k ON k.tenant_id = r.tenant_id
    WHERE r.ended_at IS NOT NULL AND r.input_sealed IS NOT NULL
        AND r.ended_at < now() - least(coalesce(k.days, :days), :days) * interval '1 day'
    LIMIT :at_once FOR NO KEY UPDATE OF r SKIP LOCKED
),
bodies AS (UPDATE run_steps SET body_sealed = NULL WHERE run_id IN (SELECT id FROM old))
UPDATE runs SET input_sealed = NULL WHERE id IN (SELECT id FROM old)
"""
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
