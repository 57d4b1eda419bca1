"""`relay statement`: an account's month, recomputed; and closing it for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure, reason
from relay.cli.file_out import open_private, print_sheet, put
from relay.cli.show import json_option, note, print_json, print_table
from relay.cli.sure import ask, sure_option
from relay.cli.window import OneMonth

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.database.ids import AccountId
    from relay.desk.actor import Actor
    from relay.months import Month
    from relay.usage.sheet import Sheet
    from relay.usage.statement import Statement


class ShowsByDefault(click.RichGroup):
    """A group whose first word may be an account: then it is `show`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=ShowsByDefault)
@examples(
    "relay statement acme 2026-11",
    "relay statement close 2026-10",
)
def statement() -> None:
    """Show an account's month (`show`, which may be left out), and close it."""


@statement.command()
@click.argument("account", help="A tenant that draws on it, or its number.")
@click.argument("month", type=OneMonth(), help="Such as 2026-11.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "xlsx", "html"]),
    default="table",
    show_default=True,
    help="HTML prints on A4.",
)
@click.option("--out", type=click.Path(dir_okay=False), help="A file, in place of stdout.")
@click.option(
    "--invoices", "has_invoices", is_flag=True, help="With the invoices over what was paid in it."
)
@examples(
    "relay statement acme 2026-11",
    "relay statement acme 2026-11 --format html --out acme-2026-11.html",
)
def show(account: str, month: Month, form: str, out: str | None, *, has_invoices: bool) -> None:
    """Recompute a month of RELAY_TIMEZONE from the entries, and show what it began and ended with.

    Exit code 1: the sums do not agree, or are not those that were kept when the month was closed.
    """

    async def work(session: AsyncSession) -> tuple[Statement, list[str]]:
        from relay.desk.find import account_named
        from relay.usage.statement import begin_snapshot, read_invoiced, read_statement

        await begin_snapshot(session)
        account_id = await account_named(session, account)
        found = await read_statement(session, account_id, month, zone=zone, currency=currency)
        return found, await read_invoiced(session, found) if has_invoices else []

    if form == "xlsx" and out is None:
        raise click.UsageError("An Excel file is no text: say --out FILE.")
    if has_invoices and form in ("json", "csv"):
        raise click.UsageError("`relay invoice list --account` has them for programs.")
    with open_database() as database:
        zone, currency = database.settings.zone, database.settings.currency
        found, invoiced = database.read(work)
    from relay.usage.documents import statement_sheet
    from relay.usage.sheet import WRITERS

    if form == "json":
        put(described_in_json(found), out)
    elif form in WRITERS:
        put(WRITERS[form](statement_sheet(found, invoiced)), out)
    elif out is not None:
        raise click.UsageError("Say which --format the file is to have.")
    else:
        print_sheet(statement_sheet(found, invoiced))
    refuse_wrong([found])


@statement.command()
@click.argument("month", type=OneMonth(), help="Such as 2026-10.")
@click.option("--account", help="Only this one: a tenant that draws on it, or its number.")
@sure_option
@json_option
@examples("relay statement close 2026-10", "relay statement close 2026-10 --account acme")
def close(month: Month, account: str | None, *, is_sure: bool, as_json: bool) -> None:
    """Close a month that is over, with those before it: no entry falls into it any more.

    Its figures and a hash over its entries are kept, and `relay audit` recomputes them. A refund of
    then is of the month that it is made in. A worker does the same RELAY_CLOSE_AFTER_DAYS after.
    """
    whose = f"account {account}" if account is not None else "all accounts"
    ask(f"Close {month} of {whose} for good?", is_sure=is_sure)

    async def find(session: AsyncSession) -> list[AccountId]:
        from relay.desk.find import account_named
        from relay.usage.statement import unclosed_accounts

        if account is not None:
            return [await account_named(session, account)]
        return await unclosed_accounts(session, month, zone=zone)

    async def work(session: AsyncSession, actor: Actor) -> list[str]:
        from relay.desk.months import close_month

        return await close_month(session, actor, account_id, month, zone=zone)

    closed: dict[str, list[str]] = {}
    with open_database() as database:
        zone = database.settings.zone
        for account_id in database.read(find):
            # Each in a transaction of its own: nobody's charges wait for all the others.
            if months := database.act(work):
                closed[str(account_id)] = months
    if as_json:
        print_json(closed)
    else:
        print_table(
            [">account", "closed"],
            [(number, ", ".join(months)) for number, months in closed.items()],
            empty=f"{month} was closed before, or nothing had been entered by then.",
        )


