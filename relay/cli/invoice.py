"""`relay invoice`: for whom invoices (fapiao) are, what they cover, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.file_out import put
from relay.cli.invoice_rows import print_due, print_invoices, show_invoice, show_profile, to_sheet
from relay.cli.parameters import ID
from relay.cli.show import json_option, print_json
from relay.cli.sure import ask, sure_option
from relay.cli.window import OneMonth

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.desk.invoices import InvoicePaper
    from relay.invoices.covered import Coverable
    from relay.invoices.read import ListedInvoice, ToldInvoice
    from relay.invoices.tables import Invoice, InvoiceProfile
    from relay.months import Month

STATES = ["requested", "issued", "rejected", "reversed"]
ACCOUNT = "A tenant that draws on the account, or its number."


@click.group()
def invoice() -> None:
    """Keep who wants invoices (fapiao), over what, and the numbers and files of those made.

    Nothing is taxed here, and no invoice is made: tax software does that from `relay invoice list
    --format csv`. What is covered stands on one invoice at a time.
    """


@invoice.command()
@click.argument("account", help=ACCOUNT)
@click.option("--title", help="The buyer's name, as it is to stand on invoices.")
@click.option("--tax-id", help="Its tax number.")
@click.option("--address", help="Its address.")
@click.option("--phone", help="Its telephone.")
@click.option("--bank", help="Its bank.")
@click.option("--bank-account", help="Its account there.")
@click.option("--mail", help="Where invoices are sent.")
@click.option(
    "--kind",
    type=click.Choice(["special", "general", "plain"]),
    help="Of fapiao, special or general; plain is an invoice outside of China. At first: general.",
)
@click.option(
    "--by",
    "basis",
    type=click.Choice(["topups", "statements"]),
    help="What is invoiced: what it paid, or what it was charged in closed months. At first:"
    " topups. It can change while no invoice is requested or issued.",
)
@json_option
@examples(
    "relay invoice profile acme --title 'Acme GmbH' --tax-id 91310000MA1K35 --mail ap@acme.test",
    "relay invoice profile acme                                 # show it",
    "relay invoice profile acme --phone ''                      # take one out",
)
def profile(
    account: str, kind: str | None, basis: str | None, *, as_json: bool, **texts: str | None
) -> None:
    """Show what an account's invoices say of their buyer, or change it.

    Invoices that were requested keep what it was then.
    """
    is_change = kind is not None or basis is not None or any(t is not None for t in texts.values())

    async def show(session: AsyncSession) -> InvoiceProfile | None:
        from relay.desk.find import account_named
        from relay.invoices.read import find_profile

        return await find_profile(session, await account_named(session, account))

    async def work(session: AsyncSession, actor: Actor) -> InvoiceProfile | None:
        from relay.desk.invoices import ProfileChanges, set_invoice_profile
        from relay.invoices.tables import Basis, InvoiceKind

        changes = ProfileChanges(
            kind=InvoiceKind(kind) if kind else None,
            basis=Basis(basis) if basis else None,
            **texts,
        )
        return await set_invoice_profile(session, actor, account, changes)

    with open_database() as database:
        row = database.act(work) if is_change else database.read(show)
    if row is None:
        raise _without_profile(account)
    show_profile(row, as_json=as_json)


def _without_profile(account: str) -> Failure:
    return Failure(
        f"there is no invoice profile of '{account}': `relay invoice profile {account} --title …`"
        " makes one"
    )


@invoice.command()
@click.argument("account", required=False, help=f"{ACCOUNT} Without it, all that have a profile.")
@json_option
@examples("relay invoice due", "relay invoice due acme")
def due(account: str | None, *, as_json: bool) -> None:
    """List what is on no invoice: paid top-ups and what corrected them, or closed months."""

    async def work(session: AsyncSession) -> list[Coverable]:
        from relay.desk.find import account_named
        from relay.invoices.covered import accounts_with_profiles, read_uncovered
        from relay.invoices.tables import Basis

        of = await account_named(session, account) if account is not None else None
        profiles = await accounts_with_profiles(session)
        if of is not None and all(row.account_id != of for row in profiles):
            raise _without_profile(str(account))
        return [
            one
            for row in profiles
            if of in (None, row.account_id)
            for one in await read_uncovered(session, row.account_id, Basis(row.basis))
        ]

    with open_database() as database:
        found = database.read(work)
        currency = database.settings.currency
    if as_json:
        print_json(found)
    else:
        print_due(found, currency)


@invoice.command()
@click.argument("account", help=ACCOUNT)
@click.option(
    "--entry",
    "entries",
    type=ID,
    multiple=True,
    help="This top-up, by the number of its entry; again for more. Without any, all that are due.",
)
@click.option("--month", type=OneMonth(), help="A closed month, of who is invoiced by statements.")
@json_option
@examples("relay invoice request acme", "relay invoice request beta --month 2026-10")
def request(account: str, entries: tuple[int, ...], month: Month | None, *, as_json: bool) -> None:
    """Ask for an invoice. What is on one that is requested or issued cannot be on another."""
    if entries and month is not None:
        raise click.UsageError("Say --entry, or a --month.")

    async def work(session: AsyncSession, actor: Actor) -> Invoice:
        from relay.desk.invoices import request_invoice

        return await request_invoice(
            *(session, actor, account),
            currency=currency,
            entries=list(entries) or None,
            month=str(month) if month is not None else None,
        )

    with open_database() as database:
        currency = database.settings.currency
        row = database.act(work)
        _show(database, row.id, as_json=as_json)


@invoice.command("list")
@click.option("--account", help=ACCOUNT)
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--month", type=OneMonth(), help="Only those that were requested in it.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most rows."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "xlsx"]),
    default="table",
    show_default=True,
    help="CSV and Excel have all of the profile: for tax software.",
)
@click.option("--out", type=click.Path(dir_okay=False), help="A file, in place of stdout.")
@click.option("--json", "is_json", is_flag=True, help="The same as --format json.")
@examples(
    "relay invoice list --state requested",
    "relay invoice list --state requested --format csv --out to-make.csv",
)
def list_command(
    account: str | None,
    state: str | None,
    month: Month | None,
    limit: int,
    form: str,
    out: str | None,
    *,
    is_json: bool,
) -> None:
    """List invoices, newest first; those whose account was corrected since stand out."""
    form = "json" if is_json else form
    if form == "xlsx" and out is None:
        raise click.UsageError("An Excel file is no text: say --out FILE.")
    if form in ("table", "json") and out is not None:
        raise click.UsageError("Say --format csv or xlsx for a file.")

    async def work(session: AsyncSession) -> list[ListedInvoice]:
        from relay.desk.find import account_named
        from relay.invoices.read import list_invoices

        return await list_invoices(
            session,
            account_id=await account_named(session, account) if account is not None else None,
            state=state,
            window=month.window(zone) if month is not None else None,
            limit=limit,
        )

    with open_database() as database:
        zone = database.settings.zone
        found = database.read(work)
    if form == "json":
        print_json(found)
    elif form == "table":
        print_invoices(found, limit=limit)
    else:
        from relay.usage.sheet import WRITERS

        put(WRITERS[form](to_sheet(found)), out)


@invoice.command()
@click.argument("invoice_id", type=ID, metavar="INVOICE", help="Its number here.")
@json_option
@examples("relay invoice show 7")
def show(invoice_id: int, *, as_json: bool) -> None:
    """Show one invoice, all that it covers, and what was corrected since."""
    with open_database() as database:
        _show(database, invoice_id, as_json=as_json)


def _show(database: Database, invoice_id: int, *, as_json: bool) -> None:
    async def work(session: AsyncSession) -> ToldInvoice:
        from relay.desk.invoices import invoice_numbered

        return await invoice_numbered(session, invoice_id)

    told = database.read(work)
    show_invoice(told.invoice, told.items, told.corrected_since, as_json=as_json)


@invoice.command()
@click.argument("invoice_id", type=ID, metavar="INVOICE", help="Its number here.")
@click.option("--number", required=True, help="What stands on it.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The invoice itself, at most 5 MiB: it is kept in the database, and so in backups.",
)
@json_option
@examples("relay invoice issue 7 --number 26317000000123456789 --file 7.pdf")
def issue(invoice_id: int, number: str, path: Path | None, *, as_json: bool) -> None:
    """Note that an invoice was made; once more with a --file, if it had none."""

    async def work(session: AsyncSession, actor: Actor) -> Invoice:
        from relay.desk.invoices import issue_invoice

        return await issue_invoice(session, actor, invoice_id, number=number, paper=paper)

    with open_database() as database:
        paper = _read_paper(path) if path is not None else None
        database.act(work)
        _show(database, invoice_id, as_json=as_json)


def _read_paper(path: Path) -> InvoicePaper:
    from relay.desk.invoices import InvoicePaper
    from relay.invoices.tables import FILE_BYTES_MAX

    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Failure(f"{path} could not be read: {error}") from error
    return InvoicePaper(path.name, data)


@invoice.command()
@click.argument("invoice_id", type=ID, metavar="INVOICE", help="Its number here.")
@click.option("--reason", required=True, help="Why; the tenant reads it too.")
@sure_option
@json_option
@examples("relay invoice reject 7 --reason 'the tax number is wrong'")
def reject(invoice_id: int, reason: str, *, is_sure: bool, as_json: bool) -> None:
    """Make none of what was requested: what it covers can be asked for again."""
    ask(f"Make no invoice {invoice_id}?", is_sure=is_sure)

    async def work(session: AsyncSession, actor: Actor) -> Invoice:
        from relay.desk.invoices import reject_invoice

        return await reject_invoice(session, actor, invoice_id, reason=reason)

    with open_database() as database:
        database.act(work)
        _show(database, invoice_id, as_json=as_json)


@invoice.command()
@click.argument("invoice_id", type=ID, metavar="INVOICE", help="Its number here.")
@click.option("--reason", required=True, help="Why; the tenant reads it too.")
@sure_option
@json_option
@examples("relay invoice reverse 7 --reason 'red letter 26317000000987654321'")
def reverse(invoice_id: int, reason: str, *, is_sure: bool, as_json: bool) -> None:
    """Note that one that was made was taken back: what it covers can be asked for again."""
    ask(f"Was invoice {invoice_id} taken back?", is_sure=is_sure)

    async def work(session: AsyncSession, actor: Actor) -> Invoice:
        from relay.desk.invoices import reverse_invoice

        return await reverse_invoice(session, actor, invoice_id, reason=reason)

    with open_database() as database:
        database.act(work)
        _show(database, invoice_id, as_json=as_json)


@invoice.command()
@click.argument("invoice_id", type=ID, metavar="INVOICE", help="Its number here.")
@click.option("--out", type=click.Path(), required=True, help="Where it goes: a file or a folder.")
@examples("relay invoice file 7 --out 7.pdf")
def file(invoice_id: int, out: str) -> None:
    """Write an invoice's file as it was kept."""

    async def work(session: AsyncSession) -> tuple[str, bytes] | None:
        from relay.invoices.read import find_file

        row = await find_file(session, invoice_id)
        return None if row is None else (row.name, row.bytes)

    with open_database() as database:
        found = database.read(work)
    if found is None:
        raise Failure(f"there is no file of invoice {invoice_id}")
    name, data = found
    put(data, str(Path(out) / name) if Path(out).is_dir() else out)
