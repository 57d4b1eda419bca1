"""The statements that move deliveries: claimed by lanes, completed under the lease.

A lane is what one tenant has for one host. None of them waits for another's lock: what is locked is
skipped, and somebody else's to handle.
"""

LEASE_S = 30.0
"""Longer than any attempt; a worker that dies leaves its rows to others after that."""

TAKE_TURN = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('jit', 'off', true), set_config('idle_in_transaction_session_timeout', '10s', true),
    pg_advisory_xact_lock(hashtextextended('deliveries.claim', 0))
"""
"""What the transaction of CLAIM begins with.

Its plan must not go by what the table was when it was made. And of two claims at once neither would
see the other's leases, so that two statuses of one task were on the way together. A worker that
stops in the midst of its turn loses it.
"""

CLAIM = """
WITH RECURSIVE in_hand AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::text[]) AS h (tenant_id, host)
),
-- From lane to lane along the index: the cost goes with the lanes, not with the rows that wait in
-- them, so that one tenant's thousands cost what one row costs.
lanes AS (
    (
        SELECT d.tenant_id, d.host FROM deliveries d
        WHERE d.state = 'due' AND (d.tenant_id, d.host) > ($4::bigint, $5::text)
        ORDER BY d.tenant_id, d.host LIMIT 1
    )
    UNION ALL
    SELECT n.tenant_id, n.host
    FROM lanes l CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.host FROM deliveries d
        WHERE d.state = 'due' AND (d.tenant_id, d.host) > (l.tenant_id, l.host)
        ORDER BY d.tenant_id, d.host LIMIT 1
    ) n
),
some_lanes AS MATERIALIZED (SELECT * FROM lanes LIMIT $6),
roomy AS MATERIALIZED (
    SELECT l.tenant_id, l.host, least(
        $7 - (SELECT count(*) FROM in_hand h WHERE h.tenant_id = l.tenant_id AND h.host = l.host),
        $8 - (SELECT count(*) FROM in_hand h WHERE h.tenant_id = l.tenant_id),
        $9 - (SELECT count(*) FROM in_hand h WHERE h.host = l.host)
    ) AS room
    FROM some_lanes l
),
candidates AS MATERIALIZED (
    SELECT d.*, row_number() OVER (PARTITION BY d.tenant_id, d.host ORDER BY d.next_attempt_at)
        AS place_in_lane
    FROM roomy r CROSS JOIN LATERAL (
        SELECT d.id, d.task_id, d.tenant_id, d.host, d.next_attempt_at
        FROM deliveries d
        WHERE d.state = 'due' AND d.tenant_id = r.tenant_id AND d.host = r.host
            AND d.next_attempt_at <= now()
            -- One in flight per task, and the newest status of it. A count, since an EXISTS may be
            -- planned as a join that reads every row there is.
            AND 0 = (
                SELECT count(*) FROM deliveries o
                WHERE o.task_id = d.task_id AND o.state = 'due' AND o.id <> d.id
                    AND (o.id > d.id OR (o.lease IS NOT NULL AND o.next_attempt_at > now()))
            )
        ORDER BY d.next_attempt_at
        LIMIT r.room
    ) d
    WHERE r.room > 0
),
ranked AS MATERIALIZED (
    -- By turns: the first of every lane goes before the second of any.
    SELECT c.id, c.place_in_lane, c.next_attempt_at,
        row_number() OVER (PARTITION BY c.tenant_id ORDER BY c.place_in_lane, c.next_attempt_at)
            + (SELECT count(*) FROM in_hand h WHERE h.tenant_id = c.tenant_id) AS place_of_tenant,
        row_number() OVER (PARTITION BY c.host ORDER BY c.place_in_lane, c.next_attempt_at)
            + (SELECT count(*) FROM in_hand h WHERE h.host = c.host) AS place_of_host
    FROM candidates c
),
chosen AS MATERIALIZED (
    SELECT d.id, d.task_id
    FROM deliveries d
    WHERE d.id IN (
        SELECT k.id FROM ranked k
        WHERE k.place_of_tenant <= $8 AND k.place_of_host <= $9
        ORDER BY k.place_of_tenant, k.next_attempt_at LIMIT $1
    ) AND d.state = 'due' AND d.next_attempt_at <= now()
    FOR UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE deliveries d
    SET lease = gen_random_uuid(), next_attempt_at = now() + $10 * interval '1 second',
        attempts = d.attempts + 1, retried_since = coalesce(d.retried_since, now())
    FROM chosen c WHERE d.id = c.id
    RETURNING d.id, d.webhook_id, d.task_id, d.tenant_id, d.host, d.url, d.body, d.lease,
        d.attempts, extract(epoch FROM now() - d.retried_since)::float8 AS elapsed_s,
        (SELECT n.result_urls = 'ours' FROM tenants n WHERE n.id = d.tenant_id) AS shows_ours
),
-- What a worker left behind when it died, and has a newer status now.
older AS MATERIALIZED (
    SELECT o.id FROM chosen c CROSS JOIN LATERAL (
        SELECT d.id FROM deliveries d
        WHERE d.task_id = c.task_id AND d.id < c.id AND d.state = 'due'
        FOR UPDATE SKIP LOCKED
    ) o
),
superseded AS (
    UPDATE deliveries d SET state = 'superseded', lease = NULL, ended_at = now()
    FROM older o WHERE d.id = o.id
),
attempted AS (
    INSERT INTO delivery_attempts (delivery_id, number) SELECT id, attempts FROM claimed
)
SELECT c.*, NULL::bigint AS lanes, NULL::bigint AS last_tenant_id, NULL::text AS last_host
FROM claimed c
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, count(*), max(l.tenant_id),
    (SELECT e.host FROM some_lanes e ORDER BY e.tenant_id DESC, e.host DESC LIMIT 1)
FROM some_lanes l
"""
"""Lease due rows: at most $7 at a time of one lane, $8 of one tenant, $9 of one host.

$2 and $3 name what this worker has in hand. It looks at $6 lanes after ($4, $5); the record without
an id says how many there were and which was the last.
"""

PUT_BACK = """
WITH attempted AS (
    DELETE FROM delivery_attempts
    WHERE delivery_id = $1 AND number = $3
        AND EXISTS (SELECT FROM deliveries WHERE id = $1 AND lease = $2)
)
UPDATE deliveries
SET lease = NULL, attempts = attempts - 1,
    next_attempt_at = now() + $4::float8 * interval '1 second'
WHERE id = $1 AND lease = $2
"""
"""Leave a row that cannot be sent yet, as if nobody had claimed it."""

COMPLETE = """
WITH attempted AS (
    UPDATE delivery_attempts
    SET http_status = $4, error = $5, duration_ms = $6, response = $7
    WHERE delivery_id = $1 AND number = $3
)
UPDATE deliveries d
SET state = told.state, lease = NULL, reason = $9,
    next_attempt_at = CASE WHEN told.state = 'due' THEN now() + $10::float8 * interval '1 second'
                      ELSE d.next_attempt_at END,
    ended_at = CASE WHEN told.state <> 'due' THEN now() END
FROM (
    SELECT CASE WHEN $8 = 'due' AND EXISTS (
        SELECT FROM deliveries n, deliveries m
        WHERE m.id = $1 AND n.task_id = m.task_id AND n.id > m.id AND n.state = 'due'
    ) THEN 'superseded' ELSE $8::text END AS state
) told
WHERE d.id = $1 AND d.lease = $2
RETURNING d.state
"""
"""Keep an attempt's outcome and move its row to $8, fenced by the lease.

A row to be tried again that has a newer status by now is superseded instead.
"""
