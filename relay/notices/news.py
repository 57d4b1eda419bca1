"""What is so and was not told yet: quota that runs out, limits that are near, keys that end.

Asked of the database now and then, never by what holds or charges. Whoever asks is alone (`look`),
and what was told stands in `notices`: a place's rows are what it knows.
"""

from collections.abc import Iterable
from datetime import datetime, tzinfo
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.limits.tables import IN_MICROS, LimitKind
from relay.moments import ms_of
from relay.money import decimal_of
from relay.notices.events import Event
from relay.notices.tables import NoticeState
from relay.notices.tell import FIRST, News

STEPS = (50, 80, 100)
"""Percent of a limit."""
DAYS = (7, 1)
"""Before a key ends."""

# The newest rows of all, by their key: an index of its own would cost each submit.
QUOTA = f"""
WITH lately AS MATERIALIZED (
    SELECT account_id, charged_micros, created_at FROM tasks ORDER BY id DESC LIMIT 20000
),
-- Where more than those were made in a day, the rest of it was as they are.
seen AS (
    SELECT CASE WHEN count(*) < 20000 THEN 1 ELSE
        least(1, greatest(extract(epoch FROM now() - min(created_at)), 60) / 86400)
    END AS days FROM lately
),
spent AS (
    SELECT account_id, (sum(charged_micros) / min(days))::bigint AS last_day
    FROM lately CROSS JOIN seen
    WHERE charged_micros > 0 AND created_at > now() - interval '1 day'
    GROUP BY account_id
),
standing AS (
    SELECT p.id AS place_id, p.events, a.id AS account_id, a.credit_micros AS credit,
        a.quota_micros + a.credit_micros - a.held_micros AS left,
        coalesce(p.low_micros, s.last_day) AS bound, s.last_day
    FROM notice_places p
    JOIN tenants t ON t.id = p.tenant_id AND t.enabled
    JOIN accounts a ON a.id = t.account_id
    LEFT JOIN spent s ON s.account_id = a.id
    WHERE (CAST(:place_id AS bigint) IS NULL OR p.id = :place_id) AND t.id = ({FIRST})
)
SELECT s.place_id, e.event, s.left, s.bound, s.last_day, s.credit,
    (SELECT coalesce(max(id), 0) FROM entries WHERE account_id = s.account_id) AS entry_id
FROM standing s
CROSS JOIN LATERAL (VALUES ('quota.empty', 1::bigint), ('quota.low', s.bound)) e (event, whole)
LEFT JOIN LATERAL (
    SELECT split_part(n.key, '/', 1)::bigint AS entry_id,
        split_part(n.key, '/', 2)::bigint AS credit
    FROM notices n
    WHERE n.place_id = s.place_id AND n.event = e.event ORDER BY n.id DESC LIMIT 1
) told ON true
WHERE s.left < e.whole AND (s.events IS NULL OR e.event = ANY (s.events))
    -- Once, and again only after somebody has made it whole: what a charge or a hold gives back
    -- goes up and down around any bound.
    AND (told.entry_id IS NULL OR told.credit < s.credit OR EXISTS (
        SELECT FROM entries m
        WHERE m.account_id = s.account_id AND m.id > told.entry_id
            AND m.kind NOT IN ('charge', 'refund', 'correction')
            AND m.quota_after_micros + s.credit >= e.whole
    ))
ORDER BY s.place_id, e.event
"""  # noqa: S608 (composed of constants)
"""By place the graver one first. `entry_id`: the newest entry, up to which it is told.

What can be spent is what submits may: quota and credit, but for what is held.
"""

LIMITS = """
SELECT p.id AS place_id, l.id AS limit_id, l.kind, l.token_id, k.name AS token_name, l.taken,
    a.allowed, l.until_at, step, f.key
FROM notice_places p
JOIN tenants t ON t.id = p.tenant_id AND t.enabled
JOIN limits l ON l.tenant_id = p.tenant_id AND l.kind NOT IN ('task', 'rate')
LEFT JOIN tokens k ON k.id = l.token_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN l.raised_until > now() THEN greatest(l.raised, l.allowed) ELSE l.allowed END
        AS allowed
) a
CROSS JOIN unnest(CAST(:steps AS bigint[])) step
CROSS JOIN LATERAL (
    -- What runs has no window: it is told once a day.
    SELECT format('%s/%s/%s', l.id, CASE
        WHEN l.kind = 'in_flight' THEN :today ELSE extract(epoch FROM l.start_at)::bigint::text
    END, step) AS key
) f
WHERE (CAST(:place_id AS bigint) IS NULL OR p.id = :place_id)
    AND (p.events IS NULL OR 'limit.near' = ANY (p.events))
    AND (l.until_at IS NULL OR l.until_at > now()) AND k.revoked_at IS NULL
    AND a.allowed > 0 AND l.taken::numeric * 100 >= a.allowed::numeric * step
    AND NOT EXISTS (
        SELECT FROM notices n
        WHERE n.place_id = p.id AND n.event = 'limit.near' AND n.key = f.key
    )
ORDER BY p.id, l.id, step DESC
"""

