"""SQL that counts what is taken of limits, over arrays; `tasks/` composes it.

Each constant but ROLL is the body of a common table expression, with the names of those it reads as
arguments. Locks: task rows by id, then accounts by id, then limits by id. A limit that is counted
without being locked lets all through that read it at once.
"""

from datetime import datetime
from typing import NamedTuple

from relay.database.rows import unnest
from relay.money import RESOLD

ONE_CREATE = 1_000_000
"""Of a rate's count: it runs off by as many a second as are allowed, and a microsecond has a whole
number of them."""

_LOCK = f"""
    SELECT id AS limit_id, tenant_id, token_id, kind, start_at, until_at,
           CASE WHEN raised_until > now() THEN greatest(raised, allowed) ELSE allowed END
               * CASE kind WHEN 'rate' THEN {ONE_CREATE} ELSE 1 END AS allowed,
           CASE kind
               WHEN 'task' THEN 0
               -- What is counted runs off within a second.
               WHEN 'rate' THEN greatest(0, taken - allowed * least(
                   {ONE_CREATE},
                   greatest(0, (extract(epoch FROM now() - start_at) * {ONE_CREATE})::bigint)
               ))
               ELSE taken
           END AS taken,
           coalesce(until_at <= now(), false) AS is_over
    FROM limits
    WHERE id = ANY (ARRAY(
            SELECT l.id FROM {{source}} r JOIN limits l ON l.tenant_id = r.tenant_id
            WHERE l.token_id IS NULL OR l.token_id = r.token_id{{and_of}}
        ))
        AND (SELECT count(*) FROM {{accounts}}) >= 0
    ORDER BY id
    FOR NO KEY UPDATE
"""  # noqa: S608 (composed of constants)
LOCK_LIMITS = _LOCK.replace("{and_of}", "")
"""Lock the limits that requests are under, after their accounts, and read them as they are then."""

LOCK_LIMITS_RESOLD = _LOCK.replace(
    "{and_of}",
    """
            UNION ALL
            SELECT l.id FROM {source} r JOIN limits l ON l.tenant_id = r.parent_id
            WHERE l.token_id IS NULL""",
)
"""Those of sub-tenants, with those of their parents."""

_APPLY = f"""
    SELECT r.ord, l.*,
           CASE l.kind WHEN 'in_flight' THEN 1 WHEN 'rate' THEN {ONE_CREATE} ELSE {{micros}} END
               AS takes,
           -- What costs nothing passes where more was taken than is allowed.
           greatest(0, l.allowed - l.taken) AS room
    FROM {{requested}} r JOIN {{limits}} l
        ON l.tenant_id = r.tenant_id AND (l.token_id IS NULL OR l.token_id = r.token_id){{or_of}}
"""  # noqa: S608 (composed of constants)
APPLY_LIMITS = _APPLY.replace("{micros}", "r.hold_micros").replace("{or_of}", "")
"""Say what each request takes of each limit that it is under."""

APPLY_LIMITS_RESOLD = _APPLY.replace(
    "{micros}",
    "CASE WHEN l.tenant_id = r.tenant_id THEN r.resold_micros ELSE r.hold_micros END",
).replace(
    "{or_of}",
    """
        OR l.tenant_id = r.parent_id AND l.token_id IS NULL""",
)
"""The same of sub-tenants: of their own limits what it costs them, of their parents' what those
pay."""

JUDGE_LIMITS = """
    SELECT ord,
           array_agg(limit_id) FILTER (WHERE is_kept) AS limit_ids,
           array_agg(start_at) FILTER (WHERE is_kept) AS limit_starts,
           array_agg(limit_id) FILTER (WHERE is_over) AS over_ids,
           array_agg(kind) FILTER (WHERE is_over) AS over_kinds,
           bool_and(takes <= room) AS is_within,
           bool_and(is_within_with_others) AS is_within_with_others,
           -- Of several the one that is there longest.
           (array_agg(limit_id ORDER BY array_position(
               ARRAY['task', 'total', 'month', 'week', 'day', 'in_flight', 'rate'], kind
           ), limit_id) FILTER (WHERE takes > room))[1] AS broken_id
    FROM (
        SELECT *, kind NOT IN ('task', 'rate') AS is_kept,
               kind = 'task' OR sum(takes) FILTER (WHERE takes <= room) OVER (
                   PARTITION BY limit_id ORDER BY ord
               ) <= room AS is_within_with_others
        FROM {applied}
    ) one
    GROUP BY ord
"""
"""Judge each request under all of its limits, after the ones before it; see JUDGE_HOLDS."""

