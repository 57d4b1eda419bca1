"""Entries: every change of a quota, written with it."""

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.ledger.tables import Account, Books, Entry, EntryKind

ENTER_CHARGES = """
    INSERT INTO entries (tenant_id, kind, amount_micros, task_id)
    SELECT e.tenant_id, 'charge', -e.charged_micros, e.id
    FROM {ended} e JOIN {accounts} USING (tenant_id)
    WHERE e.charged_micros IS NOT NULL
"""
"""One entry per success, also of nothing: "exactly one charge" can then be counted.

No ON CONFLICT: a second charge of a task is a bug that must roll the whole statement back.
"""


class UnknownTenant(LookupError):
    """There is no such account."""


class CurrencyMismatch(ValueError):
    """The books are kept in another currency, for ever."""

    def __init__(self, *, books: str, configured: str) -> None:
        super().__init__(
            f"the books of this database are in {books}, and RELAY_CURRENCY is {configured}"
        )


async def open_account(session: AsyncSession, tenant_id: int) -> None:
    """Open a new tenant's account, with nothing in it."""
    await session.execute(insert(Account).values(tenant_id=tenant_id))


async def check_currency(session: AsyncSession, currency: str) -> None:
    """Raise CurrencyMismatch if entries exist in another currency; writes nothing."""
    books = await session.scalar(select(Books.currency))
    if books is not None and books != currency:
        raise CurrencyMismatch(books=books, configured=currency)


async def top_up(
    session: AsyncSession, tenant_id: int, *, amount_micros: int, reference: str, currency: str
) -> bool:
    """Add sold quota. False, and nothing is changed, if the reference was entered before.

    Raises:
        UnknownTenant, CurrencyMismatch: nothing was written.
    """
    return await _enter(
        session,
        tenant_id,
        EntryKind.TOPUP,
        amount_micros=amount_micros,
        reference=reference,
        currency=currency,
    )


async def adjust(
    session: AsyncSession, tenant_id: int, *, amount_micros: int, reason: str, currency: str
) -> None:
    """Correct a quota by a signed amount.

    It may fall below what is held, or below zero: the operator's word counts, and M2 speaks of
    submits only.

    Raises:
        UnknownTenant, CurrencyMismatch: nothing was written.
    """
    await _enter(
        session,
        tenant_id,
        EntryKind.ADJUST,
        amount_micros=amount_micros,
        reason=reason,
        currency=currency,
    )


async def refund_charge(
    session: AsyncSession, tenant_id: int, *, task_id: TaskId, amount_micros: int, reason: str
) -> bool:
    """Give a task's charge back. False, and nothing is changed, if it was refunded before."""
    return await _enter(
        session,
        tenant_id,
        EntryKind.REFUND,
        amount_micros=amount_micros,
        task_id=task_id,
        reason=reason,
    )


async def _enter(
    session: AsyncSession,
    tenant_id: int,
    kind: EntryKind,
    *,
    amount_micros: int,
    task_id: TaskId | None = None,
    reference: str | None = None,
    reason: str | None = None,
    currency: str | None = None,
) -> bool:
    account = select(Account.tenant_id).where(Account.tenant_id == tenant_id)
    if await session.scalar(account.with_for_update(key_share=True)) is None:
        raise UnknownTenant(tenant_id)
    if currency is not None:
        await session.execute(insert(Books).values(currency=currency).on_conflict_do_nothing())
        await check_currency(session, currency)
    entered = await session.scalar(
        insert(Entry)
        .values(
            tenant_id=tenant_id,
            kind=kind.value,
            amount_micros=amount_micros,
            task_id=task_id,
            reference=reference,
            reason=reason,
        )
        # Which of the unique indexes it hits follows from the kind: same reference, same refund.
        .on_conflict_do_nothing()
        .returning(Entry.id)
    )
    if entered is None:
        return False
    await session.execute(
        update(Account)
        .where(Account.tenant_id == tenant_id)
        .values(quota_micros=Account.quota_micros + amount_micros)
    )
    return True
