"""Accounts and books as they are read; nothing here writes."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.ledger.tables import Account, Books, Entry, EntryKind


class CurrencyMismatch(ValueError):
    """The books are kept in another currency, for ever."""

    def __init__(self, *, books: str, configured: str) -> None:
        super().__init__(
            f"the books of this database are in {books}, and RELAY_CURRENCY is {configured}:"
            f" set it to {books}"
        )


async def read_accounts(session: AsyncSession) -> dict[int, Account]:
    """Read every account, by its id."""
    return {account.id: account for account in await session.scalars(select(Account))}


async def topup_of(session: AsyncSession, account_id: AccountId, reference: str) -> int | None:
    """Read how much was topped up under a reference, in micros; None if nothing was."""
    return await session.scalar(
        select(Entry.amount_micros).where(
            Entry.account_id == account_id,
            Entry.kind == EntryKind.TOPUP.value,
            Entry.reference == reference,
        )
    )


async def check_currency(session: AsyncSession, currency: str) -> None:
    """Raise CurrencyMismatch if entries exist in another currency; writes nothing."""
    books = await session.scalar(select(Books.currency))
    if books is not None and books != currency:
        raise CurrencyMismatch(books=books, configured=currency)
