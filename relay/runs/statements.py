"""What is asked of runs often: which steps are due, and which tasks they have."""

FOLLOWER = "runs"
"""Who hears of the moves of steps' tasks (`tasks/outbox.py`)."""
LEASE_S = 180
"""Longer than a submit takes, with all its tries."""

CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT id FROM run_steps
    WHERE state IN ('ready', 'sent', 'keeping') AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE run_steps s
SET next_attempt_at = now() + {LEASE_S} * interval '1 second', lease = gen_random_uuid()
FROM due WHERE s.id = due.id
RETURNING s.id, s.lease
"""  # noqa: S608 (composed of constants)
"""Lease at most $1 steps that are due."""

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
SELECT state, reply, fail_message, ended_via, hold_micros, charged_micros, refunded_micros, endpoint
FROM tasks WHERE id = $1
"""

FIRST_REPLY = """
SELECT body FROM task_events WHERE task_id = $1 AND kind = 'reply.submit' ORDER BY id LIMIT 1
"""
"""What Kling answered to a call, which is its result."""

FILES = """
SELECT count(*) FILTER (WHERE state = 'due') AS due, count(*) AS files
FROM assets WHERE task_id = $1
"""

CREDENTIAL = """
SELECT access_key, api_key_hash FROM tokens WHERE id = $1 AND revoked_at IS NULL
"""
"""By which the token of a run is let in again."""

KEEPS = """
SELECT t.keep_results_days IS NOT NULL FROM runs r JOIN tenants t ON t.id = r.tenant_id
WHERE r.id = $1
"""
