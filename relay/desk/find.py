"""Things by the names that operators give them."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import channel_names, find_channel
from relay.channels.tables import Channel
from relay.deliveries.read import find_delivery
from relay.desk.errors import NoSuch
from relay.tenants.read import find_tenant, tenant_names
from relay.tenants.tables import Tenant


async def tenant_named(session: AsyncSession, name: str, *, is_locked: bool = False) -> Tenant:
    """Find a tenant, or raise NoSuch; `is_locked` for an act that says what it was before."""
    tenant = await find_tenant(session, name, is_locked=is_locked)
    if tenant is None:
        raise NoSuch("tenant", name, await tenant_names(session))
    return tenant


async def channel_named(session: AsyncSession, name: str, *, is_locked: bool = False) -> Channel:
    """Find a channel, or raise NoSuch; `is_locked` for an act that says what it was before."""
    channel = await find_channel(session, name, is_locked=is_locked)
    if channel is None:
        raise NoSuch("channel", name, await channel_names(session))
    return channel


async def delivery_named(session: AsyncSession, key: str, *, tenant_id: int | None = None) -> int:
    """Find our id of a delivery, or raise NoSuch; `key` as `find_delivery` takes it."""
    found = await find_delivery(session, key, tenant_id=tenant_id)
    if found is None:
        raise NoSuch("delivery", key)
    return found
