"""What is told of a task, judged: the parts that FINISH and RECORD share.

Both are statements over arrays, for a `Batcher` or, as an array of one, inside a session.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from relay.database.ids import TaskId
from relay.database.rows import unnest
from relay.ledger.entries import BY_RELAY
from relay.owners.learn import LEARN


class FinishRow(NamedTuple):
    """One call of FINISH: what we learned of one task, from whomever."""

    id: TaskId
    state: str
    via: str
    kling_id: str | None
    charge_micros: int
    """By the quote, not yet capped at the hold; used for a success only."""
    deduction: str | None
    """Kling's own cost fields, raw; what follows are the figures in them, of an end only."""
    cost_units: Decimal | None
    cost_pack: str | None
    cost_cash: Decimal | None
    cost_currency: str | None
    reply: str | None
    kling_created_at: datetime | None
    """As the reply says."""
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
    actor: str = BY_RELAY
    """Whose word it is, for the charge and the event."""


RANK = """CASE {state} WHEN 'queued' THEN -1 WHEN 'pending' THEN 0 WHEN 'unknown' THEN 1
    WHEN 'submitted' THEN 2 WHEN 'processing' THEN 3 ELSE 4 END"""

_JUDGE = f"""
told AS MATERIALIZED (
    SELECT i.*
    FROM {unnest(FinishRow)}
),
tasks_locked AS MATERIALIZED (
    SELECT id, tenant_id, account_id, channel_id, state, kling_id, hold_micros,
           hold_ended_at IS NULL AS is_open, charged_micros, corrected_micros,
           num_nonnulls(cost_units, cost_cash) > 0 AS has_cost,
           callback_url, is_reply_full,
           -- What the operator gave back is not given back again.
           state = 'succeed' AND ended_via = 'callback' AND NOT is_reply_full
               AND refunded_micros = 0 AS is_hearsay,
           state = 'failed' AND ended_via = 'queue' AS is_given_up,
           ended_via IS NOT DISTINCT FROM 'operator' AND NOT is_reply_full
               AS awaits_kling{{taken_of}}
    FROM tasks
    WHERE id = ANY (ARRAY(SELECT id FROM told)){{unless}}
    ORDER BY id
    FOR NO KEY UPDATE
),
judged AS MATERIALIZED (
    SELECT n.*, t.tenant_id, t.account_id, t.channel_id, t.state AS old_state, t.hold_micros,
           t.is_open, t.callback_url, t.charged_micros AS charged_before, t.has_cost{{limits}},
           t.is_hearsay AND n.is_reply_full AND n.via <> 'operator'
               AND (n.state = 'failed' OR n.state = 'succeed'
                    AND least(n.charge_micros, t.hold_micros) <> t.charged_micros) AS corrects,
           n.state IN ('succeed', 'failed', 'refused') AS is_end,
           (t.state = 'refused' OR t.is_given_up) AND n.state IN ('submitted', 'processing')
               AS is_back,
           NOT t.is_open AND n.state = 'succeed' AND t.state <> 'succeed' AS is_late,
           t.awaits_kling AND n.via = 'callback' AND n.state IN ('succeed', 'failed') AS is_hint,
           t.awaits_kling AND n.via <> 'operator' AND n.is_reply_full
               AND t.state = 'succeed' AND n.state = 'succeed' AS brings_result,
           t.awaits_kling AND n.via <> 'operator' AND n.is_reply_full AND t.state = 'succeed'
               AND (n.state IN ('failed', 'refused') OR n.state = 'succeed'
                    AND n.charge_micros <> t.charged_micros)
               AS contradicts,
           CASE
               -- No verdict, and a refusal of the create, say nothing once Kling is known to have
               -- the task.
               WHEN n.state IN ('unknown', 'refused') AND n.via <> 'operator' OR n.via = 'queue'
                   THEN t.kling_id IS NULL AND n.state <> t.state
                        AND (t.state IN ('pending', 'unknown')
                             OR t.state = 'queued' AND n.via = 'queue')
               WHEN t.is_open
                   THEN {RANK.format(state="n.state")} > {RANK.format(state="t.state")}
               -- A success that was none.
               WHEN t.is_hearsay AND n.state = 'failed' THEN n.is_reply_full AND n.via <> 'operator'
               -- There is one charge of a task, and one correction of it.
               ELSE n.state = 'succeed' AND t.state <> 'succeed' AND t.corrected_micros IS NULL
           END AS moves,
           -- The operator's word comes without a reply, and must not take away the one there is.
           NOT t.is_open AND n.state = t.state AND n.reply IS NOT NULL AND n.is_reply_full
               AND NOT t.is_reply_full AS fills
    FROM told n JOIN tasks_locked t USING (id)
)
"""  # noqa: S608 (composed of constants)
JUDGE_TOLD = _JUDGE.format(taken_of="", limits="", unless="")
"""Lock the tasks that are told of, and judge what is new: `moves`, `fills`, or neither.

A success by a callback is hearsay until Kling's full reply is there, which may also `corrects` what
was charged (docs/promises.md M5).

Of what ended by the operator's word, Kling's own is awaited. A callback is a hint to ask at once;
the full reply `contradicts`, in the end itself or in what it cost, or `brings_result`.
"""

