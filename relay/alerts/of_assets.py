"""Questions about files that stay."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found, ago

HOUR_S, GB = 3600.0, 10**9
LATE = """
SELECT n.name, count(*) AS files, extract(epoch FROM now() - min(a.created_at))::float8 AS oldest_s,
    (array_agg(a.reason ORDER BY a.id) FILTER (WHERE a.reason IS NOT NULL))[1] AS reason
FROM assets a JOIN tenants n ON n.id = a.tenant_id
WHERE a.state = 'due' AND n.removed_at IS NULL
    -- What has no room is told by the other question.
    AND (a.reason IS NULL OR a.reason NOT LIKE 'its tenant may keep %')
GROUP BY n.name
"""
FULL = """
SELECT n.name, n.asset_bytes_max, coalesce(sum(o.bytes), 0)::bigint AS bytes,
    EXISTS (
        SELECT FROM assets a
        WHERE a.tenant_id = n.id AND a.state = 'due' AND a.reason LIKE 'its tenant may keep %'
    ) AS is_waiting
FROM tenants n LEFT JOIN asset_objects o ON o.tenant_id = n.id AND o.doomed_at IS NULL
WHERE n.asset_bytes_max > 0 AND n.removed_at IS NULL
GROUP BY n.id
"""


async def assets_late(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask of whom a file has waited for so many hours to be copied."""
    return {
        row["name"]: f"{_files(row['files'])}, the oldest for {ago(row['oldest_s'])}"
        + (f": {row['reason']}" if row["reason"] else "")
        for row in (await session.execute(text(LATE))).mappings()
        if row["oldest_s"] > bound * HOUR_S
    }


async def assets_full(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask who has more than so many percent of the bytes that it may, or has files that wait."""
    return {
        row["name"]: f"{row['bytes'] / GB:.3g} of {row['asset_bytes_max'] / GB:.3g} GB"
        + ("; files wait for room" if row["is_waiting"] else "")
        for row in (await session.execute(text(FULL))).mappings()
        if row["is_waiting"] or row["bytes"] * 100 > bound * row["asset_bytes_max"]
    }


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
