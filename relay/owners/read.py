"""Whose things are, as the operator looks at them; nothing here writes."""

from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.kling.endpoint import Resource

LIST = """
SELECT o.id AS row_id, t.name AS tenant, c.name AS channel, o.kind, o.resource_id AS id, o.task_id,
    o.expires_at, o.deleted_at, o.created_at
FROM owners o
JOIN tenants t ON t.id = o.tenant_id
JOIN channels c ON c.id = o.channel_id
WHERE {wanted}
ORDER BY o.id DESC LIMIT :limit
"""
CONDITIONS = {
    "tenant_id": "o.tenant_id = :tenant_id",
    "channel_id": "o.channel_id = :channel_id",
    "kind": "o.kind = :kind",
    "resource_id": "o.resource_id = :resource_id",
    "before_id": "o.id < :before_id",
}


class OwnerFilter(msgspec.Struct, frozen=True):
    """Which rows a list has; what is None wants nothing."""

    tenant_id: int | None = None
    channel_id: int | None = None
    kind: Resource | None = None
    resource_id: str | None = None
    """Kling's."""
    before_id: int | None = None
    """Of the last row on the page before."""


EVERY = OwnerFilter()


class ListedOwner(msgspec.Struct, frozen=True):
    row_id: int
    """Ours."""
    tenant: str
    channel: str
    kind: str
    id: str
    """Kling's."""
    task_id: TaskId | None
    """Our id of the task that made it, if one did."""
    expires_at: datetime | None
    deleted_at: datetime | None
    created_at: datetime


async def list_owners(
    session: AsyncSession, wanted: OwnerFilter = EVERY, *, limit: int
) -> list[ListedOwner]:
    """List what is known, newest first; expired and deleted ones too."""
    given = {
        name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None
    }
    # Only what is asked for is in the statement, so that an index of it can be used.
    conditions = " AND ".join(CONDITIONS[name] for name in given) or "true"
    found = await session.execute(text(LIST.format(wanted=conditions)), given | {"limit": limit})
    return [ListedOwner(**row) for row in found.mappings()]
