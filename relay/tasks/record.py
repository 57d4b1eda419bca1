"""RECORD: FINISH for what leaves a task alive, without the parts that end one.

Every submit passes here. Postgres sets up each part of a statement also when no row is for it: with
the money, a record of one row costs it a quarter more, and in a batch of 32 still a tenth.
"""

from relay.tasks.told import (
    DELIVER,
    FOLLOW,
    JUDGE_TOLD,
    LEARN_MADE,
    NAME_KNOWN,
    NOTE,
    RESULT_IDS,
    RESULT_URLS,
    SUPERSEDE,
)


def _record(follow: str = "") -> str:
    """Spell it; `follow` is one more part, which must not be able to fail."""
    return f"""
WITH {JUDGE_TOLD},
moved AS (
    -- Whatever is told of a hold stays as it is: constraints refuse an end that comes this way.
    UPDATE tasks t
    SET state = j.state,
        kling_id = coalesce(t.kling_id, j.kling_id),
        kling_request_id = coalesce(t.kling_request_id, j.kling_request_id),
        reply = coalesce(j.reply, t.reply),
        kling_created_at = coalesce(j.kling_created_at, t.kling_created_at),
        is_reply_full = j.is_reply_full,
        result_ids = {RESULT_IDS},
        result_urls = {RESULT_URLS},
        deduction = coalesce(j.deduction, t.deduction),
        submitted_at = CASE WHEN j.state = 'unknown' THEN t.submitted_at
                       ELSE coalesce(t.submitted_at, now()) END,
        refresh_at = now(),
        next_look_at = now() + j.next_look_s * interval '1 second',
        look_attempts = 0,
        look_lease = NULL
    FROM judged j
    WHERE t.id = j.id AND j.moves
),
named AS ({NAME_KNOWN}),
superseded AS ({SUPERSEDE}),
learned AS ({LEARN_MADE}),
delivered AS ({DELIVER}),
noted AS ({NOTE}){follow}
SELECT ord, moves, fills, corrects, old_state, tenant_id, charged_before, has_cost,
    NULL::bigint AS charged_micros
FROM judged
"""  # noqa: S608 (composed of constants)


RECORD = _record()
"""Move a live task to what we learned, once; its rows are those of FINISH, for live states only.

Judges as FINISH does, so either may be told the same: what is alive moves only a live task, and a
live task's hold, charge and end are all still open. A task that is gone returns no record.
"""

RECORD_FOLLOWED = _record(f""",
followed AS ({FOLLOW})""")
"""RECORD for tasks that are followed."""
