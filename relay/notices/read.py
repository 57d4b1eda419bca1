"""Places and notices, as operators and tenants see them."""

from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.notices.events import Event
from relay.notices.tables import Lang, NoticeState, PlaceKind

NOTICES_MAX = 200
"""In one list."""


class ListedPlace(msgspec.Struct, frozen=True):
    """One place; the rest of its address is a secret."""

    id: int
    tenant: str
    kind: PlaceKind
    shown: str
    lang: Lang
    events: list[Event] | None
    """None is all."""
    low_micros: int | None
    """With less left, quota is low; None is what the last 24 hours cost."""
    made_by_id: int | None
    """The tenant's key that added it, and with which it ends; None is an operator."""
    created_at: datetime
    sent_at: datetime | None
    """When a notice last arrived."""
    due: int
    """Notices that are still to be sent."""
    dead: int
    """Those that were given up."""
    error: str | None
    """Why the newest one that was tried has not arrived."""


class ListedNotice(msgspec.Struct, frozen=True):
    """One thing that a place is told."""

    id: int
    webhook_id: str
    tenant: str
    place_id: int
    event: Event
    state: NoticeState
    attempts: int
    created_at: datetime
    ended_at: datetime | None
    error: str | None


_PLACES = """
SELECT p.id, t.name AS tenant, p.kind, p.shown, p.lang, p.events, p.low_micros,
    p.made_by_id, p.created_at,
    s.sent_at, s.due, s.dead, (
        SELECT n.error FROM notices n WHERE n.place_id = p.id AND n.attempts > 0
        ORDER BY n.id DESC LIMIT 1
    ) AS error
FROM notice_places p JOIN tenants t ON t.id = p.tenant_id
CROSS JOIN LATERAL (
    SELECT max(n.ended_at) FILTER (WHERE n.state = 'sent') AS sent_at,
        count(*) FILTER (WHERE n.state = 'due') AS due,
        count(*) FILTER (WHERE n.state = 'dead') AS dead
    FROM notices n WHERE n.place_id = p.id
) s
WHERE (CAST(:tenant_id AS bigint) IS NULL OR p.tenant_id = :tenant_id)
    AND (CAST(:place_id AS bigint) IS NULL OR p.id = :place_id)
    AND (CAST(:before_id AS bigint) IS NULL OR p.id < :before_id)
ORDER BY p.id DESC LIMIT :limit
"""
_NOTICES = """
SELECT n.id, n.webhook_id, t.name AS tenant, n.place_id, n.event, n.state, n.attempts,
    n.created_at, n.ended_at, n.error
FROM notice_places p JOIN tenants t ON t.id = p.tenant_id JOIN notices n ON n.place_id = p.id
WHERE n.state <> 'known' AND (CAST(:tenant_id AS bigint) IS NULL OR p.tenant_id = :tenant_id)
    AND (CAST(:notice_id AS bigint) IS NULL OR n.id = :notice_id)
    AND (CAST(:place_id AS bigint) IS NULL OR n.place_id = :place_id)
    AND (CAST(:event AS text) IS NULL OR n.event = :event)
    AND (CAST(:state AS text) IS NULL OR n.state = :state)
    AND (CAST(:before_id AS bigint) IS NULL OR n.id < :before_id)
ORDER BY n.id DESC LIMIT :limit
"""


async def list_places(
    session: AsyncSession,
    *,
    tenant_id: int | None = None,
    place_id: int | None = None,
    before_id: int | None = None,
    limit: int | None = None,
) -> list[ListedPlace]:
    """List the places of a tenant or of all, newest first, with what became of the notices."""
    values = {
        "tenant_id": tenant_id,
        "place_id": place_id,
        "before_id": before_id,
        "limit": limit,
    }
    rows = (await session.execute(text(_PLACES), values)).mappings()
    return [msgspec.convert(dict(row), ListedPlace, builtin_types=(datetime,)) for row in rows]


class NoticeFilter(msgspec.Struct, frozen=True):
    """Which notices a list has; what is None wants nothing."""

    tenant_id: int | None = None
    place_id: int | None = None
    notice_id: int | None = None
    event: Event | None = None
    state: NoticeState | None = None
    before_id: int | None = None
    """Of the last one on the page before."""


EVERY = NoticeFilter()


async def list_notices(
    session: AsyncSession, wanted: NoticeFilter = EVERY, *, limit: int = NOTICES_MAX
) -> list[ListedNotice]:
    """List what was told, or is to be, the newest first."""
    values = msgspec.structs.asdict(wanted) | {"limit": limit}
    rows = (await session.execute(text(_NOTICES), values)).mappings()
    return [msgspec.convert(dict(row), ListedNotice, builtin_types=(datetime,)) for row in rows]
