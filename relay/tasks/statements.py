"""The statements that move money together with a task's state. Each is one transaction.

They run through a `Batcher`: every parameter is an array, row `ord` of all arrays is one call. The
parts that touch accounts and entries come from `ledger`.
"""

from typing import NamedTuple

from relay.database.ids import TaskId
from relay.database.rows import unnest
from relay.ledger.entries import ENTER_CHARGES
from relay.ledger.holds import END_HOLDS, JUDGE_HOLDS, LOCK_ACCOUNTS, TAKE_HOLDS
from relay.owners.learn import LEARN


class HoldRow(NamedTuple):
    """One call of HOLD."""

    tenant_id: int
    token_id: int
    channel_id: int
    endpoint: str
    tenant_external_id: str | None
    callback_url: str | None
    request_id: str
    quote: str
    hold_micros: int
    deadline_s: float
    """How long the submitting process owns the row."""
    random: str
    """64 bits in hex, for the external id."""


HOLD = f"""
WITH requested AS MATERIALIZED (
    SELECT i.*, nextval('tasks_id_seq') AS id
    FROM {unnest(HoldRow)}
),
accounts_locked AS MATERIALIZED ({LOCK_ACCOUNTS.format(source="requested")}),
judged AS MATERIALIZED (
    {JUDGE_HOLDS.format(requested="requested", accounts="accounts_locked")}
),
inserted AS (
    INSERT INTO tasks (
        id, tenant_id, token_id, channel_id, endpoint, state, injected_id, tenant_external_id,
        callback_url, request_id, quote, hold_micros, submit_deadline_at, next_look_at
    )
    SELECT id, tenant_id, token_id, channel_id, endpoint, 'pending',
           (SELECT external_prefix FROM deployment) || '-' || id || '-' || random,
           tenant_external_id, callback_url, request_id, quote::jsonb, hold_micros,
           now() + deadline_s * interval '1 second', now() + deadline_s * interval '1 second'
    FROM judged
    WHERE has_quota AND has_tasks_left AND fits_with_others
    -- The one conflict there can be is the tenant's own external id: all other keys are fresh.
    ON CONFLICT DO NOTHING
    RETURNING id, tenant_id, hold_micros, injected_id
),
held AS ({TAKE_HOLDS.format(inserted="inserted")})
SELECT j.ord, j.id, i.injected_id, j.available_micros, j.tasks_left,
       CASE
           WHEN i.id IS NOT NULL THEN 'held'
           -- Also without quota: who repeats a submit learns that the first one landed.
           -- Not EXISTS, which a plan made while there are few tasks reads all of them for.
           WHEN j.tenant_external_id IS NOT NULL AND (
               SELECT true FROM tasks o
               WHERE o.tenant_id = j.tenant_id AND o.tenant_external_id = j.tenant_external_id
                   AND o.state <> 'refused'
               LIMIT 1
           ) THEN 'duplicate'
           WHEN NOT j.has_quota THEN 'no_quota'
           WHEN NOT j.has_tasks_left THEN 'too_many_tasks'
           WHEN NOT j.fits_with_others THEN 'again'
           ELSE 'duplicate'
       END AS outcome
FROM judged j LEFT JOIN inserted i USING (id)
"""  # noqa: S608 (composed of constants)
"""Take the hold and insert the task, or neither. `outcome` says which.

A tenant without an account returns no record.
"""


class FinishRow(NamedTuple):
    """One call of FINISH: what we learned of one task, from whomever."""

    id: TaskId
    state: str
    via: str
    kling_id: str | None
    charge_micros: int
    """By the quote, not yet capped at the hold; used for a success only."""
    deduction: str | None
    reply: str | None
    is_reply_full: bool
    fail_message: str | None
    result_ids: str
    """JSON list."""
    result_urls: str
    """JSON list."""
    kling_request_id: str | None
    next_look_s: float | None
    """When to look at it, if it moves and lives on, or ends without a full reply."""
    delivery_body: str | None
    event: str | None
    """Kind of the event to keep, if any; `callback` is kept also when it moves nothing."""
    event_body: bytes | None
    made: str
    """JSON list of the resources that it made; see `owners.learn.spell_made`."""


