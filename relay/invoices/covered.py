"""What can be invoiced of an account, and what is: entries and closed months."""

from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from relay.invoices.tables import Basis, Invoice, InvoiceItem, InvoiceProfile
from relay.ledger.tables import (
    ClosedMonth,
    Entry,
    EntryKind,
    StorageCharge,
    StorageRefund,
    TopupKind,
)

StorageEntry = aliased(Entry)
TOPUP_KIND = func.coalesce(Entry.topup_kind, TopupKind.PAID.value)
COVERED_KINDS = (TopupKind.PAID.value, TopupKind.CORRECTION.value)
"""What was given is on no invoice; what corrects a top-up lowers what was paid."""


_PAID = union_all(
    select(StorageCharge.account_id, StorageCharge.entry_id),
    select(StorageCharge.account_id, StorageRefund.entry_id).join(
        StorageRefund,
        (StorageRefund.tenant_id == StorageCharge.tenant_id)
        & (StorageRefund.month == StorageCharge.month),
    ),
).subquery()
STORAGE = (
    select(func.coalesce(func.sum(-StorageEntry.amount_micros), 0).cast(BigInteger))
    .join(_PAID, _PAID.c.entry_id == StorageEntry.id)
    .where(
        _PAID.c.account_id == ClosedMonth.account_id,
        StorageEntry.created_at >= ClosedMonth.start_at,
        StorageEntry.created_at < ClosedMonth.until_at,
    )
    .correlate(ClosedMonth)
    .scalar_subquery()
)
"""What was charged in a closed month for files that were kept before, less what was given back."""


class Coverable(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand on an invoice."""

    account_id: int
    entry_id: int | None
    month: str | None
    amount_micros: int
    at: datetime
    """When it was entered, or closed."""
    what: str
    """paid, correction or statement."""
    reference: str | None = None
    reason: str | None = None


async def read_uncovered(session: AsyncSession, account_id: int, basis: Basis) -> list[Coverable]:
    """List what is on no live invoice of an account, oldest first."""
    if basis is Basis.STATEMENTS:
        return await _months(session, account_id)
    return await _topups(session, account_id)


async def _topups(session: AsyncSession, account_id: int) -> list[Coverable]:
    covered = select(InvoiceItem.id).where(InvoiceItem.entry_id == Entry.id, InvoiceItem.is_live)
    query = (
        select(Entry, TOPUP_KIND)
        .where(
            Entry.account_id == account_id,
            Entry.kind == EntryKind.TOPUP,
            TOPUP_KIND.in_(COVERED_KINDS),
            ~covered.exists(),
        )
        .order_by(Entry.id)
    )
    return [
        Coverable(
            account_id=account_id,
            entry_id=entry.id,
            month=None,
            amount_micros=entry.amount_micros,
            at=entry.created_at,
            what=kind,
            reference=entry.reference,
            reason=entry.reason,
        )
        for entry, kind in await session.execute(query)
    ]


async def _months(session: AsyncSession, account_id: int) -> list[Coverable]:
    covered = select(InvoiceItem.id).where(
        InvoiceItem.account_id == ClosedMonth.account_id,
        InvoiceItem.month == ClosedMonth.month,
        InvoiceItem.is_live,
    )
    query = select(ClosedMonth, STORAGE).where(
        ClosedMonth.account_id == account_id, ~covered.exists()
    )
    return [
        Coverable(
            account_id=account_id,
            entry_id=None,
            month=row.month,
            amount_micros=stored - (row.charge_micros + row.refund_micros + row.correction_micros),
            at=row.closed_at,
            what="statement",
        )
        for row, stored in await session.execute(query.order_by(ClosedMonth.month))
    ]


async def read_items(session: AsyncSession, invoice_id: int) -> list[Coverable]:
    """List what an invoice covers, or covered."""
    at = func.coalesce(Entry.created_at, ClosedMonth.closed_at)
    query = (
        select(InvoiceItem, at, TOPUP_KIND, Entry.reference, Entry.reason)
        .outerjoin(Entry, Entry.id == InvoiceItem.entry_id)
        .outerjoin(
            ClosedMonth,
            (ClosedMonth.account_id == InvoiceItem.account_id)
            & (ClosedMonth.month == InvoiceItem.month),
        )
        .where(InvoiceItem.invoice_id == invoice_id)
        .order_by(InvoiceItem.id)
    )
    return [
        Coverable(
            account_id=item.account_id,
            entry_id=item.entry_id,
            month=item.month,
            amount_micros=item.amount_micros,
            at=moment,
            what=kind if item.month is None else "statement",
            reference=reference,
            reason=reason,
        )
        for item, moment, kind, reference, reason in await session.execute(query)
    ]


async def read_corrections_since(session: AsyncSession, invoice: Invoice) -> list[Coverable]:
    """List corrections of the account's top-ups that came later, and are on no live invoice.

    None of an invoice that is not live, or over a month: a closed one is not corrected.
    """
    if not invoice.is_live or invoice.basis != Basis.TOPUPS:
        return []
    covered = await session.scalars(
        select(InvoiceItem.entry_id).where(InvoiceItem.invoice_id == invoice.id)
    )
    newest = max(one for one in covered if one is not None)
    return [
        one
        for one in await _topups(session, invoice.account_id)
        if one.what == TopupKind.CORRECTION and one.entry_id is not None and one.entry_id > newest
    ]


async def accounts_with_profiles(session: AsyncSession) -> list[InvoiceProfile]:
    return list(await session.scalars(select(InvoiceProfile).order_by(InvoiceProfile.account_id)))
