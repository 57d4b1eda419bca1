"""Accounts and books as they are read; nothing here writes."""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Select, any_, cast, select
from sqlalchemy.dialects.postgresql import ARRAY
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


async def read_accounts(session: AsyncSession, ids: Iterable[int]) -> dict[int, Account]:
    """Read these accounts, by their ids."""
    # As an array: a statement takes no more than 32,767 values.
    of = cast(list(ids), ARRAY(BigInteger))
    query = select(Account).where(Account.id == any_(of))
    return {account.id: account for account in await session.scalars(query)}


def accounts_with_less(micros: int) -> Select[int]:
    """Select the accounts whose submits may hold less than that: quota and credit, less holds."""
    available = Account.quota_micros + Account.credit_micros - Account.held_micros
    return select(Account.id).where(available < micros)


async def topup_of(session: AsyncSession, account_id: AccountId, reference: str) -> Entry | None:
    """Read what was topped up under a reference; None if nothing was."""
    return await session.scalar(
        select(Entry).where(
            Entry.account_id == account_id,
            Entry.kind == EntryKind.TOPUP.value,
            Entry.reference == reference,
        )
    )


QUOTAS_AFTER = """
SELECT id, after FROM (
    SELECT id, before.quota + sum(amount_micros) OVER (ORDER BY id) AS after
    FROM entries, (
        SELECT coalesce(sum(amount_micros), 0) AS quota FROM entries
        WHERE account_id = $1 AND id < $3
    ) before
    WHERE account_id = $1 AND id BETWEEN $3 AND $4
) quotas
WHERE id = ANY($2)
"""
"""The quota after each of these entries, the first $3 and the last $4, in one pass.

A sum for each would read all the account's entries as often as there are ids.
"""


async def read_quotas_after(
    session: AsyncSession, account_id: AccountId, ids: Sequence[int]
) -> dict[int, int]:
    """Sum up the quota after each of some entries of an account: what older ones do not keep."""
    connection = await session.connection()
    values = (account_id, list(ids), min(ids), max(ids))
    rows = await connection.exec_driver_sql(QUOTAS_AFTER, values)
    return {row.id: int(row.after) for row in rows}


async def check_currency(session: AsyncSession, currency: str) -> None:
    """Raise CurrencyMismatch if entries exist in another currency; writes nothing."""
    books = await session.scalar(select(Books.currency))
    if books is not None and books != currency:
        raise CurrencyMismatch(books=books, configured=currency)
