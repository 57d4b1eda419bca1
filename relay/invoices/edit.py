"""Invoices as the desk writes them; each in the transaction of its act."""

from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.invoices.covered import Coverable
from relay.invoices.tables import (
    PROFILE_FIELDS,
    Invoice,
    InvoiceFile,
    InvoiceItem,
    InvoiceProfile,
    InvoiceState,
)


async def lock_profile(session: AsyncSession, account_id: int) -> InvoiceProfile | None:
    """Hold an account's profile: what it covers is judged by one at a time."""
    query = select(InvoiceProfile).where(InvoiceProfile.account_id == account_id)
    return await session.scalar(
        query.with_for_update(key_share=True).execution_options(populate_existing=True)
    )


async def lock_invoice(session: AsyncSession, invoice_id: int) -> Invoice | None:
    query = select(Invoice).where(Invoice.id == invoice_id)
    return await session.scalar(
        query.with_for_update(key_share=True).execution_options(populate_existing=True)
    )


async def add_invoice(
    session: AsyncSession,
    profile: InvoiceProfile,
    covered: list[Coverable],
    *,
    currency: str,
    actor: str,
) -> Invoice:
    """Write a request over what is on no live invoice; a unique index refuses what is on one."""
    month = covered[0].month
    row = Invoice(
        account_id=profile.account_id,
        state=InvoiceState.REQUESTED,
        is_live=True,
        basis=profile.basis,
        live_basis=profile.basis,
        month=month,
        amount_micros=sum(one.amount_micros for one in covered),
        currency=currency,
        profile={name: getattr(profile, name) for name in PROFILE_FIELDS},
        actor=actor,
    )
    session.add(row)
    await session.flush()
    session.add_all(
        InvoiceItem(
            invoice_id=row.id,
            is_live=True,
            account_id=one.account_id,
            entry_id=one.entry_id,
            month=one.month,
            amount_micros=one.amount_micros,
        )
        for one in covered
    )
    await session.flush()
    await session.refresh(row)
    return row


async def issue_invoice(session: AsyncSession, row: Invoice, number: str) -> None:
    row.state, row.number, row.issued_at = InvoiceState.ISSUED, number, func.now()
    await session.flush()
    await session.refresh(row)


async def end_invoice(
    session: AsyncSession, row: Invoice, state: InvoiceState, reason: str
) -> None:
    """Reject or reverse it; what it covers is free from the commit on."""
    row.state, row.is_live, row.live_basis = state, False, None
    row.reason, row.ended_at = reason, func.now()
    await session.flush()
    await session.refresh(row)


async def keep_file(session: AsyncSession, invoice_id: int, name: str, data: bytes) -> None:
    session.add(
        InvoiceFile(invoice_id=invoice_id, name=name, sha256=sha256(data).hexdigest(), bytes=data)
    )
    await session.flush()
