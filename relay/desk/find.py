"""Things by the names that operators give them."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import channel_names, find_channel
from relay.channels.tables import Channel
from relay.database.ids import AccountId
from relay.deliveries.read import find_delivery
from relay.desk.errors import NoSuch, NotPossible
from relay.ledger.tables import Account
from relay.tenants.read import find_tenant, find_token, tenant_names
from relay.tenants.tables import Tenant, Token

ID_DIGITS = 19
"""What has fewer is surely a number of the database's."""


async def tenant_named(
    session: AsyncSession, name: str, *, is_locked: bool = False, is_renamed: bool = False
) -> Tenant:
    """Find a tenant, a removed one too, or raise NoSuch.

    `is_locked` for an act that says what it was before; `is_renamed` for one that renames it.
    """
    tenant = await find_tenant(session, name, is_locked=is_locked, is_renamed=is_renamed)
    if tenant is None:
        raise NoSuch("tenant", name, await tenant_names(session))
    return tenant


async def tenant_numbered(session: AsyncSession, tenant_id: int) -> Tenant:
    """Find a tenant by its number, a removed one too, or raise NoSuch."""
    found = await session.get(Tenant, tenant_id) if len(str(tenant_id)) < ID_DIGITS else None
    if found is None:
        raise NoSuch("tenant", tenant_id)
    return found


async def tenant_to_act_on(
    session: AsyncSession, name: str, *, is_locked: bool = False, is_renamed: bool = False
) -> Tenant:
    """Find a tenant that is not removed, or raise NoSuch or NotPossible."""
    tenant = await tenant_named(session, name, is_locked=is_locked, is_renamed=is_renamed)
    if tenant.removed_at is not None:
        raise NotPossible("tenant", name, "it was removed")
    return tenant


async def account_holder(session: AsyncSession, name: str, *, or_removed: bool = False) -> Tenant:
    """Find a tenant with an account of its own, or raise NoSuch or NotPossible."""
    tenant = await (tenant_named if or_removed else tenant_to_act_on)(session, name)
    if tenant.parent_id is not None:
        parent = await session.get_one(Tenant, tenant.parent_id)
        raise NotPossible("tenant", name, f"it is a sub-tenant, and '{parent.name}' pays for it")
    return tenant


async def refuse_removed_meanwhile(session: AsyncSession, tenant: Tenant) -> None:
    """Refuse who was removed while its account was waited for, or raise NotPossible.

    For who has the account's lock by now: a removal has it until its commit, and one that comes
    later sees what was added. A lock of the tenant would have to be had before it, and submits have
    the two in the other order.
    """
    called = tenant.name
    await session.refresh(tenant, ["removed_at"])
    if tenant.removed_at is not None:
        raise NotPossible("tenant", called, "it was removed")


async def token_numbered(session: AsyncSession, token_id: int) -> tuple[Token, str]:
    """Find a token with its tenant's name, a revoked one too, or raise NoSuch."""
    found = await find_token(session, token_id)
    if found is None:
        raise NoSuch("token", token_id)
    return found


async def account_named(session: AsyncSession, key: str) -> AccountId:
    """Find an account by a tenant that draws on it, a removed one too, or by its number.

    Raises:
        NoSuch
    """
    tenant = await find_tenant(session, key)
    if tenant is not None:
        return AccountId(tenant.account_id)
    number = int(key) if key.isascii() and key.isdigit() and len(key) < ID_DIGITS else 0
    if await session.get(Account, number) is None:
        raise NoSuch("account", key, await tenant_names(session))
    return AccountId(number)


async def channel_named(session: AsyncSession, name: str, *, is_locked: bool = False) -> Channel:
    """Find a channel, a removed one too, or raise NoSuch.

    `is_locked` for an act that says what it was before.
    """
    channel = await find_channel(session, name, is_locked=is_locked)
    if channel is None:
        raise NoSuch("channel", name, await channel_names(session))
    return channel


async def channel_numbered(session: AsyncSession, channel_id: int) -> Channel:
    """Find a channel by our id, a removed one too, or raise NoSuch."""
    channel = await session.get(Channel, channel_id)
    if channel is None:
        raise NoSuch("channel", channel_id)
    return channel


async def channel_to_act_on(
    session: AsyncSession, name: str, *, is_locked: bool = False
) -> Channel:
    """Find a channel that is not removed, or raise NoSuch or NotPossible."""
    channel = await channel_named(session, name, is_locked=is_locked)
    if channel.removed_at is not None:
        raise NotPossible("channel", name, "it was removed")
    return channel


async def delivery_named(session: AsyncSession, key: str, *, tenant_id: int | None = None) -> int:
    """Find our id of a delivery, or raise NoSuch; `key` as `find_delivery` takes it."""
    found = await find_delivery(session, key, tenant_id=tenant_id)
    if found is None:
        raise NoSuch("delivery", key)
    return found
