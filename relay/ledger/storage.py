"""What a month of kept files is charged: once for each tenant and month, by an entry of the ledger.

The row is written first, and its key lets in one of those who charge the same month at a time; the
entry follows in the same transaction, so that neither is ever without the other.
"""

from decimal import Decimal

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.ledger.entries import enter_storage
from relay.ledger.tables import StorageCharge


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