JUDGE_UNLIMITED = _JUDGE.format(taken_of="", limits="", unless=" AND limit_ids IS NULL")
"""The same of tasks that took of no limits: of others it finds none, and returns no record."""
JUDGE_LIMITED = _JUDGE.format(
    taken_of=", limit_ids, limit_starts, (quote ->> 'resale')::numeric AS resale",
    limits=", t.limit_ids, t.limit_starts, t.resale",
    unless="",
)

LIST_OF = """CASE {list} WHEN '[]' THEN '{{}}'
    ELSE ARRAY(SELECT jsonb_array_elements_text({list}::jsonb)) END"""
RESULT_IDS = LIST_OF.format(list="j.result_ids")
RESULT_URLS = LIST_OF.format(list="j.result_urls")

NAME_KNOWN = """
    UPDATE tasks t
    SET kling_id = coalesce(t.kling_id, j.kling_id),
        kling_request_id = coalesce(t.kling_request_id, j.kling_request_id),
        -- Kling works on what we gave up: its end must be learned, with or without a callback.
        is_flagged = t.is_flagged OR j.is_back OR j.contradicts,
        -- Its last word about what the operator ended is heard once, and not stored over it.
        is_reply_full = t.is_reply_full OR j.contradicts,
        next_look_at = CASE WHEN j.contradicts THEN NULL
                            WHEN j.is_hint THEN least(t.next_look_at, now())
                            WHEN j.is_back THEN coalesce(t.next_look_at, now())
                            ELSE t.next_look_at END,
        look_lease = CASE WHEN j.contradicts THEN NULL ELSE t.look_lease END
    FROM judged j
    WHERE t.id = j.id AND NOT j.moves AND NOT j.fills
        AND (t.kling_id IS NULL AND j.kling_id IS NOT NULL
             OR t.kling_request_id IS NULL AND j.kling_request_id IS NOT NULL
             OR j.is_back AND t.next_look_at IS NULL
             OR j.is_hint OR j.contradicts)
"""
"""A callback may come before the create's reply is recorded: then only the id is missing."""

SUPERSEDE = """
    UPDATE deliveries
    SET state = 'superseded', lease = NULL, ended_at = now()
    WHERE task_id = ANY (ARRAY(
            SELECT id FROM judged
            WHERE (moves OR brings_result)
                AND callback_url IS NOT NULL AND delivery_body IS NOT NULL
        ))
        AND state = 'due' AND (lease IS NULL OR next_attempt_at <= now())
"""
"""A newer status replaces what has not arrived; what is just being sent ends by itself."""

DELIVER = """
    INSERT INTO deliveries (task_id, tenant_id, url, task_status, body)
    SELECT id, tenant_id, callback_url, state, delivery_body
    FROM judged
    WHERE (moves OR brings_result) AND callback_url IS NOT NULL AND delivery_body IS NOT NULL
"""
"""One for each status, and one more with the result of what the operator had settled before."""

LEARN_MADE = LEARN.format(source="judged", condition="s.made <> '[]' AND (s.moves OR s.fills)")

NOTE = """
    INSERT INTO task_events (task_id, kind, detail, actor, body)
    SELECT id, event, state || CASE WHEN moves THEN '' ELSE ', changes nothing' END, actor,
           event_body
    FROM judged
    WHERE event IS NOT NULL AND (moves OR fills OR contradicts OR event = 'callback')
"""
"""The raw reply or callback is kept with what it did."""

FOLLOW = """
    INSERT INTO outbox (task_id, follower, state)
    SELECT j.id, f.follower, j.state
    FROM judged j JOIN tasks t USING (id) CROSS JOIN LATERAL unnest(t.follows) AS f (follower)
    WHERE j.moves OR j.fills
"""
"""One row per follower of what moved.

`follows` never changes, so any snapshot has it. The task's lock is held before an id is drawn, so
that the ids of one task's moves grow in the order of the moves.
"""
