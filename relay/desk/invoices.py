"""Invoices: for whom, over what, and what became of them."""

from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import differing, note_change
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.find import ID_DIGITS, account_named
from relay.desk.names import check_name, check_words
from relay.invoices import edit
from relay.invoices.covered import Coverable, read_uncovered
from relay.invoices.read import ToldInvoice, find_by_number, find_file, read_invoice
from relay.invoices.tables import (
    FILE_BYTES_MAX,
    PROFILE_FIELDS,
    Basis,
    Invoice,
    InvoiceKind,
    InvoiceProfile,
    InvoiceState,
)
from relay.money import decimal_of

FIELDS = ("basis", *PROFILE_FIELDS)


class ProfileChanges(msgspec.Struct, frozen=True):
    """What is to be said of a buyer; None stays as it is, and "" takes it out."""

    kind: InvoiceKind | None = None
    basis: Basis | None = None
    title: str | None = None
    tax_id: str | None = None
    address: str | None = None
    phone: str | None = None
    bank: str | None = None
    bank_account: str | None = None
    mail: str | None = None


class InvoicePaper(msgspec.Struct, frozen=True):
    """The file of an invoice that was made."""

    name: str
    data: bytes


@act("invoice.set_profile")
async def set_invoice_profile(
    session: AsyncSession, actor: Actor, account: str, changes: ProfileChanges
) -> InvoiceProfile:
    """Say what an account's invoices are to say; those that were requested stay as they were.

    `account`: a tenant that draws on it, or its number. A first one needs a title.

    Raises:
        NoSuch
        NotPossible: it would be invoiced by something else, and an invoice is live.
        Unusable: a text, or no title.
    """
    given = _given(changes)
    account_id = await account_named(session, account)
    row = await edit.lock_profile(session, account_id)
    before = None
    if row is None:
        if not changes.title:
            raise Unusable("a first profile needs a title: whom the invoice names")
        row = InvoiceProfile(account_id=account_id, kind=InvoiceKind.GENERAL, basis=Basis.TOPUPS)
        session.add(row)
    else:
        before = _profile(row)
        if changes.basis not in (None, row.basis) and await _has_live(session, account_id):
            raise NotPossible(
                "account",
                account_id,
                f"it is invoiced by {row.basis} already, and the same money would be invoiced"
                " twice: reject or reverse those first",
            )
    for name, value in given.items():
        setattr(row, name, value or None)
    await session.flush()
    after = _profile(row)
    if before is not None:
        before, after = differing(before, after)
    if after:
        await note_change(
            *(session, actor, "invoice.set_profile"),
            kind="account",
            id=account_id,
            name=str(account_id),
            before=before,
            after=after,
        )
    return row


def _given(changes: ProfileChanges) -> dict[str, str]:
    """Check what is to be changed; "" is to be taken out."""
    given = {
        name: str(value)
        for name, value in msgspec.structs.asdict(changes).items()
        if value is not None
    }
    for name, value in given.items():
        if value:
            check_words(value, what=name.replace("_", " "))
    if given.get("title") == "":
        raise Unusable("a profile has a title", field="title")
    return given


@act("invoice.request")
async def request_invoice(
    session: AsyncSession,
    actor: Actor,
    account: str,
    *,
    currency: str,
    entries: list[int] | None = None,
    month: str | None = None,
) -> Invoice:
    """Ask for an invoice over top-ups, by default all that are on none, or over a closed month.

    Raises:
        NoSuch
        NotPossible: there is no profile, or nothing to be invoiced; or it is on an invoice already.
    """
    account_id = await account_named(session, account)
    profile = await edit.lock_profile(session, account_id)
    if profile is None:
        raise NotPossible("account", account_id, "it has no invoice profile")
    basis = Basis(profile.basis)
    if (month is not None) != (basis is Basis.STATEMENTS):
        needs = "say a month" if basis is Basis.STATEMENTS else "a month is none of them"
        raise NotPossible("account", account_id, f"it is invoiced by {basis.value}: {needs}")
    free = await read_uncovered(session, account_id, basis)
    covered = _chosen(account_id, free, entries, month)
    amount = sum(one.amount_micros for one in covered)
    if amount <= 0:
        raise NotPossible(
            "account", account_id, f"what is not on an invoice yet comes to {decimal_of(amount)}"
        )
    row = await edit.add_invoice(session, profile, covered, currency=currency, actor=str(actor))
    await _note(
        *(session, actor, "invoice.request", row),
        after={
            "account_id": account_id,
            "amount_micros": row.amount_micros,
            "entries": [one.entry_id for one in covered if one.entry_id] or None,
            "month": row.month,
        },
    )
    return row


