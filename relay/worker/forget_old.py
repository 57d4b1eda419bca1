"""What is forgotten by age: deliveries, events, owners, sealed URLs, callers' addresses, logins.

Old rows come first in the order of ids, so that deliveries and events need no index of their own
for it: a page of the oldest is looked at, and the pass ends at the first with nothing to forget.
Entries and tasks are the books, and stay.
"""

import msgspec
from sqlalchemy import text

from relay.database.engine import Sessions
from relay.runs.retention import FORGET
from relay.settings import Settings

AT_ONCE = 1000

DELIVERIES = """
WITH old AS (
    SELECT id FROM (SELECT id, ended_at FROM deliveries ORDER BY id LIMIT :at_once) oldest
    WHERE ended_at < now() - :days * interval '1 day'
),
attempts AS (DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM old))
DELETE FROM deliveries WHERE id IN (SELECT id FROM old)
"""

EVENTS = """
DELETE FROM task_events WHERE id IN (
    SELECT id FROM (SELECT id, created_at FROM task_events ORDER BY id LIMIT :at_once) oldest
    WHERE created_at < now() - :days * interval '1 day'
)
"""
"""Those with a body went before, after a time of their own (`chores.forget_raw`)."""

CHANNEL_EVENTS = """
DELETE FROM channel_events WHERE id IN (
    SELECT id FROM (SELECT id, created_at FROM channel_events ORDER BY id LIMIT :at_once) oldest
    WHERE created_at < now() - :days * interval '1 day'
)
"""

RUN_EVENTS = """
DELETE FROM run_events WHERE id IN (
    SELECT id FROM run_events WHERE created_at < now() - :days * interval '1 day'
    ORDER BY created_at LIMIT :at_once
)
"""
"""Who comes back to a stream with an id of then is told that it begins anew (`runs/feed.py`)."""

OWNERS = """
DELETE FROM owners WHERE id IN (
    SELECT id FROM owners WHERE expires_at < now() - :days * interval '1 day' LIMIT :at_once
)
"""
"""What Kling forgot long before. Elements and voices do not expire; deleted ones must be known."""

URLS_OF_TASKS = """
UPDATE tasks SET callback_url = split_part(callback_url, ' ', 1) WHERE id IN (
    SELECT t.id FROM tasks t
    WHERE t.callback_url LIKE '% %' AND t.hold_ended_at < now() - :days * interval '1 day'
        AND NOT EXISTS (
            SELECT 1 FROM deliveries d WHERE d.task_id = t.id
                AND (d.ended_at IS NULL OR d.ended_at > now() - :days * interval '1 day')
        )
    LIMIT :at_once
)
"""
"""Leave of a sealed URL what is no credential (`deliveries/kept_url.py`), long after its use."""

URLS_OF_DELIVERIES = """
UPDATE deliveries SET url = split_part(url, ' ', 1) WHERE id IN (
    SELECT d.id FROM deliveries d JOIN tasks t ON t.id = d.task_id
    WHERE d.url LIKE '% %' AND d.ended_at < now() - :days * interval '1 day'
        AND t.callback_url NOT LIKE '% %'
    LIMIT :at_once
)
"""
"""Once its task's is: then the last delivery is that old."""

ADDRESSES = """
WITH page AS MATERIALIZED (
    SELECT id, created_at < now() - :days * interval '1 day' - interval '1 minute' AS is_old
    FROM tasks WHERE id > (SELECT up_to FROM addresses_forgotten) ORDER BY id LIMIT :at_once
),
reached AS (SELECT coalesce(min(id) FILTER (WHERE NOT is_old) - 1, max(id)) AS id FROM page),
locked AS MATERIALIZED (
    SELECT id FROM tasks
    WHERE id = ANY (ARRAY(SELECT page.id FROM page JOIN reached ON page.id <= reached.id))
        AND caller_address IS NOT NULL
    ORDER BY id FOR NO KEY UPDATE
),
blanked AS (UPDATE tasks t SET caller_address = NULL FROM locked WHERE t.id = locked.id)
UPDATE addresses_forgotten f SET up_to = reached.id FROM reached WHERE f.up_to < reached.id
"""
"""Blank a page of them, behind what was blanked before and up to the first that is too young.

The minute: ids are drawn before a create commits, so one may appear behind a later one.
"""


