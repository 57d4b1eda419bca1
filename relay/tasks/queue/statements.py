"""The queue in SQL: into it, out of it, back into it, and in which order.

Task rows are locked first, then rows of the queue, by id.
"""

from typing import NamedTuple

from relay.database.ids import TaskId
from relay.database.rows import unnest
from relay.health.statements import COUNT_OF_TENANTS
from relay.tasks.queue.wait import WAITING_MAX
from relay.tasks.statements import TASK_COLUMNS

KLING_EPOCH_MS = 1_568_028_518_778
"""Kling's ids count milliseconds from here, 2^22 of them in each: from one pair of an id and its
`created_at` (docs/kling-api.md 5.1)."""

NEW_PUBLIC_ID = f"""(
    ((extract(epoch FROM clock_timestamp()) * 1000)::bigint - {KLING_EPOCH_MS}) * 4194304
    + floor(random() * 4194304)::bigint
)::text"""
"""Of ours, in the shape of Kling's. The index is the word on whether it is new: two of one moment
are one in four millions."""


class EnterRow(NamedTuple):
    """One call of ENTER."""

    id: TaskId
    body_sealed: str
    path_model: str | None
    wait_s: float
    channel_ids: str
    """Comma separated."""
    reason: str


ENTER = f"""
WITH told AS MATERIALIZED (
    SELECT * FROM {unnest(EnterRow)}
),
tasks_locked AS MATERIALIZED (
    SELECT id FROM tasks
    WHERE id = ANY (ARRAY(SELECT id FROM told)) AND state = 'pending' AND kling_id IS NULL
        AND public_id IS NULL AND submit_deadline_at > now()
        AND {WAITING_MAX} > (
            SELECT count(*) FROM queue q JOIN tasks o ON o.id = q.task_id
            WHERE o.tenant_id = tasks.tenant_id
        )
    ORDER BY id
    FOR NO KEY UPDATE
),
moved AS (
    UPDATE tasks t
    SET state = 'queued', public_id = {NEW_PUBLIC_ID}, next_look_at = NULL, look_lease = NULL
    FROM tasks_locked l
    WHERE t.id = l.id
    RETURNING t.id, t.public_id
),
put AS (
    INSERT INTO queue (task_id, body_sealed, path_model, channel_ids, until)
    SELECT n.id, n.body_sealed, n.path_model, string_to_array(n.channel_ids, ',')::bigint[],
           now() + n.wait_s * interval '1 second'
    FROM told n JOIN moved USING (id)
),
noted AS (
    INSERT INTO task_events (task_id, kind, detail)
    SELECT n.id, 'queue.entered', n.reason FROM told n JOIN moved USING (id)
)
SELECT n.ord, coalesce(m.public_id, t.public_id) AS public_id, t.created_at
FROM told n
LEFT JOIN moved m ON m.id = n.id
JOIN tasks t ON t.id = n.id
WHERE coalesce(m.public_id, t.public_id) IS NOT NULL
"""  # noqa: S608 (composed of constants)
"""Let a held task wait, once, and give it the id that its tenant has from now on.

Run again, after a connection broke, it changes nothing and returns that id. Returns no record of
one that is no longer the submit's.
"""

NOW_SERVED = "(SELECT coalesce(max(began), 0) FROM queue_account_turns)"
"""Where the clock stands that all accounts share: nobody gains by what it did not ask for."""

SERVED_WITHIN = """
SELECT n.account_id, max(u.began) AS began
FROM queue_turns u JOIN tenants n ON n.id = u.tenant_id
GROUP BY n.account_id
"""
"""Where the clock of each account's own tenants stands: by that of all, whoever shares with a
tenant that is served often would have no past."""

