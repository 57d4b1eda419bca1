"""Tenants and their tokens as they are read; nothing here writes."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from relay.database.ids import AccountId
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token

SLASH = "/"


class TenantFilter(msgspec.Struct, frozen=True):
    """Which tenants a list has; what is None wants nothing."""

    with_removed: bool = False
    is_enabled: bool | None = None
    price_group: str | None = None
    """Of a sub-tenant, its parent's."""
    parent_id: int | None = None
    is_sub_tenant: bool | None = None
    like: str | None = None
    """A part of its name or contact, in any case."""
    before_id: int | None = None
    """Of the last one on the page before."""


class TokenFilter(msgspec.Struct, frozen=True):
    """Which tokens a list has; what is None wants nothing."""

    tenant_id: int | None = None
    scope: Scope | None = None
    is_live: bool | None = None
    """Not revoked, and not expired."""
    like: str | None = None
    """A part of its name, or how its access key begins."""
    before_id: int | None = None
    """Of the last one on the page before."""


ALL_TENANTS, ALL_TOKENS = TenantFilter(), TokenFilter()


def sub_name(parent: str, name: str) -> str:
    """Spell how a sub-tenant is called by operators: what its parent calls it behind that one."""
    return f"{parent}{SLASH}{name}"


def own_name(name: str) -> str:
    """Spell how a sub-tenant's parent calls it."""
    return name.rpartition(SLASH)[2]


async def find_tenant(
    session: AsyncSession, name: str, *, is_locked: bool = False, is_renamed: bool = False
) -> Tenant | None:
    """Find a tenant by its name; `is_locked`: and hold it, read anew, until the commit.

    `is_renamed`: for a new name, which nobody may have read meanwhile who goes by the one before.
    """
    query = select(Tenant).where(Tenant.name == name)
    if is_locked:
        query = query.with_for_update(key_share=not is_renamed).execution_options(
            populate_existing=True
        )
    return await session.scalar(query)


async def find_payer(session: AsyncSession, tenant: Tenant) -> Tenant:
    """Find whose prices a tenant's account is charged: its parent's, or its own."""
    if tenant.parent_id is None:
        return tenant
    return await session.get_one(Tenant, tenant.parent_id)


async def read_sub_tenants(session: AsyncSession, parent_id: int) -> list[Tenant]:
    """Read those of a tenant that are not removed, by name."""
    query = select(Tenant).where(Tenant.parent_id == parent_id, Tenant.removed_at.is_(None))
    return list(await session.scalars(query.order_by(Tenant.name)))


async def tenant_names(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(Tenant.name).order_by(Tenant.name)))


async def read_tenants(session: AsyncSession, *, with_removed: bool = False) -> list[Tenant]:
    """Read every tenant, by name; removed ones last."""
    query = select(Tenant).order_by(Tenant.removed_at.desc().nulls_first(), Tenant.name)
    if not with_removed:
        query = query.where(Tenant.removed_at.is_(None))
    return list(await session.scalars(query))


async def list_tenants(
    session: AsyncSession,
    wanted: TenantFilter = ALL_TENANTS,
    *,
    accounts: Select[int] | None = None,
    limit: int,
) -> list[tuple[Tenant, Tenant]]:
    """List tenants, newest first, each with who pays for it: its parent, or itself.

    `accounts`: only those that draw on one of them.
    """
    parent = aliased(Tenant)
    query = (
        select(Tenant, parent)
        .outerjoin(parent, parent.id == Tenant.parent_id)
        .order_by(Tenant.id.desc())
        .limit(limit)
    )
    if wanted.before_id is not None:
        query = query.where(Tenant.id < wanted.before_id)
    if wanted.is_enabled is not None:
        query = query.where(Tenant.enabled.is_(wanted.is_enabled))
    if wanted.price_group is not None:
        group = func.coalesce(parent.price_group, Tenant.price_group)
        query = query.where(group == wanted.price_group)
    if wanted.parent_id is not None:
        query = query.where(Tenant.parent_id == wanted.parent_id)
    if wanted.is_sub_tenant is not None:
        query = query.where(Tenant.parent_id.is_not(None).is_(wanted.is_sub_tenant))
    if accounts is not None:
        query = query.where(Tenant.account_id.in_(accounts))
    if not wanted.with_removed:
        query = query.where(Tenant.removed_at.is_(None))
    if wanted.like is not None:
        words = (Tenant.name, Tenant.contact)
        query = query.where(or_(*(word.icontains(wanted.like, autoescape=True) for word in words)))
    found = await session.execute(query)
    rows: list[tuple[Tenant, Tenant | None]] = [(row[0], row[1]) for row in found]
    return [(tenant, tenant if payer is None else payer) for tenant, payer in rows]


