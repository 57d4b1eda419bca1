"""`relay price export`, `diff`, `import` and `simulate`: all prices at once, as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.apply import read_text
from relay.cli.database import open_database
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.price_key import quoted_key
from relay.cli.price_multiply import described_multiplier
from relay.cli.price_rows import described, priced
from relay.cli.price_when import for_whom, spelt_when
from relay.cli.show import json_option, note, print_json, print_table
from relay.cli.sure import ask, sure_option
from relay.cli.window import OneMonth
from relay.money import decimal_of, money, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.months import Month
    from relay.pricing.book import Multiplier, PriceRow
    from relay.pricing.difference import Difference
    from relay.pricing.file import PriceFile
    from relay.tasks.simulate import Simulated

file_argument = click.argument(
    "file", metavar="FILE", help="TOML, as `relay price export` writes it; - reads stdin."
)


@click.command("export")
@examples("relay price export > prices.toml")
def export() -> None:
    """Write all your prices and multipliers, in force and to come, as a file of TOML to stdout.

    Kling's list is not in it: it stands behind them. A price group or a tenant has rows of its own.
    """

    async def work(session: AsyncSession) -> str:
        from relay.pricing.file import spell_file
        from relay.pricing.in_force import read_prices
        from relay.tenants.read import read_tenants

        names = {row.id: row.name for row in await read_tenants(session)}
        return spell_file(await read_prices(session, database.settings.zone), names)

    with open_database() as database:
        text = database.read(work)
    click.echo(text, nl=False)


@click.command("diff")
@file_argument
@json_option
@examples("relay price diff prices.toml")
def diff(file: str, *, as_json: bool) -> None:
    """Show what `relay price import` of a file would end and add; nothing is changed."""
    with open_database() as database:
        read = _read(file, database)
        difference, names, at = _compare(database, read)
    if as_json:
        print_json(_document(difference, names))
    else:
        _show(difference, names, at, database.settings.currency)


@click.command("import")
@file_argument
@sure_option
@json_option
@examples("relay price import prices.toml", "relay price import prices.toml --yes")
def import_(file: str, *, is_sure: bool, as_json: bool) -> None:
    """Put the prices and multipliers of a file in force, in place of all that there are.

    What is in force or to come and not in the file ends. The difference is shown first; then it
    asks. What is alike stays as it is: the same file twice changes nothing. With --json it only
    shows, unless --yes is given too. Tasks that run keep their quote.
    """
    with open_database() as database:
        read = _read(file, database)
        difference, names, at = _compare(database, read)
        is_done = not difference.is_nothing and (is_sure or not as_json)
        if not as_json:
            _show(difference, names, at, database.settings.currency)
            if is_done:
                ask("Change the prices so?", is_sure=is_sure)
        if is_done:

            async def work(session: AsyncSession, actor: Actor) -> Difference:
                from relay.desk.price_files import import_prices

                return await import_prices(session, actor, read, seen=difference)

            database.act(work)
    if as_json:
        print_json(_document(difference, names) | {"is_imported": is_done})
    elif is_done:
        click.echo(f"ended: {len(difference.ended)}, added: {len(difference.added)}")


@click.command("simulate")
@file_argument
@click.option(
    "--month",
    type=OneMonth(),
    required=True,
    help="Such as 2026-10; of the calendar of RELAY_TIMEZONE.",
)
@json_option
@examples(
    "relay price export > prices.toml     # then edit it",
    "relay price simulate prices.toml --month 2026-10",
)
def simulate_prices(file: str, month: Month, *, as_json: bool) -> None:
    """Show what a month's tasks would have cost by the prices of a file, to the micro.

    Each task that succeeded is priced anew from what it asked for, and settled by what Kling said
    of it. Rows of the file without dates count for the whole month, those with dates or hours as
    they say; behind them stands the list of Kling's that is in force now. Tenants are in the price
    groups that they are in now. Nothing is changed.
    """

    async def work(session: AsyncSession) -> list[Simulated]:
        from relay.desk.price_files import prices_of
        from relay.tasks.simulate import SimulationRunning, simulate

        prices = await prices_of(session, read, settings.zone)
        try:
            return await simulate(
                session, prices, month.window(settings.zone), catalogue=catalogue()
            )
        except SimulationRunning as error:
            raise Failure("another simulation is running: wait for its end") from error

    with open_database() as database:
        settings = database.settings
        read = _read(file, database)
        found = database.read(work)
    if as_json:
        print_json({"month": str(month), "currency": settings.currency, "rows": found})
        return
    _print_simulated(found, month, settings.currency)


def _print_simulated(found: list[Simulated], month: Month, currency: str) -> None:
    tasks = sum(one.tasks for one in found)
    charged = sum(one.charged_micros for one in found)
    simulated = sum(one.simulated_micros for one in found)
    unpriced = sum(one.unpriced for one in found)
    rows = [
        *((one.tenant, one.model, *_figures(one, currency)) for one in found),
        *(
            [("all", "", str(tasks), *_amounts(charged, simulated, currency), str(unpriced))]
            if found
            else []
        ),
    ]
    print_table(
        ["tenant", "model", ">tasks", ">charged", ">by the file", ">difference", ">no price"],
        rows,
        empty=f"No task of {month} succeeded.",
    )
    if unpriced:
        note("Tasks without a price would have been refused; they are in no sum by the file.")


def _figures(one: Simulated, currency: str) -> tuple[str, ...]:
    amounts = _amounts(one.charged_micros, one.simulated_micros, currency)
    return str(one.tasks), *amounts, str(one.unpriced)


def _amounts(charged: int, simulated: int, currency: str) -> tuple[str, str, str]:
    change = simulated - charged
    sign = "+" if change > 0 else ""
    return decimal_of(charged), money(simulated, currency), f"{sign}{money(change, currency)}"


def _read(file: str, database: Database) -> PriceFile:
    """Read a file, or refuse it in a sentence that names the row."""
    from relay.pricing.file import FileError, read_file

    try:
        return read_file(read_text(file), database.settings.zone, catalogue())
    except FileError as error:
        raise Failure(f"{file}: {error}; nothing was written") from error


def _compare(database: Database, read: PriceFile) -> tuple[Difference, dict[int, str], datetime]:
    async def work(session: AsyncSession) -> tuple[Difference, dict[int, str], datetime]:
        from relay.desk.price_files import compare_file
        from relay.pricing.prices import read_state

        difference, names = await compare_file(session, read)
        return difference, names, (await read_state(session)).now

    return database.read(work)


def _show(difference: Difference, names: Mapping[int, str], at: datetime, currency: str) -> None:
    lines = [("ends", one) for one in difference.ended] + [("new", one) for one in difference.added]
    print_table(
        ["", "row", ">price", "for", "when"],
        [
            (
                word,
                _key(one),
                _price(one, currency),
                for_whom(one, names),
                spelt_when(one, at) or "-",
            )
            for word, one in sorted(lines, key=lambda line: _key(line[1]))
        ],
        empty="No row differs.",
    )
    if difference.multiplies_amounts is not None:
        word = "apply" if difference.multiplies_amounts else "do not apply"
        click.echo(f"multipliers {word} to rows with an amount from then on")


def _key(one: PriceRow | Multiplier) -> str:
    from relay.pricing.book import PriceRow

    return quoted_key(one) if isinstance(one, PriceRow) else "multiplier"


def _price(one: PriceRow | Multiplier, currency: str) -> str:
    from relay.pricing.book import PriceRow

    return priced(one, currency) if isinstance(one, PriceRow) else f"x {plain(one.times)}"


def _document(difference: Difference, names: Mapping[int, str]) -> dict[str, Any]:
    from relay.pricing.book import PriceRow

    def shown(listed: list[PriceRow | Multiplier]) -> list[dict[str, object]]:
        return [
            {"kind": "price", **described(one, names=names)}
            if isinstance(one, PriceRow)
            else {"kind": "multiplier", **described_multiplier(one, names)}
            for one in listed
        ]

    return {
        "ended": shown(difference.ended),
        "added": shown(difference.added),
        "multiplies_amounts": difference.multiplies_amounts,
    }