CLAIM = f"""
WITH locked AS MATERIALIZED (
    SELECT id, tenant_id, slots FROM tasks WHERE id = $1 AND state = 'queued' FOR NO KEY UPDATE
),
waiting AS MATERIALIZED (
    SELECT q.task_id, q.body_sealed, q.path_model, l.tenant_id, l.slots
    FROM locked l JOIN queue q ON q.task_id = l.id
    WHERE q.until > now()
),
served AS (
    INSERT INTO queue_turns AS u (tenant_id, began, clock)
    SELECT n.id, at, at + w.slots::float8 / n.queue_weight
    FROM waiting w JOIN tenants n ON n.id = w.tenant_id
    LEFT JOIN queue_turns b ON b.tenant_id = n.id
    LEFT JOIN ({SERVED_WITHIN}) s ON s.account_id = n.account_id
    CROSS JOIN LATERAL (SELECT greatest(b.clock, s.began, 0) AS at) clock
    ON CONFLICT (tenant_id) DO UPDATE SET began = excluded.began, clock = excluded.clock
),
account_served AS (
    INSERT INTO queue_account_turns AS u (account_id, began, clock)
    SELECT h.account_id, at, at + w.slots::float8 / h.queue_weight
    FROM waiting w JOIN tenants n ON n.id = w.tenant_id
    JOIN tenants h ON h.id = coalesce(n.parent_id, n.id)
    LEFT JOIN queue_account_turns b ON b.account_id = h.account_id
    CROSS JOIN LATERAL (SELECT greatest(b.clock, {NOW_SERVED}) AS at) clock
    ON CONFLICT (account_id) DO UPDATE SET began = excluded.began, clock = excluded.clock
)
UPDATE tasks t
SET state = 'pending', channel_id = $2,
    submit_deadline_at = now() + $3::float8 * interval '1 second',
    next_look_at = now() + $3::float8 * interval '1 second', look_attempts = 0, not_found = 0,
    not_found_since = NULL
FROM waiting q
WHERE t.id = q.task_id
RETURNING {TASK_COLUMNS}, q.body_sealed, q.path_model
"""  # noqa: S608 (composed of constants)
"""Take one out to be sent: durable, with its deadline, before the first byte (D1)."""

FAILURES_MAX = 3
"""So often what waits is sent without a verdict, where its channel takes others since the first."""
LATELY = 4000
"""Of the newest tasks it is seen what a channel takes: an index would cost each submit."""

AWAIT = "UPDATE queue SET channel_ids = $2::bigint[] WHERE task_id = ANY ($1::bigint[])"
"""Say whose slots these wait for."""

PUT_BACK = f"""
WITH locked AS MATERIALIZED (
    SELECT id, channel_id, (state = 'unknown')::integer AS failed,
           CASE WHEN state = 'unknown' THEN coalesce(not_found_since, now()) END AS failed_at
    FROM tasks
    WHERE id = $1 AND state IN ('pending', 'unknown') AND kling_id IS NULL
        AND submit_deadline_at = $2
    FOR NO KEY UPDATE
),
kept AS MATERIALIZED (
    -- Locked too: its body may be deleted just now, as its time is over.
    UPDATE queue q
    SET failures = q.failures + l.failed, failed_at = coalesce(q.failed_at, l.failed_at)
    FROM locked l
    WHERE q.task_id = l.id AND q.until > now() AND NOT (
        l.failed = 1 AND q.failures + 1 >= {FAILURES_MAX}
        AND EXISTS (
            SELECT FROM (
                SELECT channel_id, submitted_at FROM tasks ORDER BY id DESC LIMIT {LATELY}
            ) o
            WHERE o.channel_id = l.channel_id
                AND o.submitted_at > coalesce(q.failed_at, l.failed_at)
        )
    )
    RETURNING q.task_id
),
back AS (
    UPDATE tasks t
    SET state = 'queued', channels_tried = t.channels_tried || t.channel_id, next_look_at = NULL,
        look_lease = NULL
    FROM kept
    WHERE t.id = kept.task_id
    RETURNING t.id
)
INSERT INTO task_events (task_id, kind, detail)
SELECT id, 'queue.put_back', $3 FROM back
RETURNING task_id
"""  # noqa: S608 (composed of constants)
"""Let it wait again that surely made nothing, by who sent it or who looked for it at Kling.

`$2`: the deadline by which it was claimed, which no other claim of it has: who is late with that
word changes nothing. No record: its time is over, or it is somebody else's by now; or Kling broke
on it again and again, while its channel took others.
"""

LAST_WORD = """
SELECT body FROM task_events WHERE task_id = $1 AND kind = 'submit.unknown' ORDER BY id DESC LIMIT 1
"""
"""What came instead of a verdict, the last time: a reply's body, or a reason of ours."""

SWEEP = """
WITH over AS MATERIALIZED (
    SELECT t.id FROM queue q JOIN tasks t ON t.id = q.task_id
    WHERE t.state NOT IN ('queued', 'pending', 'unknown')
        OR t.state <> 'queued' AND q.until <= now()
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
DELETE FROM queue WHERE task_id IN (SELECT id FROM over)
"""
"""Delete the bodies of all that are not sent again: with a verdict, or in doubt when their time is
over."""

