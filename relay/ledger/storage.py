"""What a month of kept files is charged: once for each tenant and month, by an entry of the ledger.

The row is written first, and its key lets in one of those who charge the same month at a time; the
entry follows in the same transaction, so that neither is ever without the other. What is given back
of it is another entry, that names the same month.
"""

from decimal import Decimal

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.ledger.entries import enter_storage
from relay.ledger.tables import Entry, StorageCharge, StorageRefund


async def charge_storage(
    session: AsyncSession,
    account_id: AccountId,
    *,
    tenant_id: int,
    month: str,
    gb_months: Decimal,
    amount_micros: int,
    currency: str,
    actor: str,
) -> bool:
    """Charge a month of files, also below zero. False, and nothing is changed, if it was before.

    `amount_micros`: at least 0; of nothing there is no entry, and it counts as charged.

    Raises:
        UnknownAccount, CurrencyMismatch: nothing was written.
    """
    row = insert(StorageCharge).values(
        tenant_id=tenant_id,
        month=month,
        account_id=account_id,
        gb_months=gb_months,
        amount_micros=amount_micros,
    )
    is_new = await session.scalar(row.on_conflict_do_nothing().returning(StorageCharge.month))
    if is_new is None:
        return False
    if amount_micros:
        entry_id = await enter_storage(
            session,
            account_id,
            amount_micros=amount_micros,
            reference=f"storage {month}",
            reason=f"files kept in {month}: {gb_months} GB-months",
            currency=currency,
            actor=actor,
        )
        await session.execute(
            update(StorageCharge)
            .where(StorageCharge.tenant_id == tenant_id, StorageCharge.month == month)
            .values(entry_id=entry_id)
        )
    return True


class NotCharged(Exception):
    """So much was not charged for that month, or is not left of it."""

    def __init__(self, left_micros: int) -> None:
        super().__init__(left_micros)
        self.left_micros = left_micros


async def give_back_storage(
    session: AsyncSession,
    *,
    tenant_id: int,
    month: str,
    amount_micros: int,
    reason: str,
    currency: str,
    actor: str,
) -> AccountId:
    """Give back of what a month of files was charged, to the account that paid it, which it names.

    Raises:
        NotCharged, CurrencyMismatch: nothing was written.
    """
    query = select(StorageCharge).where(
        StorageCharge.tenant_id == tenant_id, StorageCharge.month == month
    )
    charge = await session.scalar(query.with_for_update())
    given = (
        select(func.coalesce(func.sum(Entry.amount_micros), 0))
        .join(StorageRefund, StorageRefund.entry_id == Entry.id)
        .where(StorageRefund.tenant_id == tenant_id, StorageRefund.month == month)
    )
    left_micros = 0
    if charge is not None:
        left_micros = charge.amount_micros - int(await session.scalar(given) or 0)
    if charge is None or not 0 < amount_micros <= left_micros:
        raise NotCharged(left_micros)
    entry_id = await enter_storage(
        session,
        AccountId(charge.account_id),
        amount_micros=-amount_micros,
        reference=f"storage {month}",
        reason=reason,
        currency=currency,
        actor=actor,
    )
    session.add(StorageRefund(entry_id=entry_id, tenant_id=tenant_id, month=month))
    await session.flush()
    return AccountId(charge.account_id)