async def count_tenants(session: AsyncSession, account_id: AccountId) -> int:
    """Count who draws on an account."""
    query = select(func.count()).where(Tenant.account_id == account_id, Tenant.removed_at.is_(None))
    return await session.scalar(query) or 0


async def find_token(session: AsyncSession, token_id: int) -> tuple[Token, str] | None:
    """Find a token with its tenant's name."""
    query = select(Token, Tenant.name).join(Tenant, Tenant.id == Token.tenant_id)
    found = (await session.execute(query.where(Token.id == token_id))).one_or_none()
    return None if found is None else (found[0], found[1])


async def read_tokens(
    session: AsyncSession, tenant: Tenant | None = None
) -> list[tuple[Token, str]]:
    """Read the tokens, of one tenant or of all, each with its tenant's name; oldest first."""
    query = select(Token, Tenant.name).join(Tenant, Tenant.id == Token.tenant_id).order_by(Token.id)
    if tenant is not None:
        query = query.where(Token.tenant_id == tenant.id)
    return [(token, name) for token, name in await session.execute(query)]


async def list_tokens(
    session: AsyncSession, wanted: TokenFilter = ALL_TOKENS, *, limit: int
) -> list[tuple[Token, str]]:
    """List tokens, newest first, each with its tenant's name."""
    query = (
        select(Token, Tenant.name)
        .join(Tenant, Tenant.id == Token.tenant_id)
        .order_by(Token.id.desc())
        .limit(limit)
    )
    if wanted.before_id is not None:
        query = query.where(Token.id < wanted.before_id)
    if wanted.tenant_id is not None:
        query = query.where(Token.tenant_id == wanted.tenant_id)
    if wanted.scope is not None:
        query = query.where(Token.scope == wanted.scope.value)
    if wanted.is_live is not None:
        is_over = (Token.revoked_at.is_not(None)) | (Token.expires_at <= func.now())
        query = query.where(func.coalesce(is_over, False).is_(not wanted.is_live))
    if wanted.like is not None:
        begins = Token.access_key.startswith(wanted.like, autoescape=True)
        query = query.where(or_(Token.name.icontains(wanted.like, autoescape=True), begins))
    return [(token, name) for token, name in await session.execute(query)]


async def read_named_tokens(session: AsyncSession) -> list[tuple[Token, str]]:
    """Read the tokens that people call something and that are not revoked, as `read_tokens`."""
    query = select(Token, Tenant.name).join(Tenant, Tenant.id == Token.tenant_id).order_by(Token.id)
    query = query.where(Token.name.is_not(None), Token.revoked_at.is_(None))
    return [(token, name) for token, name in await session.execute(query)]


async def names_by_id(session: AsyncSession, ids: Iterable[int]) -> dict[int, str]:
    """Read the names of tenants, removed ones too."""
    found = await session.execute(select(Tenant.id, Tenant.name).where(Tenant.id.in_(list(ids))))
    return {row.id: row.name for row in found}


async def ids_named(session: AsyncSession, name: str) -> list[int]:
    """Find the tenants that are or were called so: a name may be another's after it was removed."""
    return list(await session.scalars(select(Tenant.id).where(Tenant.name == name)))


async def tenants_by_id(session: AsyncSession, ids: Iterable[int]) -> dict[int, Tenant]:
    """Read tenants, removed ones too."""
    found = await session.scalars(select(Tenant).where(Tenant.id.in_(list(ids))))
    return {row.id: row for row in found}
