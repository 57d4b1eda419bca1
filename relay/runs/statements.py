"""What is asked of runs often: which steps are due, and which tasks they have."""

FOLLOWER = "runs"
"""Who hears of the moves of steps' tasks (`tasks/outbox.py`)."""
LEASE_S = 180
"""Longer than a submit takes, with all its tries."""

LANES_MAX = 1000
"""Tenants that one claim looks at; where there are more, the next one goes on behind them."""

TAKE_TURN = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('jit', 'off', true), set_config('idle_in_transaction_session_timeout', '10s', true)
"""
"""What the transaction of a claim begins with: its plan must not go by what the table was when it
was made, and a worker that stops in the midst of it holds its rows no longer."""


def _claim(states: str) -> str:
    return f"""
WITH RECURSIVE lanes AS (
    -- From tenant to tenant along the index: the cost goes with the tenants that have steps under
    -- way, not with how many they have.
    (
        SELECT s.tenant_id FROM run_steps s WHERE s.state IN ({states}) AND s.tenant_id > $4
        ORDER BY s.tenant_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT s.tenant_id FROM run_steps s
        WHERE s.state IN ({states}) AND s.tenant_id > l.tenant_id
        ORDER BY s.tenant_id LIMIT 1
    )
    FROM lanes l WHERE l.tenant_id IS NOT NULL
),
some_lanes AS MATERIALIZED (
    SELECT l.tenant_id, (SELECT count(*) FROM unnest($3::bigint[]) h WHERE h = l.tenant_id) AS has
    FROM lanes l WHERE l.tenant_id IS NOT NULL LIMIT $5
),
due AS MATERIALIZED (
    SELECT d.id, d.next_attempt_at, l.has + row_number() OVER (
        PARTITION BY l.tenant_id ORDER BY d.next_attempt_at
    ) AS place
    FROM some_lanes l CROSS JOIN LATERAL (
        SELECT s.id, s.next_attempt_at FROM run_steps s
        WHERE s.state IN ({states}) AND s.tenant_id = l.tenant_id AND s.next_attempt_at <= now()
        ORDER BY s.next_attempt_at LIMIT greatest($2 - l.has, 0)
    ) d
),
chosen AS MATERIALIZED (
    -- Another worker may have chosen the same: what it has locked is its own.
    SELECT s.id FROM run_steps s
    WHERE s.id = ANY (ARRAY(
            SELECT d.id FROM due d ORDER BY d.place, d.next_attempt_at LIMIT $1
        ))
        AND s.state IN ({states}) AND s.next_attempt_at <= now()
    FOR NO KEY UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE run_steps s
    SET next_attempt_at = now() + {LEASE_S} * interval '1 second', lease = gen_random_uuid()
    FROM chosen c WHERE s.id = c.id
    RETURNING s.id, s.lease, s.tenant_id
)
SELECT c.*, NULL::bigint AS last_tenant_id FROM claimed c
UNION ALL
SELECT NULL, NULL, NULL, CASE WHEN count(*) = $5 THEN max(l.tenant_id) END
FROM some_lanes l
"""  # noqa: S608 (composed of constants)


TO_SEND, TO_LOOK_AT = "'ready'", "'sent', 'keeping'"
CLAIM_SENDS, CLAIM_LOOKS = _claim(TO_SEND), _claim(TO_LOOK_AT)
"""Lease at most $1 steps that are due, by turns among $5 tenants behind $4.

$3 names the tenant of each step that this worker has in hand: of one tenant it has $2 at the most.
The record without an id names the last tenant that was looked at, if there may be more behind it.
"""

WAKE = """
UPDATE run_steps SET next_attempt_at = now(), lease = NULL, state = 'sent'
WHERE task_id = $1 AND (
    state = 'sent'
    OR (
        (state IN ('failed', 'skipped') OR (state = 'done' AND output IS NULL))
        AND EXISTS (SELECT FROM tasks WHERE id = $1 AND state = 'succeed')
    )
)
"""
"""Have a step looked at whose task moved, anew if somebody looks at it now. One that failed comes
back where Kling says late that its task succeeded: it is charged for."""

MADE = """
SELECT id FROM tasks WHERE token_id = $1 AND create_key = $2 AND state <> 'refused'
"""
"""The task that was made under a step's key, however long ago."""

TASK = """
SELECT state, reply, is_reply_full, next_look_at IS NOT NULL AS is_looked_at, fail_message,
    ended_via, hold_micros, charged_micros, refunded_micros, endpoint
FROM tasks WHERE id = $1
"""

FIRST_REPLY = """
SELECT body FROM task_events WHERE task_id = $1 AND kind = 'reply.submit' ORDER BY id LIMIT 1
"""
"""What Kling answered to a call, which is its result."""

CREDENTIAL = """
SELECT access_key, api_key_hash FROM tokens WHERE id = $1 AND revoked_at IS NULL
"""
"""By which the token of a run is let in again."""

KEEPS = """
SELECT t.keep_results_days IS NOT NULL FROM runs r JOIN tenants t ON t.id = r.tenant_id
WHERE r.id = $1
"""
