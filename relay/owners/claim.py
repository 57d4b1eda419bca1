"""What the operator says of things that were made before their tenant came here."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from relay.channels.tables import Channel
from relay.kling.endpoint import Resource
from relay.owners.own import LIFETIMES
from relay.owners.tables import Owner
from relay.tenants.tables import Tenant

CLAIM = text(
    """
    INSERT INTO owners (kind, resource_id, channel_id, tenant_id, expires_at)
    SELECT :kind, id, :channel_id, :tenant_id, now() + make_interval(secs => :lives_s)
    FROM unnest(:ids) AS id
    ON CONFLICT (resource_id, kind, channel_id) DO UPDATE
        SET expires_at = excluded.expires_at, deleted_at = NULL
        WHERE owners.tenant_id = excluded.tenant_id
    RETURNING resource_id, xmax = 0 AS is_new
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)))
"""A row that was there and is this tenant's lives on; another tenant's returns no record."""


class Claimed(msgspec.Struct, frozen=True):
    """What became of the ids."""

    new: int
    known: int
    """Were this tenant's already; their time begins again."""
    taken: list[str]
    """Another tenant's on this channel, also if expired or deleted."""


class ListedOwner(msgspec.Struct, frozen=True):
    tenant: str
    channel: str
    kind: str
    id: str
    task_id: int | None
    """Our id of the task that made it, if one did."""
    expires_at: datetime | None
    deleted_at: datetime | None
    created_at: datetime


async def claim(
    session: AsyncSession,
    *,
    tenant_id: int,
    channel_id: int,
    kind: Resource,
    ids: list[str],
    lives: timedelta | None = None,
) -> Claimed:
    """Give things of one account to a tenant; `ids` are each there once.

    `lives`: by default as long as Kling keeps that kind, as if it was made now. Whoever claims
    decides what to do if some are `taken`; those of the others are written.
    """
    life = lives or LIFETIMES.get(kind)
    found = await session.execute(
        CLAIM,
        {
            "kind": kind.value,
            "channel_id": channel_id,
            "tenant_id": tenant_id,
            "lives_s": None if life is None else life.total_seconds(),
            "ids": ids,
        },
    )
    claimed = {row.resource_id: bool(row.is_new) for row in found}
    new = sum(claimed.values())
    return Claimed(
        new=new, known=len(claimed) - new, taken=[one for one in ids if one not in claimed]
    )


async def list_owners(
    session: AsyncSession, *, tenant_id: int | None, kind: Resource | None, limit: int
) -> list[ListedOwner]:
    """List what is known, newest first; expired and deleted ones too."""
    query = (
        select(Owner, Tenant.name, Channel.name)
        .join(Tenant, Tenant.id == Owner.tenant_id)
        .join(Channel, Channel.id == Owner.channel_id)
        .order_by(Owner.id.desc())
        .limit(limit)
    )
    if tenant_id is not None:
        query = query.where(Owner.tenant_id == tenant_id)
    if kind is not None:
        query = query.where(Owner.kind == kind.value)
    return [
        ListedOwner(
            tenant=tenant,
            channel=channel,
            kind=row.kind,
            id=row.resource_id,
            task_id=row.task_id,
            expires_at=row.expires_at,
            deleted_at=row.deleted_at,
            created_at=row.created_at,
        )
        for row, tenant, channel in await session.execute(query)
    ]
