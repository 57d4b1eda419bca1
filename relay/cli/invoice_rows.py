"""Invoices as they are shown: to people, and to tax software."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.show import moment, note, print_json, print_pairs, print_table
from relay.money import decimal_of, money

if TYPE_CHECKING:
    from relay.invoices.covered import Coverable
    from relay.invoices.read import ListedInvoice
    from relay.invoices.tables import InvoiceProfile
    from relay.usage.sheet import Sheet

PROFILE = {
    "kind": "Kind",
    "title": "Title",
    "tax_id": "Tax id",
    "address": "Address",
    "phone": "Phone",
    "bank": "Bank",
    "bank_account": "Bank account",
    "mail": "Mail",
}
"""Fields of a profile, as people call them."""


def show_profile(row: InvoiceProfile, *, as_json: bool) -> None:
    if as_json:
        fields = {name: getattr(row, name) for name in PROFILE}
        print_json({"account_id": row.account_id, "basis": row.basis, **fields})
        return
    print_pairs(
        [
            ("Account", str(row.account_id)),
            ("Invoiced by", row.basis),
            *((label, getattr(row, name)) for name, label in PROFILE.items()),
        ]
    )


def print_due(found: list[Coverable], currency: str) -> None:
    print_table(
        [">account", "what", ">entry", f">{currency}", "at", "reference", "reason"],
        [
            (
                str(one.account_id),
                f"statement {one.month}" if one.month else one.what,
                str(one.entry_id or "-"),
                decimal_of(one.amount_micros),
                moment(one.at),
                one.reference or "-",
                one.reason or "-",
            )
            for one in found
        ],
        empty="All is on invoices that was paid, or closed.",
    )
    sums: dict[int, int] = {}
    for one in found:
        sums[one.account_id] = sums.get(one.account_id, 0) + one.amount_micros
    for account_id, micros in sums.items():
        note(f"Account {account_id}: {money(micros, currency)}.")


def print_invoices(found: list[ListedInvoice], *, limit: int) -> None:
    columns = [">id", "state", "tenants", "title", ">amount", "covers", "number", "requested"]
    print_table(
        [*columns, ">corrected since"],
        [
            (
                str(one.id),
                one.state,
                one.tenants or f"account {one.account_id}",
                one.profile.get("title") or "-",
                money(one.amount_micros, one.currency),
                one.covers,
                one.number or "-",
                moment(one.requested_at),
                money(one.corrected_micros, one.currency) if one.corrected_micros else "-",
            )
            for one in found
        ],
        empty="There are no such invoices.",
    )
    if any(one.corrected_micros for one in found):
        note(
            "Corrected since: what the account paid was corrected after that, and the correction is"
            " on no invoice. `relay invoice show` names it; reverse and request again, or let the"
            " next one take it."
        )
    if len(found) == limit:
        note(f"There may be more than {limit}: --limit says how many.")


def show_invoice(
    one: ListedInvoice, items: list[Coverable], corrected: list[Coverable], *, as_json: bool
) -> None:
    import msgspec

    if as_json:
        described: dict[str, Any] = msgspec.structs.asdict(one)
        print_json(described | {"items": items, "corrected_since": corrected})
        return
    print_pairs(
        [
            ("Invoice", str(one.id)),
            ("State", one.state),
            ("Number", one.number),
            ("Amount", money(one.amount_micros, one.currency)),
            ("Account", f"{one.account_id} ({one.tenants})"),
            *((label, one.profile.get(name)) for name, label in PROFILE.items()),
            ("Requested", f"{moment(one.requested_at)} by {one.actor}"),
            ("Issued", moment(one.issued_at) if one.issued_at else None),
            ("File", one.file_name),
            ("Ended", moment(one.ended_at) if one.ended_at else None),
            ("Reason", one.reason),
        ]
    )
    click.echo()
    _print_items(items, one.currency)
    if corrected:
        click.echo("\nCorrected since, and on no invoice:")
        _print_items(corrected, one.currency)


def _print_items(items: list[Coverable], currency: str) -> None:
    print_table(
        ["covers", ">entry", f">{currency}", "at", "reference", "reason"],
        [
            (
                f"statement {one.month}" if one.month else one.what,
                str(one.entry_id or "-"),
                decimal_of(one.amount_micros),
                moment(one.at),
                one.reference or "-",
                one.reason or "-",
            )
            for one in items
        ],
        empty="",
    )


def to_sheet(found: list[ListedInvoice]) -> Sheet:
    """Lay out invoices for tax software: all of the buyer, and ids as texts."""
    from relay.usage.sheet import Sheet, amount

    return Sheet(
        title="Invoices",
        facts=[("Invoices", str(len(found)))],
        columns=[
            *("Id", "State", *PROFILE.values()),
            *(">Amount", "Currency", "Covers", "Requested", "Number", "Issued", "Reason"),
        ],
        rows=[
            [
                *(str(one.id), one.state),
                *(one.profile.get(name) or "" for name in PROFILE),
                amount(one.amount_micros),
                *(one.currency, one.covers, moment(one.requested_at), one.number or ""),
                moment(one.issued_at) if one.issued_at else "",
                one.reason or "",
            ]
            for one in found
        ],
    )