RANK = """CASE {state} WHEN 'pending' THEN 0 WHEN 'unknown' THEN 1 WHEN 'submitted' THEN 2
    WHEN 'processing' THEN 3 ELSE 4 END"""

JUDGE_TOLD = f"""
told AS MATERIALIZED (
    SELECT i.*
    FROM {unnest(FinishRow)}
),
tasks_locked AS MATERIALIZED (
    SELECT id, tenant_id, channel_id, state, kling_id, hold_micros,
           hold_ended_at IS NULL AS is_open,
           callback_url, is_reply_full
    FROM tasks
    WHERE id = ANY (ARRAY(SELECT id FROM told))
    ORDER BY id
    FOR NO KEY UPDATE
),
judged AS MATERIALIZED (
    SELECT n.*, t.tenant_id, t.channel_id, t.state AS old_state, t.hold_micros, t.is_open,
           t.callback_url,
           n.state IN ('succeed', 'failed', 'refused') AS is_end,
           t.state = 'refused' AND n.state IN ('submitted', 'processing') AS is_back,
           NOT t.is_open AND n.state = 'succeed' AND t.state <> 'succeed' AS is_late,
           CASE
               -- No verdict, and a refusal of the create, say nothing once Kling is known to have
               -- the task.
               WHEN n.state IN ('unknown', 'refused') AND n.via <> 'operator'
                   THEN t.state IN ('pending', 'unknown') AND t.kling_id IS NULL
                        AND n.state <> t.state
               WHEN t.is_open
                   THEN {RANK.format(state="n.state")} > {RANK.format(state="t.state")}
               ELSE n.state = 'succeed' AND t.state <> 'succeed'
           END AS moves,
           -- The operator's word comes without a reply, and must not take away the one there is.
           NOT t.is_open AND n.state = t.state AND n.reply IS NOT NULL AND n.is_reply_full
               AND NOT t.is_reply_full AS fills
    FROM told n JOIN tasks_locked t USING (id)
)
"""  # noqa: S608 (composed of constants)
"""Lock the tasks that are told of, and judge what is new: `moves`, `fills`, or neither."""

LIST_OF = """CASE {list} WHEN '[]' THEN '{{}}'
    ELSE ARRAY(SELECT jsonb_array_elements_text({list}::jsonb)) END"""
RESULT_IDS = LIST_OF.format(list="j.result_ids")
RESULT_URLS = LIST_OF.format(list="j.result_urls")

NAME_KNOWN = """
    UPDATE tasks t
    SET kling_id = coalesce(t.kling_id, j.kling_id),
        kling_request_id = coalesce(t.kling_request_id, j.kling_request_id),
        -- Kling works on what we gave up: its end must be learned, with or without a callback.
        is_flagged = t.is_flagged OR j.is_back,
        next_look_at = CASE WHEN j.is_back THEN coalesce(t.next_look_at, now())
                       ELSE t.next_look_at END
    FROM judged j
    WHERE t.id = j.id AND NOT j.moves AND NOT j.fills
        AND (t.kling_id IS NULL AND j.kling_id IS NOT NULL
             OR t.kling_request_id IS NULL AND j.kling_request_id IS NOT NULL
             OR j.is_back AND t.next_look_at IS NULL)
"""
"""A callback may come before the create's reply is recorded: then only the id is missing."""

SUPERSEDE = """
    UPDATE deliveries
    SET state = 'superseded', lease = NULL, ended_at = now()
    WHERE task_id = ANY (ARRAY(
            SELECT id FROM judged
            WHERE moves AND callback_url IS NOT NULL AND delivery_body IS NOT NULL
        ))
        AND state = 'due' AND (lease IS NULL OR next_attempt_at <= now())
"""
"""A newer status replaces what has not arrived; what is just being sent ends by itself."""

DELIVER = """
    INSERT INTO deliveries (task_id, tenant_id, url, task_status, body)
    SELECT id, tenant_id, callback_url, state, delivery_body
    FROM judged
    WHERE moves AND callback_url IS NOT NULL AND delivery_body IS NOT NULL
"""

LEARN_MADE = LEARN.format(source="judged", condition="s.made <> '[]' AND (s.moves OR s.fills)")

