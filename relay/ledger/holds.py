"""SQL that takes holds and ends them, over arrays; `tasks/statements.py` composes it.

Each constant is the body of a common table expression, with the names of those it reads as
arguments. All of them run in one statement, so Postgres gives every part the same snapshot, and the
locked rows are re-read at their newest version: sums are judged as they are now, not as they were
when the statement began.

Order of locks everywhere: task rows by id, then accounts by id.
"""

LOCK_ACCOUNTS = """
    SELECT id AS account_id, quota_micros + credit_micros - held_micros AS available_micros,
           tasks_max - open_holds AS tasks_left,
           coalesce(unheard_until > now(), false) AS has_unheard,
           quota_micros, greatest(now(), closed_until, last_entry_at) AS entry_at,
           limits_set
    FROM accounts
    WHERE id = ANY (ARRAY(SELECT account_id FROM {source}))
    ORDER BY id
    FOR NO KEY UPDATE
"""
"""Lock the accounts that `source` names. NO KEY, so that foreign keys to them do not wait.

`entry_at`: what entries written under this lock are stamped with. `now()` alone is when a
transaction began, which may be before that of an entry it waited for, or in a month that was
closed meanwhile.
"""

JUDGE_HOLDS = """
    SELECT r.*, a.available_micros, a.tasks_left, a.has_unheard, a.limits_set,
           r.hold_micros <= a.available_micros AS has_quota,
           a.tasks_left IS NULL OR a.tasks_left > 0 AS has_tasks_left,
           sum(r.hold_micros) FILTER (WHERE r.hold_micros <= a.available_micros) OVER earlier
               <= a.available_micros
           AND (a.tasks_left IS NULL OR
               count(*) FILTER (WHERE r.hold_micros <= a.available_micros) OVER earlier
                   <= a.tasks_left)
           AS fits_with_others
    FROM {requested} r JOIN {accounts} a USING (account_id)
    WINDOW earlier AS (PARTITION BY r.account_id ORDER BY r.ord)
"""
"""Judge requests of one account in the order they came, each after the ones before it.

A request that would fit alone and not after the others is neither taken nor refused: the others may
yet turn out to be duplicates, so it is judged again in the next statement.
"""

TAKE_HOLDS = """
    UPDATE accounts a
    SET held_micros = a.held_micros + taken.micros, open_holds = a.open_holds + taken.holds
    FROM (
        SELECT account_id, sum(hold_micros)::bigint AS micros, count(*)::integer AS holds
        FROM {inserted} GROUP BY account_id
    ) taken
    WHERE a.id = taken.account_id
"""
"""Add the holds of the rows that were really inserted to their accounts."""

END_HOLDS = """
    UPDATE accounts a
    SET quota_micros = a.quota_micros - ended.charged,
        held_micros = a.held_micros - ended.held,
        open_holds = a.open_holds - ended.holds,
        last_entry_at = coalesce(ended.entry_at, a.last_entry_at)
    FROM (
        SELECT e.account_id,
               sum(coalesce(e.charged_micros, 0) - e.charged_before)::bigint AS charged,
               coalesce(sum(e.hold_micros) FILTER (WHERE e.is_open), 0)::bigint AS held,
               (count(*) FILTER (WHERE e.is_open))::integer AS holds,
               max(entry_at) FILTER (WHERE e.charged_micros IS NOT NULL OR e.corrects) AS entry_at
        FROM {ended} e JOIN {accounts} USING (account_id) GROUP BY e.account_id
    ) ended
    WHERE a.id = ended.account_id
"""
"""Charge what ended in success and give the holds back; a hold that was closed counts no more.

Of what was charged before, the difference.

Reads the locked accounts, so that no account is written before it is locked in order.
"""

NOTE_UNHEARD = """
    UPDATE accounts a
    SET unheard_until = greatest(a.unheard_until, unheard.until)
    FROM (
        SELECT m.account_id, max(m.unheard_until) AS until
        FROM {marked} m JOIN {accounts} USING (account_id) GROUP BY m.account_id
    ) unheard
    WHERE a.id = unheard.account_id
"""
"""Note until when a submit of these accounts may be the retry of one whose answer nobody heard.

HOLD has the account's row anyway, so that all others need not be looked for.
"""
