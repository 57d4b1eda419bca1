"""Tenants as the desk writes them; their money is the ledger's."""

from decimal import Decimal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.tenants.tables import Tenant


async def add_tenant(
    session: AsyncSession, name: str, *, account_id: AccountId, multiplier: Decimal
) -> Tenant | None:
    """Add a tenant that draws on an account. None, and nothing is written, if the name is taken."""
    statement = insert(Tenant).values(name=name, account_id=account_id, multiplier=multiplier)
    return await session.scalar(
        statement.on_conflict_do_nothing(index_elements=["name"]).returning(Tenant)
    )