NOTE = """
    INSERT INTO task_events (task_id, kind, detail, body)
    SELECT id, event, state || CASE WHEN moves THEN '' ELSE ', changes nothing' END, event_body
    FROM judged
    WHERE event IS NOT NULL AND (moves OR fills OR event = 'callback')
"""
"""The raw reply or callback is kept with what it did."""

FINISH = f"""
WITH {JUDGE_TOLD},
ended AS MATERIALIZED (
    SELECT id, tenant_id, hold_micros, is_open,
           CASE WHEN state = 'succeed' THEN least(charge_micros, hold_micros) END AS charged_micros
    FROM judged
    WHERE moves AND is_end
),
accounts_locked AS MATERIALIZED ({LOCK_ACCOUNTS.format(source="ended")}),
entered AS ({ENTER_CHARGES.format(ended="ended", accounts="accounts_locked")}),
settled AS ({END_HOLDS.format(ended="ended", accounts="accounts_locked")}),
-- Counted in each update of a task, so that its accounts are locked before: a duplicate submit has
-- the account and waits for a row that is being written, which must not wait for the account.
moved AS (
    UPDATE tasks t
    SET state = j.state,
        kling_id = coalesce(t.kling_id, j.kling_id),
        kling_request_id = coalesce(t.kling_request_id, j.kling_request_id),
        reply = coalesce(j.reply, t.reply),
        is_reply_full = j.is_reply_full,
        fail_message = CASE WHEN j.state IN ('failed', 'refused') THEN j.fail_message END,
        result_ids = {RESULT_IDS},
        result_urls = {RESULT_URLS},
        deduction = coalesce(j.deduction, t.deduction),
        submitted_at = CASE WHEN j.state IN ('unknown', 'refused') THEN t.submitted_at
                       ELSE coalesce(t.submitted_at, now()) END,
        hold_ended_at = CASE WHEN j.is_end THEN coalesce(t.hold_ended_at, now()) END,
        charged_micros = (SELECT e.charged_micros FROM ended e WHERE e.id = t.id),
        ended_at = CASE WHEN j.is_end THEN now() END,
        ended_via = CASE WHEN j.is_end THEN j.via END,
        -- A refused task gave its external id back; once used again, it is gone for good.
        tenant_external_id = CASE WHEN t.state <> 'refused' OR NOT EXISTS (
            SELECT FROM tasks o
            WHERE o.tenant_id = t.tenant_id AND o.tenant_external_id = t.tenant_external_id
                AND o.state <> 'refused' AND o.id <> t.id
        ) THEN t.tenant_external_id END,
        refresh_at = now(),
        next_look_at = now() + j.next_look_s * interval '1 second',
        look_attempts = 0,
        look_lease = NULL,
        is_flagged = t.is_flagged OR j.is_late
            OR (j.state = 'succeed' AND j.charge_micros > j.hold_micros)
    FROM judged j
    WHERE t.id = j.id AND j.moves AND (SELECT count(*) FROM accounts_locked) >= 0
),
filled AS (
    UPDATE tasks t
    SET reply = j.reply,
        is_reply_full = true,
        result_ids = {RESULT_IDS},
        result_urls = {RESULT_URLS},
        deduction = coalesce(t.deduction, j.deduction),
        next_look_at = NULL,
        look_lease = NULL
    FROM judged j
    WHERE t.id = j.id AND j.fills AND NOT j.moves
        AND (SELECT count(*) FROM accounts_locked) >= 0
),
named AS (
    {NAME_KNOWN} AND (SELECT count(*) FROM accounts_locked) >= 0
),
superseded AS ({SUPERSEDE}),
learned AS ({LEARN_MADE}),
delivered AS ({DELIVER}),
noted AS (
    {NOTE}
    UNION ALL
    SELECT id, 'task.underquoted',
           'cost ' || charge_micros || ' micros by Kling''s deduction, charged the hold', NULL
    FROM judged
    WHERE moves AND state = 'succeed' AND charge_micros > hold_micros
    UNION ALL
    SELECT id, 'task.succeeded_late', 'was ' || old_state || ' before', NULL
    FROM judged
    WHERE moves AND is_late
)
SELECT j.ord, j.moves, j.fills, j.old_state, j.tenant_id, e.charged_micros
FROM judged j LEFT JOIN ended e USING (id)
"""  # noqa: S608 (composed of constants)
"""Move a task to what we learned, once, with its money, its delivery and its events.

What leaves a task alive is as well told to RECORD, at less cost.

The only statement that ends a hold. What does not move the task changes nothing, however often it
is told. A task that is gone returns no record.
"""


