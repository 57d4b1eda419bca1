"""Opening accounts and limiting them."""

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.ledger.tables import Account


async def open_account(session: AsyncSession) -> AccountId:
    """Open an account with nothing in it."""
    opened = await session.scalar(insert(Account).values().returning(Account.id))
    assert opened is not None, "an insert of one row returns it"
    return AccountId(opened)


async def set_credit(session: AsyncSession, account_id: AccountId, credit_micros: int) -> int:
    """Let submits take the quota so far below zero, and return how far they could before.

    Under the lock that they hold by: below what is used already it only refuses the next one.
    """
    account = await session.get_one(
        Account, account_id, with_for_update={"key_share": True}, populate_existing=True
    )
    before, account.credit_micros = account.credit_micros, credit_micros
    return before


async def set_tasks_max(
    session: AsyncSession, account_id: AccountId, tasks_max: int | None
) -> None:
    """Limit the open holds at a time; None is no limit. Open ones above it are left alone."""
    await session.execute(
        update(Account).where(Account.id == account_id).values(tasks_max=tasks_max)
    )