ANSWERS = """
DELETE FROM operator_answers WHERE id IN (
    SELECT id FROM (SELECT id, created_at FROM operator_answers ORDER BY id LIMIT :at_once) oldest
    WHERE created_at < now() - :days * interval '1 day'
)
"""
"""Of acts in the office, whose clients ask again no later than in a day."""


NOTICES = """
DELETE FROM notices WHERE id IN (
    SELECT id FROM (SELECT id, ended_at, created_at FROM notices ORDER BY id LIMIT :at_once) oldest
    WHERE ended_at < now() - :days * interval '1 day'
)
"""
"""Then what is still so would be told again: the total of a limit, once a year."""
NOTICES_DAYS = 400

SESSIONS = """
DELETE FROM web_sessions WHERE id IN (
    SELECT id FROM web_sessions
    WHERE coalesce(ended_at, seen_at) < now() - :days * interval '1 day' LIMIT :at_once
)
"""
"""Of browsers. One that nobody used for a week is over; who opened it stands in `changes`."""
LINKS = """
DELETE FROM login_links WHERE id IN (
    SELECT id FROM login_links WHERE created_at < now() - :days * interval '1 day' LIMIT :at_once
)
"""
PORTAL_SESSIONS, PORTAL_LINKS = (
    SESSIONS.replace("web_sessions", "portal_sessions"),
    LINKS.replace("login_links", "portal_links"),
)
SESSIONS_DAYS = 7


ASSET_DAYS = """
DELETE FROM asset_days WHERE (tenant_id, day) IN (
    SELECT d.tenant_id, d.day FROM asset_days d
    WHERE d.day < (now() - :days * interval '1 day')::date AND (
        coalesce(d.gb_month_micros, 0) = 0
        OR EXISTS (
            SELECT FROM storage_charges c
            WHERE c.tenant_id = d.tenant_id AND c.month = to_char(d.day, 'YYYY-MM')
        )
    )
    ORDER BY d.day LIMIT :at_once
)
"""
"""Of files that tenants kept, a year and a month after: a statement has what was charged of its own
row. What had a price and was not charged stays."""
ASSET_DAYS_DAYS = 400


class Ages(msgspec.Struct, frozen=True):
    """How long each is kept, in days."""

    deliveries_days: int
    events_days: int
    owners_days: int
    """After they expired."""
    callback_urls_days: int
    addresses_days: int
    inputs_days: int
    """Of runs, where their tenant has them kept for as long."""

    @classmethod
    def of(cls, settings: Settings) -> "Ages":
        return cls(
            deliveries_days=settings.keep_deliveries_days,
            events_days=settings.keep_events_days,
            owners_days=settings.keep_owners_days,
            callback_urls_days=settings.keep_callback_urls_days,
            addresses_days=settings.keep_addresses_days,
            inputs_days=settings.studio_days,
        )


async def forget_old(sessions: Sessions, ages: Ages) -> None:
    """Forget what is older, a thousand to a transaction."""
    for statement, days in (
        (DELIVERIES, ages.deliveries_days),
        (EVENTS, ages.events_days),
        (CHANNEL_EVENTS, ages.events_days),
        (RUN_EVENTS, ages.events_days),
        (OWNERS, ages.owners_days),
        (URLS_OF_TASKS, ages.callback_urls_days),
        (URLS_OF_DELIVERIES, ages.callback_urls_days),
        (ADDRESSES, ages.addresses_days),
        (FORGET, ages.inputs_days),
        (ANSWERS, 1),
        (NOTICES, NOTICES_DAYS),
        (SESSIONS, SESSIONS_DAYS),
        (LINKS, 1),
        (PORTAL_SESSIONS, SESSIONS_DAYS),
        (PORTAL_LINKS, 1),
        (ASSET_DAYS, ASSET_DAYS_DAYS),
    ):
        forgotten = 1
        while forgotten:
            async with sessions.begin() as session:
                result = await session.execute(text(statement), {"days": days, "at_once": AT_ONCE})
            forgotten = result.rowcount  # type: ignore[attr-defined]  # a CursorResult