class ChannelRow(NamedTuple):
    """One call of MOVE_CHANNEL."""

    id: TaskId
    channel_id: int
    reason: str


MOVE_CHANNEL = f"""
WITH told AS (
    SELECT * FROM {unnest(ChannelRow)}
),
moved AS (
    UPDATE tasks t
    SET channels_tried = t.channels_tried || t.channel_id, channel_id = n.channel_id
    FROM told n
    WHERE t.id = n.id AND t.state = 'pending' AND t.kling_id IS NULL
        AND t.submit_deadline_at > now()
    RETURNING t.id
),
noted AS (
    INSERT INTO task_events (task_id, kind, detail)
    SELECT id, 'task.channel_changed', reason FROM told JOIN moved USING (id)
)
SELECT n.ord FROM told n JOIN moved USING (id)
"""  # noqa: S608 (composed of constants)
"""Name the next channel in the row before it is tried (D1).

Returns no record if the task is no longer ours to send: past its deadline, or known to Kling.
"""


class ReadRow(NamedTuple):
    """One call of READ."""

    tenant_id: int
    key: str


TASK_COLUMNS = """t.id, t.tenant_id, t.channel_id, t.endpoint, t.state, t.kling_id, t.injected_id,
    t.tenant_external_id, t.callback_url, t.quote, t.hold_micros, t.charged_micros, t.reply,
    t.is_reply_full, t.fail_message, t.created_at, t.ended_via,
    t.submit_deadline_at, t.request_id, t.refresh_at = t.ended_at AS is_unasked,
    extract(epoch FROM now() - t.refresh_at)::float8 AS refreshed_s_ago"""

READ = f"""
SELECT * FROM (
    SELECT DISTINCT ON (n.ord) n.ord, {TASK_COLUMNS}
    FROM {unnest(ReadRow, "n")}
    JOIN LATERAL (
        -- Fenced: a planner without statistics would rather walk all tasks of the tenant.
        SELECT 0 AS preference, a.* FROM (SELECT * FROM tasks WHERE kling_id = n.key OFFSET 0) a
        WHERE a.tenant_id = n.tenant_id AND a.state <> 'refused'
        UNION ALL
        SELECT 1, b.* FROM tasks b
        WHERE b.tenant_external_id = n.key AND b.tenant_id = n.tenant_id AND b.state <> 'refused'
    ) t ON true
    ORDER BY n.ord, t.preference
) found
"""  # noqa: S608 (composed of constants)
"""Find a tenant's task by Kling's id or else by the tenant's external id."""


class ClaimRow(NamedTuple):
    """One call of CLAIM_REFRESH."""

    id: TaskId
    older_than_s: float


CLAIM_REFRESH = f"""
WITH told AS (
    SELECT * FROM {unnest(ClaimRow)}
),
due AS MATERIALIZED (
    SELECT t.id, n.ord, n.older_than_s
    FROM told n JOIN tasks t USING (id)
    WHERE t.refresh_at <= now() - n.older_than_s * interval '1 second'
    -- Rows stand here in the order of pollers. Whoever holds one claims it or writes what it
    -- learned of it, so nobody waits: not for long, nor in a circle.
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE tasks t
SET refresh_at = now(),
    -- The worker need not ask as well, as long as tenants do, each second or two; what Kling is not
    -- known to have, is looked for by the worker alone.
    next_look_at = CASE WHEN t.state IN ('submitted', 'processing')
        THEN greatest(t.next_look_at, now() + interval '1 second' * (
            due.older_than_s + least(due.older_than_s, 1.5)
        ))
        ELSE t.next_look_at END
FROM due
WHERE t.id = due.id
RETURNING due.ord
"""  # noqa: S608 (composed of constants)
"""Claim the flight that asks Kling about a task: one at a time across replicas."""