def _chosen(
    account_id: AccountId, free: list[Coverable], entries: list[int] | None, month: str | None
) -> list[Coverable]:
    if month is not None:
        found = [one for one in free if one.month == month]
        if not found:
            raise NotPossible(
                "account", account_id, f"its {month} is not closed, or is on an invoice already"
            )
        return found
    if entries is None:
        return free
    by_id = {one.entry_id: one for one in free}
    for entry_id in entries:
        if entry_id not in by_id:
            raise NotPossible(
                "entry",
                entry_id,
                "it is no paid top-up of this account, or is on an invoice already",
            )
    return [by_id[entry_id] for entry_id in dict.fromkeys(entries)]


@act("invoice.issue")
async def issue_invoice(
    session: AsyncSession,
    actor: Actor,
    invoice_id: int,
    *,
    number: str,
    paper: InvoicePaper | None = None,
) -> Invoice:
    """Note that an invoice was made, with its number and file; of one that was, add the file.

    Raises:
        NoSuch
        NotPossible: it was rejected or reversed; it, or another one, has another number or a file.
        Unusable: the number, the file's name or its size.
    """
    check_name(number, what="invoice number")
    if paper is not None:
        check_words(paper.name, what="file name")
        if not 0 < len(paper.data) <= FILE_BYTES_MAX:
            raise Unusable(f"a file has 1 to {FILE_BYTES_MAX:,} bytes, not {len(paper.data):,}")
    row = await _locked(session, invoice_id)
    is_issued = row.state == InvoiceState.ISSUED and row.number == number
    if row.state != InvoiceState.REQUESTED and not (is_issued and paper):
        raise NotPossible("invoice", invoice_id, _where(row))
    other = await find_by_number(session, number)
    if other is not None and other is not row:
        raise NotPossible("invoice", invoice_id, f"{number} is the number of invoice {other.id}")
    before = {"state": row.state}
    if not is_issued:
        await edit.issue_invoice(session, row, number)
    if paper is not None:
        if await find_file(session, invoice_id) is not None:
            raise NotPossible("invoice", invoice_id, "it has a file")
        await edit.keep_file(session, invoice_id, paper.name, paper.data)
    await _note(
        *(session, actor, "invoice.issue", row),
        before=before,
        after={"state": row.state, "number": number, "file": paper.name if paper else None},
    )
    return row


@act("invoice.reject")
async def reject_invoice(
    session: AsyncSession, actor: Actor, invoice_id: int, *, reason: str
) -> Invoice:
    """Make none; what it covered can be asked for again.

    Raises:
        NoSuch, NotPossible, Unusable
    """
    return await _end(session, actor, invoice_id, InvoiceState.REJECTED, reason)


@act("invoice.reverse")
async def reverse_invoice(
    session: AsyncSession, actor: Actor, invoice_id: int, *, reason: str
) -> Invoice:
    """Note that one that was made was taken back; what it covered can be asked for again.

    Raises:
        NoSuch, NotPossible, Unusable
    """
    return await _end(session, actor, invoice_id, InvoiceState.REVERSED, reason)


async def _end(
    session: AsyncSession, actor: Actor, invoice_id: int, state: InvoiceState, reason: str
) -> Invoice:
    check_words(reason, what="reason")
    row = await _locked(session, invoice_id)
    is_reversed = state is InvoiceState.REVERSED
    if row.state != (InvoiceState.ISSUED if is_reversed else InvoiceState.REQUESTED):
        raise NotPossible("invoice", invoice_id, _where(row))
    before = {"state": row.state}
    await edit.end_invoice(session, row, state, reason)
    await _note(
        session,
        actor,
        "invoice.reverse" if is_reversed else "invoice.reject",
        row,
        before=before,
        after={"state": row.state},
        reason=reason,
    )
    return row


async def invoice_numbered(session: AsyncSession, invoice_id: int) -> ToldInvoice:
    """Read one with what it covers, or raise NoSuch."""
    found = await read_invoice(session, invoice_id) if len(str(invoice_id)) < ID_DIGITS else None
    if found is None:
        raise NoSuch("invoice", invoice_id)
    return found


async def _locked(session: AsyncSession, invoice_id: int) -> Invoice:
    row = await edit.lock_invoice(session, invoice_id)
    if row is None:
        raise NoSuch("invoice", invoice_id)
    return row


def _where(row: Invoice) -> str:
    return f"it is {row.state}" + (f" with the number {row.number}" if row.number else "")


async def _has_live(session: AsyncSession, account_id: int) -> bool:
    query = select(Invoice.id).where(Invoice.account_id == account_id, Invoice.is_live).limit(1)
    return await session.scalar(query) is not None


def _profile(row: InvoiceProfile) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


async def _note(session: AsyncSession, actor: Actor, name: str, row: Invoice, **of: Any) -> None:
    await note_change(session, actor, name, kind="invoice", id=row.id, name=str(row.id), **of)
