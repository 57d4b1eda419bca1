"""Pauses as operators see them."""

from datetime import datetime

import msgspec
from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.pauses.tables import Pause
from relay.tenants.tables import Tenant


class ListedPause(msgspec.Struct, frozen=True):
    """One pause; what it does not name is None."""

    id: int
    tenant: str | None
    channel: str | None
    endpoint: str | None
    model: str | None
    reason: str
    created_at: datetime
    until: datetime | None
    ended_at: datetime | None
    """When it ended, by itself or by an operator; None while it is in force."""


async def list_pauses(
    session: AsyncSession,
    *,
    with_ended: bool = False,
    pause_id: int | None = None,
    before_id: int | None = None,
    limit: int | None = None,
) -> list[ListedPause]:
    """List those in force, newest first; `with_ended`: and those that were."""
    passed = case((Pause.until <= func.now(), Pause.until))
    ended_at = func.coalesce(Pause.ended_at, passed)
    query = (
        select(
            Pause.id,
            Tenant.name.label("tenant"),
            Channel.name.label("channel"),
            Pause.endpoint,
            Pause.model,
            Pause.reason,
            Pause.created_at,
            Pause.until,
            ended_at.label("ended_at"),
        )
        .outerjoin(Tenant, Tenant.id == Pause.tenant_id)
        .outerjoin(Channel, Channel.id == Pause.channel_id)
        .order_by(Pause.id.desc())
        .limit(limit)
    )
    if not with_ended:
        query = query.where(ended_at.is_(None))
    if pause_id is not None:
        query = query.where(Pause.id == pause_id)
    if before_id is not None:
        query = query.where(Pause.id < before_id)
    rows = (await session.execute(query)).mappings()
    return [ListedPause(**row) for row in rows]
