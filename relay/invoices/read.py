"""Invoices as they are read; nothing here writes, and no list reads a file's bytes."""

from datetime import datetime

import msgspec
from sqlalchemy import ScalarSelect, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from relay.invoices.covered import Coverable, read_corrections_since, read_items
from relay.invoices.tables import Invoice, InvoiceFile, InvoiceItem, InvoiceProfile, InvoiceState
from relay.ledger.tables import Entry
from relay.months import Month, Window
from relay.tenants.tables import Tenant


class ListedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a list."""

    id: int
    account_id: int
    tenants: str
    """Who draws on the account."""
    state: str
    covers: str
    """How many top-ups, or which month."""
    amount_micros: int
    currency: str
    profile: dict[str, str | None]
    requested_at: datetime
    actor: str
    number: str | None
    issued_at: datetime | None
    ended_at: datetime | None
    reason: str | None
    file_name: str | None
    corrected_micros: int
    """Later corrections of what its account paid, that are on no live invoice."""


class ToldInvoice(msgspec.Struct, frozen=True):
    """All of one."""

    invoice: ListedInvoice
    items: list[Coverable]
    """What it covers, or covered."""
    corrected_since: list[Coverable]


class ListedProfile(msgspec.Struct, frozen=True):
    """Whom an account's invoices name."""

    profile: InvoiceProfile
    tenants: str
    """Who draws on the account."""
    tenant_id: int
    """Whose account it is."""


async def find_profile(session: AsyncSession, account_id: int) -> InvoiceProfile | None:
    return await session.get(InvoiceProfile, account_id)


async def find_file(session: AsyncSession, invoice_id: int) -> InvoiceFile | None:
    return await session.get(InvoiceFile, invoice_id)


async def find_by_number(session: AsyncSession, number: str) -> Invoice | None:
    return await session.scalar(select(Invoice).where(Invoice.number == number))


async def list_invoices(
    session: AsyncSession,
    *,
    account_id: int | None = None,
    state: str | None = None,
    window: Window | None = None,
    invoice_id: int | None = None,
    before_id: int | None = None,
    limit: int,
) -> list[ListedInvoice]:
    """List invoices, newest first; `window`: those that were requested in it."""
    drawing = _drawing_on(Invoice.account_id)
    file_name = (
        select(InvoiceFile.name).where(InvoiceFile.invoice_id == Invoice.id).scalar_subquery()
    )
    query = select(Invoice, drawing, file_name).order_by(Invoice.id.desc()).limit(limit)
    if account_id is not None:
        query = query.where(Invoice.account_id == account_id)
    if state is not None:
        query = query.where(Invoice.state == state)
    if invoice_id is not None:
        query = query.where(Invoice.id == invoice_id)
    if before_id is not None:
        query = query.where(Invoice.id < before_id)
    if window is not None:
        query = query.where(
            Invoice.requested_at >= window.start, Invoice.requested_at < window.until
        )
    rows = [tuple(row) for row in await session.execute(query)]
    return [await _listed(session, row, tenants, file) for row, tenants, file in rows]


def _drawing_on(account_id: InstrumentedAttribute[int]) -> ScalarSelect[str]:
    names = func.string_agg(Tenant.name, aggregate_order_by(literal(", "), Tenant.id))
    return select(names).where(Tenant.account_id == account_id).scalar_subquery()


async def read_invoice(session: AsyncSession, invoice_id: int) -> ToldInvoice | None:
    """Read one with all that it covers, and what was corrected since; None if there is none."""
    found = await list_invoices(session, invoice_id=invoice_id, limit=1)
    if not found:
        return None
    row = await session.get_one(Invoice, invoice_id)
    items = await read_items(session, invoice_id)
    return ToldInvoice(found[0], items, await read_corrections_since(session, row))


async def list_profiles(
    session: AsyncSession, *, behind_id: int = 0, limit: int
) -> list[ListedProfile]:
    """List profiles by their accounts; `behind_id`: the account that the last page ended with."""
    owner = select(func.min(Tenant.id)).where(
        Tenant.account_id == InvoiceProfile.account_id, Tenant.parent_id.is_(None)
    )
    query = (
        select(InvoiceProfile, _drawing_on(InvoiceProfile.account_id), owner.scalar_subquery())
        .where(InvoiceProfile.account_id > behind_id)
        .order_by(InvoiceProfile.account_id)
        .limit(limit)
    )
    return [ListedProfile(*row) for row in await session.execute(query)]


async def _listed(
    session: AsyncSession, row: Invoice, tenants: str | None, file_name: str | None
) -> ListedInvoice:
    later = await read_corrections_since(session, row)
    covers = f"statement {row.month}"
    if row.month is None:
        covers = ", ".join(
            one.reference or str(one.entry_id) for one in await read_items(session, row.id)
        )
    return ListedInvoice(
        id=row.id,
        account_id=row.account_id,
        tenants=tenants or "",
        state=row.state,
        covers=covers,
        amount_micros=row.amount_micros,
        currency=row.currency,
        profile=row.profile,
        requested_at=row.requested_at,
        actor=row.actor,
        number=row.number,
        issued_at=row.issued_at,
        ended_at=row.ended_at,
        reason=row.reason,
        file_name=file_name,
        corrected_micros=sum(one.amount_micros for one in later),
    )


async def count_requested(session: AsyncSession) -> int:
    """Count those that somebody asked for and nobody has made."""
    query = select(func.count()).where(Invoice.state == InvoiceState.REQUESTED)
    return await session.scalar(query) or 0


async def invoices_of_month(
    session: AsyncSession, account_id: int, month: Month, window: Window
) -> list[Invoice]:
    """List the live invoices over a month, or over what was paid in it."""
    paid = select(InvoiceItem.invoice_id).join(Entry, Entry.id == InvoiceItem.entry_id)
    within = paid.where(Entry.created_at >= window.start, Entry.created_at < window.until)
    query = select(Invoice).where(
        Invoice.account_id == account_id,
        Invoice.is_live,
        (Invoice.month == str(month)) | Invoice.id.in_(within),
    )
    return list(await session.scalars(query.order_by(Invoice.id)))
