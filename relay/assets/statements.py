"""The statements that move assets: noted, claimed under a lease, kept, given up."""

FOLLOWER = "assets"
"""By which a task's submit names who notes its files (`tasks/outbox.py`)."""
LEASE_S = 1200.0
"""Longer than a copy may take; a worker that dies leaves its rows to others after that."""
LOOKED_AT = 1000
"""Tenants, by one claim; where there are more, the next claim goes on after them."""
VAIN_TRIES = 3
"""After which nobody waits for a file any more."""
KLING_KEEPS_DAYS = 30
"""What it made (docs/kling-api.md 12)."""
NAMED_DAYS = 2
"""For how long a file stays at least that a create names, which may wait for hours."""
UNUSED_S = 3600.0
"""How long content stays that no asset has, since somebody may just be about to put it."""
REMOVAL_S = 600.0
"""After which a removal from the store is tried again."""

OF_TASKS = """
SELECT task_id, source_url, public_id, content_type, state = 'stored' AS is_stored FROM assets
WHERE task_id = ANY ($1::bigint[])
"""

IS_AWAITED = f"""
SELECT EXISTS (
    SELECT FROM outbox o JOIN tasks t ON t.id = o.task_id
    WHERE o.task_id = $1 AND o.follower = '{FOLLOWER}' AND o.done_at IS NULL
        AND o.attempts < {VAIN_TRIES} AND t.state = 'succeed'
        AND NOT EXISTS (SELECT FROM assets WHERE task_id = $1)
) OR EXISTS (
    SELECT FROM assets WHERE task_id = $1 AND state = 'due' AND attempts < {VAIN_TRIES}
)
"""  # noqa: S608 (composed of constants)
"""Tell whether files of a task are yet to be noted or copied; not of what was tried in vain.

The row of the outbox is written with the success that the callback tells of.
"""

WHAT_WAS_MADE = """
SELECT t.reply FROM tasks t JOIN tenants n ON n.id = t.tenant_id
WHERE t.id = $1 AND t.state = 'succeed' AND n.keep_results_days IS NOT NULL
    AND n.removed_at IS NULL
"""

NOTE = """
INSERT INTO assets (tenant_id, task_id, source, source_url, nth)
SELECT t.tenant_id, t.id, 'result', u.url, u.nth
FROM tasks t CROSS JOIN unnest($2::text[], $3::integer[]) AS u (url, nth)
WHERE t.id = $1
ON CONFLICT (task_id, split_part(source_url, '?', 1), nth) WHERE task_id IS NOT NULL
DO UPDATE SET source_url = excluded.source_url
    WHERE assets.state = 'due' AND assets.source_url <> excluded.source_url
"""
"""Once each, however often a task's end is told; a newer signature replaces the one before."""

TAKE_TURN = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('idle_in_transaction_session_timeout', '10s', true),
    pg_advisory_xact_lock(hashtextextended('assets.claim', 0))