FORGET = """
DELETE FROM queue q USING tasks t
WHERE q.task_id = $1 AND t.id = q.task_id AND t.state NOT IN ('queued', 'pending', 'unknown')
"""
"""Delete one's body as soon as it has a verdict."""

OVER = """
SELECT t.id FROM queue q JOIN tasks t ON t.id = q.task_id
WHERE t.state = 'queued' AND q.until <= now()
ORDER BY t.id LIMIT 100
"""

COUNT_OF_ACCOUNTS = """
SELECT account_id, pack, sum(slots)::bigint AS slots FROM tasks
WHERE hold_ended_at IS NULL AND slots > 0 AND state <> 'queued'
GROUP BY account_id, pack
"""

AMONG_ITS_OWN = """w.before >= w.room_min, w.before::float8 / w.weight,
    w.clock + w.before_it::float8 / w.weight, w.id"""
"""Of one account: who of its tenants is next."""
RANK = """a.before >= a.room_min, a.before_account::float8 / a.account_weight,
    a.account_clock + a.before_it_account::float8 / a.account_weight, a.id"""

IN_ORDER = f"""
SELECT a.*, k.id AS token_id, k.is_test, coalesce(k.groups, a.groups_of_tenant) AS groups,
       row_number() OVER (PARTITION BY a.pack ORDER BY {{rank}}) AS place
FROM (
    SELECT w.*,
           coalesce(r.slots, 0) + sum(w.slots) OVER (
               PARTITION BY w.account_id, w.pack ORDER BY {{own}}
           ) - w.slots AS before_account,
           sum(w.slots) OVER (
               PARTITION BY w.account_id ORDER BY {{own}}
           ) - w.slots AS before_it_account,
           greatest(u.clock, {NOW_SERVED}) AS account_clock
    FROM (
        SELECT t.id, t.tenant_id, t.token_id AS of_token, t.endpoint, t.pack, t.slots,
               t.public_id, t.tenant_external_id, t.created_at, q.until, q.channel_ids,
               q.failures > 0 AS has_failed,
               coalesce(lower(t.model), t.endpoint) AS model, t.model AS asked_model,
               n.name AS tenant, n.account_id, n.parent_id, n.room_min, n.queue_weight AS weight,
               coalesce(p.queue_weight, n.queue_weight) AS account_weight,
               coalesce(n.groups, p.groups) AS groups_of_tenant,
               coalesce(r.slots, 0) + sum(t.slots) OVER (
                   PARTITION BY t.tenant_id, t.pack ORDER BY t.id
               ) - t.slots AS before,
               sum(t.slots) OVER (PARTITION BY t.tenant_id ORDER BY t.id) - t.slots AS before_it,
               greatest(u.clock, s.began, 0) AS clock
        FROM queue q
        JOIN tasks t ON t.id = q.task_id
        JOIN tenants n ON n.id = t.tenant_id LEFT JOIN tenants p ON p.id = n.parent_id
        LEFT JOIN ({COUNT_OF_TENANTS}) r ON r.tenant_id = t.tenant_id AND r.pack = t.pack
        LEFT JOIN queue_turns u ON u.tenant_id = t.tenant_id
        LEFT JOIN ({SERVED_WITHIN}) s ON s.account_id = n.account_id
        WHERE t.state = 'queued' AND q.until > now() AND n.enabled AND p.enabled IS NOT FALSE
    ) w
    LEFT JOIN ({COUNT_OF_ACCOUNTS}) r ON r.account_id = w.account_id AND r.pack = w.pack
    LEFT JOIN queue_account_turns u ON u.account_id = w.account_id
) a
JOIN tokens k ON k.id = a.of_token
ORDER BY {{rank}}
""".format(own=AMONG_ITS_OWN, rank=RANK)  # noqa: S608 (composed of constants)
"""All that waits, in the order in which it is sent; `place` counts those of its pack.

An account has one share, however many tenants draw on it, and its tenants share that. `before`: the
slots that its tenant would have when it is its turn: those that run, and those that came before it;
`before_account` likewise of all tenants of its account. So the account that has least for its
weight is next, of those the one that was given least of late; within it the tenant of which the
same holds; and who has less than its least is before all others. Of one tenant they stay in the
order in which they came.
"""