@click.command()
@click.argument("month", type=OneMonth(), help="Such as 2026-11.")
@click.option(
    "--out", "folder", required=True, type=click.Path(file_okay=False), help="Made if missing."
)
@click.option(
    "--format",
    "forms",
    type=click.Choice(["json", "csv", "xlsx", "html"]),
    multiple=True,
    default=["html", "csv", "xlsx"],
    show_default=True,
    help="Of the files; again for more.",
)
@examples("relay month 2026-11 --out november", "relay month 2026-11 --out november --format html")
def month(month: Month, folder: str, forms: tuple[str, ...]) -> None:
    """Write a month: a statement of each account, and one sheet of what is owed to and by them.

    All of one moment, recomputed from the entries. Files of the same names are replaced.
    """
    from pathlib import Path

    from relay.usage.documents import month_sheet, owed, statement_name
    from relay.usage.sheet import amount

    async def work(session: AsyncSession) -> list[Statement]:
        from relay.usage.statement import accounts_of_month, begin_snapshot, read_statement

        await begin_snapshot(session)
        return [
            await read_statement(session, account_id, month, zone=zone, currency=currency)
            for account_id in await accounts_of_month(session, month, zone=zone)
        ]

    with open_database() as database:
        zone, currency = database.settings.zone, database.settings.currency
        found = database.read(work)
    directory = Path(folder)
    to_tenants, by_tenants = owed(found)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for one in found:
            _write(directory / statement_name(one), one, forms)
        _write_sheet(
            directory / f"month-{month}",
            month_sheet(str(month), found, currency=currency),
            {
                "month": str(month),
                "currency": currency,
                "owed_to_tenants_micros": to_tenants,
                "owed_by_tenants_micros": by_tenants,
                "statements": [_described(one) for one in found],
            },
            forms,
        )
    except OSError as error:
        raise Failure(f"it could not be written to {folder}: {reason(error)}") from error
    click.echo(f"{len(found)} statements of {month} in {directory}.")
    when = "at its end" if all(one.is_over for one in found) else "by now, as it is not over"
    click.echo(
        f"Owed to tenants {when}: {amount(to_tenants):f} {currency}; owed by tenants:"
        f" {amount(by_tenants):f} {currency}."
    )
    note("Every sum was recomputed from the entries.")
    refuse_wrong(found)


def refuse_wrong(found: list[Statement]) -> None:
    """Fail if figures do not agree: what was printed is not to be sent to anybody."""
    wrong = [str(one.account_id) for one in found if not one.is_right]
    if wrong:
        raise Failure(
            f"the figures of account {', '.join(wrong)} do not agree with each other, or with what"
            " was kept when the month was closed: `relay audit` names what differs"
        )


def described_in_json(one: Statement) -> bytes:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(_described(one)), indent=2) + b"\n"


def _described(one: Statement) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.structs.asdict(one)
    figures = msgspec.structs.asdict(fields.pop("figures"))
    return fields | figures | {"is_right": one.is_right, "is_over": one.is_over}


def _write(base: Path, one: Statement, forms: tuple[str, ...]) -> None:
    from relay.usage.documents import statement_sheet

    _write_sheet(base, statement_sheet(one), _described(one), forms)


def _write_sheet(base: Path, sheet: Sheet, described: object, forms: tuple[str, ...]) -> None:
    import msgspec

    from relay.usage.sheet import WRITERS

    for form in dict.fromkeys(forms):
        if form == "json":
            data = msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"
        else:
            data = WRITERS[form](sheet)
        with open_private(base.with_name(f"{base.name}.{form}")) as file:
            file.write(data)