"""
"""What the transaction of CLAIM begins with: of two claims at once neither would see what the other
one has chosen, and both would come with less than they could."""

CLAIM = f"""
WITH RECURSIVE lanes AS (
    -- From tenant to tenant along the index: the cost goes with the tenants that have something to
    -- be copied, not with how much, so that one's backlog holds up nobody else.
    (
        SELECT a.tenant_id FROM assets a WHERE a.state = 'due' AND a.tenant_id > $3
        ORDER BY a.tenant_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT a.tenant_id FROM assets a WHERE a.state = 'due' AND a.tenant_id > l.tenant_id
        ORDER BY a.tenant_id LIMIT 1
    )
    FROM lanes l WHERE l.tenant_id IS NOT NULL
),
some_lanes AS MATERIALIZED (
    SELECT tenant_id FROM lanes WHERE tenant_id IS NOT NULL LIMIT {LOOKED_AT}
),
due AS MATERIALIZED (
    SELECT d.id, l.tenant_id, row_number() OVER (
        PARTITION BY l.tenant_id ORDER BY d.next_attempt_at
    ) AS place
    FROM some_lanes l CROSS JOIN LATERAL (
        SELECT a.id, a.next_attempt_at FROM assets a
        WHERE a.state = 'due' AND a.tenant_id = l.tenant_id AND a.next_attempt_at <= now()
        ORDER BY a.next_attempt_at LIMIT $1
    ) d
    WHERE 0 = (SELECT count(*) FROM tenants n WHERE n.id = l.tenant_id AND n.removed_at IS NOT NULL)
),
chosen AS MATERIALIZED (
    SELECT a.id FROM assets a
    WHERE a.id IN (SELECT d.id FROM due d ORDER BY d.place, d.tenant_id LIMIT $1)
        AND a.state = 'due' AND a.next_attempt_at <= now()
    FOR UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE assets a
    SET lease = gen_random_uuid(), attempts = a.attempts + 1,
        next_attempt_at = now() + $2::float8 * interval '1 second'
    FROM chosen c WHERE a.id = c.id
    RETURNING a.id, a.tenant_id, a.task_id, a.source_url, a.attempts, a.lease,
        extract(epoch FROM now() - a.created_at)::float8 AS age_s,
        (SELECT t.channel_id FROM tasks t WHERE t.id = a.task_id) AS channel_id
)
SELECT c.*, NULL::bigint AS last_tenant_id FROM claimed c
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    CASE WHEN count(*) = {LOOKED_AT} THEN max(l.tenant_id) END
FROM some_lanes l
"""  # noqa: S608 (composed of constants)
"""Lease at most $1 rows, by turns among the tenants after $3.

The record without an id names the last tenant that was looked at, if there may be more after it.
"""

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

UPLOADED_BYTES_OF = """
SELECT coalesce(sum(o.bytes), 0)::bigint FROM asset_objects o
WHERE o.tenant_id = $1 AND o.doomed_at IS NULL AND (
    o.unused_after IS NOT NULL OR o.id IN (
        SELECT a.object_id FROM assets a
        WHERE a.tenant_id = $1 AND a.source = 'upload' AND a.state = 'stored'
    )
)
"""
"""Of what it sent; and of what is on its way in, or out."""

ROOM_OF = """
SELECT n.asset_bytes_max, coalesce(sum(o.bytes), 0)::bigint AS bytes,
    coalesce(array_agg(DISTINCT o.bytes) FILTER (WHERE o.stored_at IS NOT NULL), '{}') AS sizes
FROM tenants n LEFT JOIN asset_objects o ON o.tenant_id = n.id AND o.doomed_at IS NULL
WHERE n.id = $1 AND n.asset_bytes_max IS NOT NULL
GROUP BY n.id
"""
"""Of a tenant that has a bound: what it has, and of which sizes."""

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

MAY_UPLOAD = """
SELECT asset_bytes_max FROM tenants
WHERE id = $1 AND (asset_bytes_max IS NOT NULL OR keep_results_days IS NOT NULL)
    AND removed_at IS NULL
