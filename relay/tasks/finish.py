"""FINISH: move a task to what we learned, with its money, its delivery and its events.

The only statement that ends a hold.
"""

from relay.ledger.entries import ENTER_CHARGES
from relay.ledger.holds import END_HOLDS, LOCK_ACCOUNTS
from relay.limits.statements import GIVE_BACK_TO_LIMITS, LOCK_LIMITS_OF_ENDED
from relay.tasks.told import (
    DELIVER,
    FOLLOW,
    JUDGE_LIMITED,
    JUDGE_UNLIMITED,
    LEARN_MADE,
    NAME_KNOWN,
    NOTE,
    RESULT_IDS,
    RESULT_URLS,
    SUPERSEDE,
)

_COSTS = ("cost_units", "cost_pack", "cost_cash", "cost_currency")
_COST_SET = f"({', '.join(_COSTS)})"


def _cost_of(*, first: str, then: str) -> str:
    """Spell the cost that one of two rows names, all its figures: Kling said them together.

    Of what is corrected, the new one's alone.
    """
    known = f"num_nonnulls({', '.join(f'{first}.{name}' for name in _COSTS)}) > 0"
    return ", ".join(
        f"CASE WHEN j.corrects THEN j.{name} WHEN {known} THEN {first}.{name}"
        f" ELSE {then}.{name} END"
        for name in _COSTS
    )


_FOLLOWED = f""",
followed AS ({FOLLOW})"""
_LIMITED = f""",
limits_locked AS MATERIALIZED ({
    LOCK_LIMITS_OF_ENDED.format(ended="ended", accounts="accounts_locked")
}),
given_back AS ({GIVE_BACK_TO_LIMITS.format(ended="ended", limits="limits_locked")})"""


def _finish(more: str = "", *, limited: bool = False) -> str:
    """Spell it; `more` are further parts, which must not be able to fail."""
    return f"""
WITH {JUDGE_LIMITED if limited else JUDGE_UNLIMITED},
ended AS MATERIALIZED (
    SELECT id, account_id, hold_micros, is_open, actor, corrects,
           {"tenant_id, resale, limit_ids, limit_starts," if limited else ""}
           CASE WHEN corrects THEN charged_before ELSE 0 END AS charged_before,
           CASE WHEN state = 'succeed' THEN least(charge_micros, hold_micros) END AS charged_micros
    FROM judged
    WHERE moves AND is_end OR corrects
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
        kling_created_at = coalesce(j.kling_created_at, t.kling_created_at),
        is_reply_full = j.is_reply_full,
        -- Of a success that is the operator's word, what the tenant is told of it.
        fail_message = CASE WHEN j.state IN ('failed', 'refused') OR j.is_end AND j.via = 'operator'
                       THEN j.fail_message END,
        result_ids = {RESULT_IDS},
        result_urls = {RESULT_URLS},
        deduction = CASE WHEN j.corrects THEN j.deduction
                    ELSE coalesce(j.deduction, t.deduction) END,
        {_COST_SET} = ({_cost_of(first="j", then="t")}),
        submitted_at = CASE WHEN j.state IN ('unknown', 'refused') OR j.via = 'queue'
                       THEN t.submitted_at
                       ELSE coalesce(t.submitted_at, now()) END,
        hold_ended_at = CASE WHEN j.is_end THEN coalesce(t.hold_ended_at, now()) END,
        charged_micros = (SELECT e.charged_micros FROM ended e WHERE e.id = t.id),
        corrected_micros = CASE WHEN j.corrects THEN j.charged_before END,
        ended_at = CASE WHEN j.is_end THEN now() END,
        ended_via = CASE WHEN j.is_end THEN j.via END,
        -- A refused task gave its external id back; once used again, it is gone for good.
        tenant_external_id = CASE WHEN t.state <> 'refused' OR NOT EXISTS (
            SELECT FROM tasks o
            WHERE o.tenant_id = t.tenant_id AND o.tenant_external_id = t.tenant_external_id
                AND o.state <> 'refused' AND o.id <> t.id
        ) THEN t.tenant_external_id END,
        -- So is its create's key.
        create_key = CASE WHEN t.state <> 'refused' THEN t.create_key END,
        refresh_at = now(),
        next_look_at = now() + j.next_look_s * interval '1 second',
        look_attempts = 0,
        look_lease = NULL,
        is_flagged = t.is_flagged OR j.is_late OR j.corrects
            OR (j.state = 'succeed' AND j.charge_micros > j.hold_micros)
    FROM judged j
    WHERE t.id = j.id AND j.moves AND (SELECT count(*) FROM accounts_locked) >= 0
),
filled AS (
    UPDATE tasks t
    SET kling_id = coalesce(t.kling_id, j.kling_id),
        kling_request_id = coalesce(t.kling_request_id, j.kling_request_id),
        reply = j.reply,
        kling_created_at = coalesce(j.kling_created_at, t.kling_created_at),
        is_reply_full = true,
        result_ids = {RESULT_IDS},
        result_urls = {RESULT_URLS},
        deduction = CASE WHEN j.corrects THEN j.deduction
                    ELSE coalesce(t.deduction, j.deduction) END,
        {_COST_SET} = ({_cost_of(first="t", then="j")}),
        charged_micros = CASE WHEN j.corrects THEN least(j.charge_micros, j.hold_micros)
                         ELSE t.charged_micros END,
        corrected_micros = CASE
            WHEN j.corrects THEN j.charged_before - least(j.charge_micros, j.hold_micros)
            ELSE t.corrected_micros END,
        is_flagged = t.is_flagged OR j.corrects OR j.contradicts,
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
           'cost ' || charge_micros || ' micros by Kling''s deduction, charged the hold', actor,
           NULL
    FROM judged
    WHERE (moves OR corrects) AND state = 'succeed' AND charge_micros > hold_micros
    UNION ALL
    SELECT id, 'task.succeeded_late', 'was ' || old_state || ' before', actor, NULL
    FROM judged
    WHERE moves AND is_late
    UNION ALL
    SELECT id, 'task.corrected',
           'a callback said succeed, charged ' || charged_before || ' micros; Kling''s own reply: '
               || state || CASE state WHEN 'succeed'
                   THEN ', ' || least(charge_micros, hold_micros) || ' micros' ELSE '' END,
           actor, NULL
    FROM judged
    WHERE corrects
    UNION ALL
    SELECT id, 'task.contradicted', CASE state
               WHEN 'succeed' THEN 'the operator charged ' || charged_before || ' micros, and by'
                   || ' Kling''s figures it were ' || charge_micros || ' micros'
               ELSE 'the operator settled it, and Kling says ' || state
                   || coalesce(': ' || nullif(fail_message, ''), '') END,
           actor, NULL
    FROM judged
    WHERE contradicts
){more}
SELECT j.ord, j.moves, j.fills, j.corrects, j.old_state, j.tenant_id, j.charged_before,
    j.has_cost, e.charged_micros
FROM judged j LEFT JOIN ended e USING (id)
"""  # noqa: S608 (composed of constants)


FINISH = _finish()
"""Move a task to what we learned, once, with its money, its delivery and its events.

What leaves a task alive is as well told to RECORD, at less cost.

The only statement that ends a hold. What does not move the task changes nothing, however often it
is told. A task that is gone returns no record, and none that took of limits.
"""

FINISH_FOLLOWED = _finish(_FOLLOWED)
"""FINISH for tasks that are followed; all others pay nothing for it."""

FINISH_LIMITED = _finish(_FOLLOWED + _LIMITED, limited=True)
"""FINISH for tasks that took of limits, followed or not; for any other it does as well."""
