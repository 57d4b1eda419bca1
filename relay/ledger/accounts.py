"""Accounts as the operator reads and limits them."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.ledger.tables import Account, Entry, EntryKind


async def read_accounts(session: AsyncSession) -> dict[int, Account]:
    """Read every account, by its tenant's id."""
    return {account.tenant_id: account for account in await session.scalars(select(Account))}


async def set_tasks_max(session: AsyncSession, tenant_id: int, tasks_max: int | None) -> None:
    """Limit the open holds at a time; None is no limit. Open ones above it are left alone."""
    await session.execute(
        update(Account).where(Account.tenant_id == tenant_id).values(tasks_max=tasks_max)
    )


async def topup_of(session: AsyncSession, tenant_id: int, reference: str) -> int | None:
    """How much was topped up under a reference, in micros; None if nothing was."""
    return await session.scalar(
        select(Entry.amount_micros).where(
            Entry.tenant_id == tenant_id,
            Entry.kind == EntryKind.TOPUP.value,
            Entry.reference == reference,
        )
    )
