"""Conditions in SQL. There are a few of each channel, whatever the traffic; tasks are counted."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from relay.database.rows import unnest

COLUMNS = """channel_id, pack, model, state, code, reason, since, failed_at, tries, room, is_probed,
    extract(epoch FROM try_at - now())::float8 AS due_in_s"""

READ = f"SELECT {COLUMNS} FROM channel_conditions"  # noqa: S608 (composed of constants)

CLAIM = """
UPDATE channel_conditions SET try_at = now() + $4::float8 * interval '1 second'
WHERE channel_id = $1 AND pack = $2 AND model = $3 AND try_at <= now()
RETURNING true
"""
"""Be the one who sees whether it is over; nobody else is, until the lease ends."""

CLAIM_PROBES = f"""
UPDATE channel_conditions c SET try_at = now() + $1::float8 * interval '1 second'
WHERE (channel_id, pack, model) IN (
    SELECT channel_id, pack, model FROM channel_conditions
    WHERE is_probed AND state <> 'ok' AND try_at <= now()
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING {COLUMNS}
"""  # noqa: S608 (composed of constants)
"""The same for all that a free question can end."""

MARK = """
WITH old AS MATERIALIZED (
    SELECT state FROM channel_conditions WHERE channel_id = $1 AND pack = $2 AND model = $3
    FOR NO KEY UPDATE
),
put AS (
    INSERT INTO channel_conditions AS c (
        channel_id, pack, model, state, code, reason, since, failed_at, try_at, tries, room,
        is_probed
    )
    VALUES (
        $1, $2, $3, $4, $5, $6, now(), now(), now() + $7::float8 * interval '1 second', $8, $9, $10
    )
    ON CONFLICT (channel_id, pack, model) DO UPDATE
    SET state = excluded.state,
        code = excluded.code,
        reason = excluded.reason,
        since = CASE WHEN c.state = excluded.state THEN c.since ELSE now() END,
        failed_at = CASE excluded.state WHEN 'ok' THEN c.failed_at ELSE now() END,
        try_at = excluded.try_at,
        tries = excluded.tries,
        room = excluded.room,
        is_probed = excluded.is_probed
)
INSERT INTO channel_events (channel_id, pack, model, before, state, reason)
SELECT $1, $2, $3, before, $4, $6
FROM (SELECT coalesce((SELECT state FROM old), 'ok') AS before) was
WHERE before <> $4
"""
"""Write one condition whole; a change of its state is an event."""

COUNT = """
SELECT channel_id, pack, coalesce(lower(model), endpoint) AS model, sum(slots)::bigint AS slots,
       extract(epoch FROM now() - min(coalesce(
           submitted_at, CASE WHEN public_id IS NULL THEN created_at ELSE now() END
       )))::float8 AS oldest_s
FROM tasks
WHERE hold_ended_at IS NULL AND slots > 0 AND state <> 'queued'
GROUP BY 1, 2, 3
"""
"""The slots that live tasks take: over all replicas, by the index of live tasks. What waits in the
queue takes none, and once it is sent has just begun, however long it waited."""

COUNT_OF_TENANTS = """
SELECT tenant_id, pack, sum(slots)::bigint AS slots FROM tasks
WHERE hold_ended_at IS NULL AND slots > 0 AND state <> 'queued'
GROUP BY tenant_id, pack
"""

WAITING = """
SELECT c.channel_id, t.pack, coalesce(lower(t.model), t.endpoint) AS model,
       sum(t.slots)::bigint AS slots
FROM queue q JOIN tasks t ON t.id = q.task_id JOIN tenants n ON n.id = t.tenant_id
CROSS JOIN unnest(q.channel_ids) AS c (channel_id)
WHERE t.state = 'queued' AND q.until > now() AND n.enabled
GROUP BY 1, 2, 3
"""
"""The slots that are waited for, on each channel whose slots they are; of a tenant that is switched
off nothing is sent."""

RUNNING = """
SELECT coalesce(lower(model), endpoint) AS model, sum(slots)::bigint AS slots
FROM tasks
WHERE hold_ended_at IS NULL AND slots > 0 AND state <> 'queued' AND channel_id = $1 AND pack = $2
    AND id IS DISTINCT FROM $3
GROUP BY 1
"""
"""The same of one pack of a channel, without one task."""

# The newest rows of all, by their key: an index of its own would cost each submit.
USUAL = """
SELECT pack, coalesce(lower(model), endpoint) AS model,
       percentile_cont(0.5) WITHIN GROUP (
           ORDER BY extract(epoch FROM ended_at - submitted_at)
       )::float8 AS median_s
FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT 5000) lately
WHERE slots > 0 AND state IN ('succeed', 'failed') AND ended_via NOT IN ('operator', 'queue')
    AND submitted_at IS NOT NULL
GROUP BY 1, 2
"""
"""How long tasks took of late, since Kling had them."""

CLAIM_UNITS = """
UPDATE channels SET units_asked_at = now()
WHERE id = (
    SELECT id FROM channels
    WHERE enabled
        AND coalesce(units_asked_at, '-infinity') < now() - $1::float8 * interval '1 second'
    ORDER BY units_asked_at NULLS FIRST
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id
"""
"""Be the one who asks what packs a channel has: the one that was asked longest ago."""

USABLE = """status IN ('online', '') AND remaining > 0 AND coalesce(effective_at <= now(), true)
    AND coalesce(expires_at > now(), true)"""
"""Of a pack; 'online' is the vendor's word (docs/kling-api.md 4.16)."""


class PackRow(NamedTuple):
    """One pack of WRITE_PACKS."""

    pack_id: str
    name: str
    kind: str
    total: Decimal
    remaining: Decimal
    effective_at: datetime | None
    expires_at: datetime | None
    status: str


WRITE_PACKS = f"""
WITH told AS MATERIALIZED (
    SELECT * FROM {unnest(PackRow)}
),
old AS MATERIALIZED (
    SELECT kind, sum(remaining) AS units FROM channel_packs
    WHERE channel_id = $9 AND {USABLE}
    GROUP BY kind
),
gone AS (
    DELETE FROM channel_packs
    WHERE channel_id = $9 AND NOT (pack_id = ANY (SELECT pack_id FROM told))
),
put AS (
    INSERT INTO channel_packs AS p (
        channel_id, pack_id, name, kind, total, remaining, effective_at, expires_at, status
    )
    SELECT $9, pack_id, name, kind, total, remaining, effective_at, expires_at, status FROM told
    ON CONFLICT (channel_id, pack_id) DO UPDATE
    SET name = excluded.name, kind = excluded.kind, total = excluded.total,
        remaining = excluded.remaining, effective_at = excluded.effective_at,
        expires_at = excluded.expires_at, status = excluded.status, read_at = now()
)
SELECT kind FROM (SELECT kind, sum(remaining) AS units FROM told WHERE {USABLE} GROUP BY kind) new
LEFT JOIN old USING (kind)
WHERE new.units > coalesce(old.units, 0)
"""  # noqa: S608 (composed of constants)
"""Put what an account has in the place of what it had; returns the kinds of which it has more."""

EXPIRING = f"""
SELECT channel_id, kind, min(expires_at) AS expires_at FROM channel_packs
WHERE {USABLE} AND expires_at < now() + interval '30 days'
GROUP BY channel_id, kind
"""  # noqa: S608 (composed of constants)
"""When the next usable pack of each channel expires, if that is soon."""