"""
"""Of a tenant of which an operator has said that something of it may be kept."""

AGAIN = """
UPDATE assets
-- Later than a transaction says that began before, so that TAKE_BACK sees that somebody came.
SET kept_until = greatest(kept_until, clock_timestamp() + make_interval(days => $3))
WHERE id = (
    SELECT id FROM assets
    WHERE object_id = $2 AND tenant_id = $1 AND source = 'upload' AND state = 'stored'
    ORDER BY id LIMIT 1 FOR UPDATE
)
RETURNING public_id
"""

KEEP_UPLOAD = """
WITH object AS (
    UPDATE asset_objects SET stored_at = coalesce(stored_at, now()), unused_after = NULL
    WHERE id = $2 AND tenant_id = $1 AND doomed_at IS NULL
    RETURNING id, sha256, bytes
)
INSERT INTO assets (
    tenant_id, source, state, object_id, sha256, bytes, content_type, stored_at, kept_until
)
SELECT $1, 'upload', 'stored', o.id, o.sha256, o.bytes, $3, now(), now() + make_interval(days => $4)
FROM object o
RETURNING public_id
"""
"""Say that the content is in the store; nothing, if it was to be removed meanwhile."""

NAMED = f"""
WITH named AS (
    SELECT a.id, a.public_id, a.tenant_id, a.object_id, a.sha256, a.bytes, a.content_type
    FROM assets a
    WHERE a.public_id = ANY ($2::uuid[]) AND a.tenant_id = $1 AND a.state = 'stored'
),
kept_on AS (
    UPDATE assets a SET kept_until = now() + interval '{NAMED_DAYS} days'
    FROM named n WHERE a.id = n.id AND a.kept_until < now() + interval '{NAMED_DAYS} days'
)
SELECT public_id, tenant_id, object_id, sha256, bytes, content_type FROM named
"""  # noqa: S608 (composed of constants)
"""Find files of a tenant that a create names, and keep them until Kling must have read them."""

PUT_OFF = """
UPDATE assets
SET lease = NULL, reason = $3, next_attempt_at = now() + $4::float8 * interval '1 second'
WHERE id = $1 AND lease = $2 AND state = 'due'
"""

LOSE = """
UPDATE assets SET state = 'lost', lease = NULL, reason = $3, ended_at = now()
WHERE id = $1 AND lease = $2 AND state = 'due'
"""

MEND = f"""
WITH gone AS (
    UPDATE asset_objects SET doomed_at = now(), unused_after = now()
    WHERE id = ANY (:ids) AND stored_at IS NOT NULL AND doomed_at IS NULL
    RETURNING id
),
left_without AS (
    UPDATE assets a
    SET state = CASE WHEN c.can_be_had THEN 'due' ELSE 'lost' END,
        ended_at = CASE WHEN c.can_be_had THEN NULL ELSE now() END,
        object_id = NULL, lease = NULL, attempts = 0, next_attempt_at = now(),
        reason = 'its content was not in the store'
    FROM gone g CROSS JOIN LATERAL (
        SELECT l.id, l.source = 'result'
            AND l.created_at > now() - interval '{KLING_KEEPS_DAYS} days' AS can_be_had
        FROM assets l WHERE l.object_id = g.id
    ) c
    WHERE a.id = c.id
    RETURNING a.state
)
SELECT (SELECT count(*) FROM gone) AS objects,
    count(*) FILTER (WHERE state = 'due') AS anew, count(*) FILTER (WHERE state = 'lost') AS lost
FROM left_without
"""  # noqa: S608 (composed of constants)
"""Have files copied again whose content is not in the store, or not whole, while Kling has them."""

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

END_OF_REMOVED = _END.format(
    which="""state IN ('due', 'stored') AND tenant_id IN (
        SELECT n.id FROM tenants n
        WHERE n.removed_at IS NOT NULL AND (
            EXISTS (SELECT FROM assets d WHERE d.tenant_id = n.id AND d.state = 'due')
            OR EXISTS (SELECT FROM assets s WHERE s.tenant_id = n.id AND s.state = 'stored')
        )
    ) LIMIT $1 FOR UPDATE SKIP LOCKED""",
    reason="'its tenant was removed'",
)
"""The same of whatever tenants have that were removed."""

TAKE_BACK = _END.format(
    which="public_id = ANY ($2::uuid[]) AND tenant_id = $1 AND state = 'stored'"
    " AND kept_until = stored_at + make_interval(days => $3) ORDER BY id FOR UPDATE",
    reason="'what it was sent for was refused'",
)
"""The same of uploads that nobody has sent again since they were made. $3: as in KEEP_UPLOAD."""

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