ENDING = """
SELECT p.id AS place_id, w.*, d.days, f.key
FROM notice_places p
CROSS JOIN LATERAL (
    SELECT k.id AS token_id, k.name AS token_name, coalesce(k.access_key, k.api_key_hint) AS hint,
        k.created_at, k.expires_at
    FROM tokens k WHERE k.tenant_id = p.tenant_id AND k.revoked_at IS NULL
    UNION ALL
    SELECT NULL, NULL, NULL, t.created_at, t.expires_at FROM tenants t WHERE t.id = p.tenant_id
) w
CROSS JOIN unnest(CAST(:days AS bigint[])) AS d (days)
CROSS JOIN LATERAL (
    SELECT format('%s/%s/%s', w.token_id, extract(epoch FROM w.expires_at)::bigint, d.days) AS key
) f
WHERE (p.events IS NULL OR 'token.expiring' = ANY (p.events))
    AND w.expires_at > now() AND w.expires_at <= now() + d.days * interval '1 day'
    -- What was made for less than that is no news.
    AND w.created_at <= w.expires_at - d.days * interval '1 day'
    AND NOT EXISTS (
        SELECT FROM notices n
        WHERE n.place_id = p.id AND n.event = 'token.expiring' AND n.key = f.key
    )
ORDER BY p.id, w.token_id, d.days
"""


async def find_news(session: AsyncSession, *, zone: tzinfo) -> list[News]:
    """Find what is so by now and was not told to a place that wants to know."""
    return [
        *await find_standing(session, zone=zone),
        *_gravest(await _rows(session, ENDING, days=list(DAYS)), "token_id", _ending),
    ]


async def find_standing(
    session: AsyncSession, *, zone: tzinfo, place_id: int | None = None
) -> list[News]:
    """Find what has come about: of one place, or of all."""
    now = await session.scalar(text("SELECT now()"))
    assert isinstance(now, datetime), "it has a clock"
    today = now.astimezone(zone).date().isoformat()
    of_quota = await _rows(session, QUOTA, place_id=place_id)
    of_limits = await _rows(session, LIMITS, place_id=place_id, steps=list(STEPS), today=today)
    return [
        *_gravest(of_quota, "entry_id", _quota),
        *_gravest(of_limits, "limit_id", _limit),
    ]


async def _rows(session: AsyncSession, query: str, **values: Any) -> list[RowMapping]:
    return list((await session.execute(text(query), values)).mappings())


def _gravest(rows: Iterable[RowMapping], about: str, read: Any) -> list[News]:
    """Of each thing the first is told: the others say less, and would come at the same moment."""
    news: list[News] = []
    for _, its in groupby(rows, key=itemgetter("place_id", about)):
        first, *others = map(read, its)
        news.append(first)
        news.extend(one._replace(state=NoticeState.KNOWN) for one in others)
    return news


def _quota(row: RowMapping) -> News:
    data: dict[str, Any] = {"left": decimal_of(row["left"])}
    if row["event"] == Event.QUOTA_LOW:
        data["bound"] = decimal_of(row["bound"])
    data["last_day"] = decimal_of(row["last_day"] or 0)
    key = f"{row['entry_id']}/{row['credit']}"
    return News(row["place_id"], Event(row["event"]), key, data)


def _limit(row: RowMapping) -> News:
    spelt = decimal_of if row["kind"] in IN_MICROS else int
    data = {
        "token_id": row["token_id"],
        "token_name": row["token_name"],
        "limit": LimitKind(row["kind"]).value,
        "percent": row["step"],
        "allowed": spelt(row["allowed"]),
        "taken": spelt(row["taken"]),
        "begins_anew_at": None if row["until_at"] is None else ms_of(row["until_at"]),
    }
    return News(row["place_id"], Event.LIMIT_NEAR, row["key"], data)


def _ending(row: RowMapping) -> News:
    data = {
        "token_id": row["token_id"],
        "token_name": row["token_name"],
        "token_hint": row["hint"],
        "expires_at": ms_of(row["expires_at"]),
        "days": row["days"],
    }
    return News(row["place_id"], Event.TOKEN_EXPIRING, row["key"], data)
