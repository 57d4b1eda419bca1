"""The statements that move assets: noted, claimed under a lease, kept, given up."""

FOLLOWER = "assets"
"""By which a task's submit names who notes its files (`tasks/outbox.py`)."""
LEASE_S = 1200.0
"""Longer than a copy may take; a worker that dies leaves its rows to others after that."""
LOOKED_AT = 200
"""Due rows of which the next ones are chosen, by turns among tenants."""
UNUSED_S = 3600.0
"""How long content stays that no asset has, since somebody may just be about to put it."""
REMOVAL_S = 600.0
"""After which a removal from the store is tried again."""

STORED = """
SELECT split_part(source_url, '?', 1) AS place, public_id, content_type FROM assets
WHERE tenant_id = $1 AND state = 'stored' AND split_part(source_url, '?', 1) = ANY ($2::text[])
"""

IS_AWAITED = f"""
SELECT t.state = 'succeed' AND '{FOLLOWER}' = ANY (t.follows) AND n.keep_results_days IS NOT NULL
    AND (
        NOT EXISTS (SELECT FROM assets WHERE task_id = t.id)
        OR EXISTS (SELECT FROM assets WHERE task_id = t.id AND state = 'due' AND attempts < 3)
    )
FROM tasks t JOIN tenants n ON n.id = t.tenant_id WHERE t.id = $1
"""  # noqa: S608 (composed of constants)
"""Tell whether files of a task are being copied; not of those that were tried in vain."""

WHAT_WAS_MADE = """
SELECT t.reply FROM tasks t JOIN tenants n ON n.id = t.tenant_id
WHERE t.id = $1 AND t.state = 'succeed' AND n.keep_results_days IS NOT NULL
"""

NOTE = """
INSERT INTO assets (tenant_id, task_id, source, source_url)
SELECT t.tenant_id, t.id, 'result', u.url
FROM tasks t CROSS JOIN unnest($2::text[]) AS u (url)
WHERE t.id = $1
ON CONFLICT (task_id, split_part(source_url, '?', 1)) WHERE task_id IS NOT NULL
DO UPDATE SET source_url = excluded.source_url
    WHERE assets.state = 'due' AND assets.source_url <> excluded.source_url
"""
"""Once each, however often a task's end is told; a newer signature replaces the one before."""

CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT id, tenant_id, next_attempt_at FROM assets
    WHERE state = 'due' AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT {LOOKED_AT}
    FOR UPDATE SKIP LOCKED
),
chosen AS MATERIALIZED (
    SELECT id FROM due
    ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY next_attempt_at), next_attempt_at
    LIMIT $1
)
UPDATE assets a
SET lease = gen_random_uuid(), attempts = a.attempts + 1,
    next_attempt_at = now() + $2::float8 * interval '1 second'
FROM chosen c WHERE a.id = c.id
RETURNING a.id, a.tenant_id, a.task_id, a.source_url, a.attempts, a.lease,
    extract(epoch FROM now() - a.created_at)::float8 AS age_s,
    (SELECT t.channel_id FROM tasks t WHERE t.id = a.task_id) AS channel_id
"""  # noqa: S608 (composed of constants)

LOCK_TENANT = "SELECT asset_bytes_max FROM tenants WHERE id = $1 FOR NO KEY UPDATE"
"""Of two copies at once the second one counts what the first one keeps."""

RESERVE = f"""
INSERT INTO asset_objects (tenant_id, sha256, bytes, unused_after)
VALUES ($1, $2, $3, now() + {UNUSED_S} * interval '1 second')
ON CONFLICT (tenant_id, sha256) WHERE doomed_at IS NULL
DO UPDATE SET unused_after = CASE WHEN asset_objects.unused_after IS NULL THEN NULL
                             ELSE excluded.unused_after END
RETURNING id, stored_at IS NOT NULL AS is_stored
"""  # noqa: S608 (composed of constants)
"""Find the content among what the tenant has, or make a place for it: it stays for a while.

