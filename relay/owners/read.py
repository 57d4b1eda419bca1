"""Whose things are, as the operator looks at them; nothing here writes."""

from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.kling.endpoint import Resource

LIST = text(
    """
    SELECT t.name AS tenant, c.name AS channel, o.kind, o.resource_id AS id, o.task_id,
           o.expires_at, o.deleted_at, o.created_at
    FROM owners o
    JOIN tenants t ON t.id = o.tenant_id
    JOIN channels c ON c.id = o.channel_id
    WHERE (CAST(:tenant_id AS bigint) IS NULL OR o.tenant_id = :tenant_id)
        AND (CAST(:kind AS text) IS NULL OR o.kind = :kind)
    ORDER BY o.id DESC LIMIT :limit
    """
)


class ListedOwner(msgspec.Struct, frozen=True):
    tenant: str
    channel: str
    kind: str
    id: str
    task_id: TaskId | None
    """Our id of the task that made it, if one did."""
    expires_at: datetime | None
    deleted_at: datetime | None
    created_at: datetime


async def list_owners(
    session: AsyncSession, *, tenant_id: int | None, kind: Resource | None, limit: int
) -> list[ListedOwner]:
    """List what is known, newest first; expired and deleted ones too."""
    values = {"tenant_id": tenant_id, "kind": kind and kind.value, "limit": limit}
    found = await session.execute(LIST, values)
    return [ListedOwner(**row) for row in found.mappings()]