TAKE_OF_LIMITS = """
    UPDATE limits l
    SET taken = CASE l.kind WHEN 'rate' THEN t.taken ELSE l.taken END + t.takes,
        start_at = CASE l.kind WHEN 'rate' THEN greatest(l.start_at, now()) ELSE l.start_at END
    FROM (
        SELECT a.limit_id, sum(a.takes)::bigint AS takes, min(a.taken) AS taken
        FROM {inserted} i JOIN {judged} j USING (id) JOIN {applied} a ON a.ord = j.ord
        WHERE a.kind <> 'task'
        GROUP BY a.limit_id
    ) t
    WHERE l.id = t.limit_id
"""
"""Add what was taken by the rows that were really inserted."""

LOCK_LIMITS_OF_ENDED = """
    SELECT id AS limit_id, tenant_id, kind, start_at FROM limits
    WHERE id = ANY (ARRAY(SELECT unnest(limit_ids) FROM {ended}))
        AND (SELECT count(*) FROM {accounts}) >= 0
    ORDER BY id
    FOR NO KEY UPDATE
"""
GIVE_BACK_TO_LIMITS = """
    UPDATE limits l
    SET taken = l.taken + moved.by
    FROM (
        SELECT k.limit_id, sum(CASE
                   WHEN k.kind = 'in_flight' THEN CASE WHEN e.is_open THEN -1 ELSE 0 END
                   WHEN e.resale IS NULL OR k.tenant_id <> e.tenant_id THEN e.after - e.before
                   ELSE round(e.after * e.resale) - round(e.before * e.resale)
               END)::bigint AS by
        FROM (
            SELECT tenant_id, resale, limit_ids, limit_starts, is_open,
                   coalesce(charged_micros, 0) AS after,
                   CASE WHEN is_open THEN hold_micros ELSE charged_before END AS before
            FROM {ended}
        ) e CROSS JOIN LATERAL unnest(e.limit_ids, e.limit_starts) AS t (id, start_at)
        -- What it took of a window that is over, it gives to none.
        JOIN {limits} k ON k.limit_id = t.id AND k.start_at = t.start_at
        GROUP BY k.limit_id
    ) moved
    WHERE l.id = moved.limit_id
"""
"""Count what ended tasks cost in place of what they held; of what was charged before, the
difference. A limit may be passed by that: only creates are refused.

Of a sub-tenant's own limits, what it costs that one."""

GIVE_BACK_REFUND = f"""
UPDATE limits l
SET taken = l.taken - locked.micros
FROM (
    SELECT k.id, CASE WHEN k.tenant_id = t.tenant_id
               THEN {RESOLD.format(micros="t.kept + :amount_micros", task="t")}
                   - {RESOLD.format(micros="t.kept", task="t")}
               ELSE :amount_micros END AS micros
    FROM limits k JOIN (
        SELECT unnest(limit_ids) AS id, unnest(limit_starts) AS start_at, tenant_id, quote,
               charged_micros - refunded_micros AS kept
        FROM tasks WHERE id = :task_id
    ) t USING (id, start_at)
    WHERE k.kind <> 'in_flight'
    ORDER BY k.id
    FOR NO KEY UPDATE OF k
) locked
WHERE l.id = locked.id
"""  # noqa: S608 (composed of constants)
"""Take a refund off what its task counts for, which says already that it was given back; its
account is locked."""


class RollRow(NamedTuple):
    """One call of ROLL."""

    id: int
    start_at: datetime
    until_at: datetime


ROLL = f"""
WITH told AS MATERIALIZED (SELECT * FROM {unnest(RollRow)}),
locked AS MATERIALIZED (
    SELECT id FROM limits
    WHERE id = ANY (ARRAY(SELECT id FROM told)) AND until_at <= now()
    ORDER BY id
    FOR NO KEY UPDATE
),
window_of AS (SELECT id, max(start_at) AS start_at, max(until_at) AS until_at FROM told GROUP BY id)
UPDATE limits l
SET start_at = n.start_at, until_at = n.until_at, taken = 0, taken_before = 0
FROM window_of n JOIN locked USING (id)
WHERE l.id = n.id
RETURNING 0::bigint AS ord
"""  # noqa: S608 (composed of constants)
"""Begin the next window of limits whose own is over; what others have rolled over stays so."""
