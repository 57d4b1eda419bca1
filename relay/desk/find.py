"""Things by the names that operators give them, and locked before they are changed."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import channel_names, find_channel
from relay.channels.tables import Channel
from relay.database.base import Base
from relay.deliveries.read import find_delivery
from relay.desk.errors import NoSuch
from relay.tenants.read import find_tenant, tenant_names
from relay.tenants.tables import Tenant


async def tenant_named(session: AsyncSession, name: str) -> Tenant:
    """Find a tenant, or raise NoSuch."""
    tenant = await find_tenant(session, name)
    if tenant is None:
        raise NoSuch("tenant", name, await tenant_names(session))
    return tenant


async def channel_named(session: AsyncSession, name: str) -> Channel:
    """Find a channel, or raise NoSuch."""
    channel = await find_channel(session, name)
    if channel is None:
        raise NoSuch("channel", name, await channel_names(session))
    return channel


async def delivery_named(session: AsyncSession, key: str, *, tenant_id: int | None = None) -> int:
    """Find our id of a delivery, or raise NoSuch; `key` as `find_delivery` takes it."""
    found = await find_delivery(session, key, tenant_id=tenant_id)
    if found is None:
        raise NoSuch("delivery", key)
    return found


async def lock(session: AsyncSession, row: Base) -> None:
    """Hold a row until the act is committed, and read it anew: what it was before must be true."""
    await session.refresh(row, with_for_update={"key_share": True})