While an asset has it, `unused_after` is null; the end of the last one begins the while anew.
"""

BYTES_OF = """
SELECT coalesce(sum(bytes), 0)::bigint FROM asset_objects
WHERE tenant_id = $1 AND doomed_at IS NULL
"""

KEEP = """
WITH object AS (
    UPDATE asset_objects SET stored_at = coalesce(stored_at, now()), unused_after = NULL
    WHERE id = $3 AND doomed_at IS NULL
        AND EXISTS (SELECT FROM assets WHERE id = $1 AND lease = $2 AND state = 'due')
    RETURNING id, sha256, bytes
)
UPDATE assets a
SET state = 'stored', object_id = o.id, sha256 = o.sha256, bytes = o.bytes, content_type = $4,
    stored_at = now(), lease = NULL, reason = NULL,
    kept_until = now() + make_interval(days => coalesce(n.keep_results_days, $5))
FROM object o, tenants n
WHERE a.id = $1 AND a.lease = $2 AND a.state = 'due' AND n.id = a.tenant_id
RETURNING a.kept_until
"""
"""Say that the content is in the store, fenced by the lease; nothing, if it was to be removed
meanwhile. $5: for how many days, should the tenant keep none any more."""

PUT_OFF = """
UPDATE assets
SET lease = NULL, reason = $3, next_attempt_at = now() + $4::float8 * interval '1 second'
WHERE id = $1 AND lease = $2 AND state = 'due'
"""

LOSE = """
UPDATE assets SET state = 'lost', lease = NULL, reason = $3, ended_at = now()
WHERE id = $1 AND lease = $2 AND state = 'due'
"""

_END = f"""
WITH due AS MATERIALIZED (
    SELECT id, object_id FROM assets WHERE {{which}}
),
ended AS (
    UPDATE assets a
    SET state = 'deleted', ended_at = now(), object_id = NULL, lease = NULL, reason = {{reason}}
    FROM due WHERE a.id = due.id
    RETURNING due.object_id
),
freed AS (
    UPDATE asset_objects o
    SET unused_after = greatest(o.unused_after, now() + {UNUSED_S} * interval '1 second')
    FROM (SELECT DISTINCT object_id FROM ended) e WHERE o.id = e.object_id
)
SELECT count(*) FROM ended
"""  # noqa: S608 (composed of constants)

EXPIRE = _END.format(
    which="state = 'stored' AND kept_until <= now()"
    " ORDER BY kept_until LIMIT $1 FOR UPDATE SKIP LOCKED",
    reason="'its time was over'",
)
"""End what was kept for its time, so many at once; returns how many they were."""

END_ONE = _END.format(
    which="id = :id AND state IN ('due', 'stored') FOR UPDATE",
    reason="CAST(:reason AS text)",
)
"""The same of one, by somebody's word, in a transaction of the desk."""

DOOM = """
UPDATE asset_objects o
SET doomed_at = CASE WHEN u.is_used THEN NULL ELSE now() END,
    unused_after = CASE WHEN u.is_used THEN NULL ELSE now() END
FROM (
    SELECT d.id, EXISTS (SELECT FROM assets a WHERE a.object_id = d.id) AS is_used
    FROM asset_objects d
    WHERE d.unused_after <= now() AND d.doomed_at IS NULL
    ORDER BY d.unused_after LIMIT $1
    FOR UPDATE OF d SKIP LOCKED
) u
WHERE o.id = u.id
"""
"""Judge what may be unused: from then on it is in use, or nobody's for good."""

CLAIM_DOOMED = f"""
UPDATE asset_objects o SET unused_after = now() + {REMOVAL_S} * interval '1 second'
FROM (
    SELECT id FROM asset_objects WHERE doomed_at IS NOT NULL AND unused_after <= now()
    ORDER BY unused_after LIMIT $1 FOR UPDATE SKIP LOCKED
) d
WHERE o.id = d.id
RETURNING o.id, o.tenant_id, o.sha256
"""  # noqa: S608 (composed of constants)

REMOVED = "DELETE FROM asset_objects WHERE id = $1 AND doomed_at IS NOT NULL"
