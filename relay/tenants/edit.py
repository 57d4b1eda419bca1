"""Tenants as the desk writes them; their money is the ledger's."""

from decimal import Decimal

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.tenants.gate import COLUMNS
from relay.tenants.tables import Tenant, Token

BOUNDS = ("groups", *COLUMNS)
"""What a token and a tenant may be bounded by alike."""


async def add_tenant(
    session: AsyncSession, name: str, *, account_id: AccountId, price_group: str | None
) -> Tenant | None:
    """Add a tenant that draws on an account. None, and nothing is written, if the name is taken."""
    statement = insert(Tenant).values(name=name, account_id=account_id, price_group=price_group)
    return await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["name"]).returning(Tenant)
    )


async def add_sub_tenant(
    session: AsyncSession, name: str, parent: Tenant, *, resale: Decimal, maker: Token | None
) -> Tenant | None:
    """Add one that draws on its parent's account, bounded as the token that makes it.

    None, and nothing is written, if the name is taken.
    """
    bounds = {} if maker is None else {field: getattr(maker, field) for field in BOUNDS}
    statement = insert(Tenant).values(
        name=name,
        account_id=parent.account_id,
        parent_id=parent.id,
        resale=resale,
        made_by_id=None if maker is None else maker.id,
        **bounds,
    )
    return await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["name"]).returning(Tenant)
    )


async def mirror_multiplier(
    session: AsyncSession, tenant_id: int, multiplier: Decimal | None
) -> None:
    """Have the release before price by it: that reads no other place."""
    await session.execute(
        update(Tenant)
        .where(Tenant.id == tenant_id)
        .values(multiplier=Decimal(1) if multiplier is None else multiplier)
    )


async def rename_tenant(session: AsyncSession, row: Tenant, name: str) -> bool:
    """Rename it. False if another one has the name."""
    found = await session.scalar(select(Tenant.id).where(Tenant.name == name))
    if found is None:
        row.name = name
    return found in (None, row.id)


async def remove_tenant(session: AsyncSession, row: Tenant, name: str) -> None:
    """Shut a locked tenant out for good, and call it `name`."""
    row.name, row.enabled, row.removed_at = name, False, func.now()
    row.contact = row.notes = None
    await session.flush()
    await session.refresh(row)
