"""Deliveries as the operator and the tenant look at them, and the replay of one."""

from datetime import datetime

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.deliveries.kept_url import show_url

ID_CHARS_MAX = 18
"""Of our own numbers: all of that length fit Postgres' bigint."""


class ListedDelivery(msgspec.Struct, frozen=True):
    """One row of a list."""

    id: int
    webhook_id: str
    tenant: str
    task_id: TaskId
    kling_id: str | None
    shown_id: str | None
    """The id that its tenant knows."""
    tenant_external_id: str | None
    task_status: str
    url: str
    """With stars for what may be a credential in it."""
    state: str
    attempts: int
    next_attempt_at: datetime | None
    """None if there will be none."""
    created_at: datetime
    ended_at: datetime | None
    reason: str | None


class Attempt(msgspec.Struct, frozen=True):
    """One HTTP try. Without status and error it is under way, or its worker ended."""

    number: int
    at: datetime
    http_status: int | None
    error: str | None
    duration_ms: int | None
    response: str | None


class ShownDelivery(msgspec.Struct, frozen=True):
    """One delivery with all that is known of it."""

    listed: ListedDelivery
    body: str
    attempts: list[Attempt]


_LISTED = """
SELECT d.id, d.webhook_id, n.name AS tenant, d.task_id, t.kling_id,
    coalesce(t.public_id, t.kling_id) AS shown_id, t.tenant_external_id, d.task_status, d.url,
    d.state, d.attempts,
    CASE WHEN d.state = 'due' THEN d.next_attempt_at END AS next_attempt_at, d.created_at,
    d.ended_at, d.reason
FROM deliveries d JOIN tasks t ON t.id = d.task_id JOIN tenants n ON n.id = d.tenant_id
"""

_LIST = """
WHERE (CAST(:tenant_id AS bigint) IS NULL OR d.tenant_id = :tenant_id)
    AND (CAST(:state AS text) IS NULL OR d.state = :state)
    AND (CAST(:task_id AS bigint) IS NULL OR d.task_id = :task_id)
    AND (CAST(:before_id AS bigint) IS NULL OR d.id < :before_id)
    AND (CAST(:before AS text) IS NULL OR d.id < (
        SELECT b.id FROM deliveries b WHERE b.webhook_id = :before AND b.tenant_id = d.tenant_id
    ))
ORDER BY d.id DESC LIMIT :limit
"""

_ONE = "WHERE d.id = :id"

_ATTEMPTS = """
SELECT number, at, http_status, error, duration_ms, response
FROM delivery_attempts WHERE delivery_id = :id ORDER BY number
"""

_FIND = """
SELECT id FROM deliveries
WHERE (webhook_id = :key OR id = :number)
    AND (CAST(:tenant_id AS bigint) IS NULL OR tenant_id = :tenant_id)
"""


async def list_deliveries(
    session: AsyncSession,
    *,
    tenant_id: int | None = None,
    state: str | None = None,
    task_id: TaskId | None = None,
    before: str | None = None,
    before_id: int | None = None,
    limit: int,
) -> list[ListedDelivery]:
    """List deliveries, newest first; `before` is the webhook id that the last page ended with.

    `before_id`: our id of it, in its place.
    """
    values = {
        "tenant_id": tenant_id,
        "state": state,
        "task_id": task_id,
        "before": before,
        "before_id": before_id,
        "limit": limit,
    }
    rows = (await session.execute(text(_LISTED + _LIST), values)).mappings()
    return [_listed(row) for row in rows]


def _listed(row: RowMapping) -> ListedDelivery:
    listed = ListedDelivery(**row)
    return msgspec.structs.replace(listed, url=show_url(listed.url))


async def count_due(session: AsyncSession, tenant_id: int) -> int:
    """Count what a tenant is still to be told."""
    due = text("SELECT count(*) FROM deliveries WHERE tenant_id = :tenant_id AND state = 'due'")
    return int(await session.scalar(due, {"tenant_id": tenant_id}) or 0)


async def find_delivery(
    session: AsyncSession, key: str, *, tenant_id: int | None = None
) -> int | None:
    """Find our id by the webhook id or, for the operator, by our id itself."""
    is_number = tenant_id is None and key.isascii() and key.isdigit() and len(key) <= ID_CHARS_MAX
    found = await session.scalar(
        text(_FIND),
        {"key": key, "number": int(key) if is_number else None, "tenant_id": tenant_id},
    )
    return None if found is None else int(found)


async def read_delivery(session: AsyncSession, delivery_id: int) -> ShownDelivery:
    """Read one delivery that exists."""
    values = {"id": delivery_id}
    row = (await session.execute(text(_LISTED + _ONE), values)).mappings().one()
    body = await session.scalar(text("SELECT body FROM deliveries WHERE id = :id"), values)
    attempts = (await session.execute(text(_ATTEMPTS), values)).mappings()
    return ShownDelivery(
        listed=_listed(row),
        body=str(body),
        attempts=[Attempt(**attempt) for attempt in attempts],
    )
