"""Things by the names that operators give them."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import channel_names, find_channel
from relay.channels.tables import Channel
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
