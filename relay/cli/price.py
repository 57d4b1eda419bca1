"""`relay price`: what tenants pay for which task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue, priced_named
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.price_adopt import adopt
from relay.cli.price_files import diff, export, import_, simulate_prices
from relay.cli.price_key import Key, key_options, quoted_key, ready_line, refuse_unpriced
from relay.cli.price_multiply import amounts, multipliers, multiply
from relay.cli.price_rows import (
    described,
    held_times,
    is_retired,
    priced,
    switched,
)
from relay.cli.price_set import set_price, unset
from relay.cli.price_when import for_whom, names_of, spelt_when
from relay.cli.price_why import why
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.cli.window import LocalMoment
from relay.money import money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.explained import Explained
    from relay.pricing.book import PriceRow
    from relay.pricing.in_force import Prices
    from relay.pricing.prices import Miss


@click.group()
def price() -> None:
    """Set what tenants pay.

    A task is priced by the closest of the tenant's own rows, else of its price group's, else of
    your rows for all, else by Kling's official list, else by your catch-all '*'. Rows in units are
    held as quoted and settled by Kling's own deduction; rows with an amount are settled by exactly
    that amount. Each row holds from one moment until another; `relay price why` tells which one
    it was that priced a task.
    """


for _command in (
    *(set_price, unset, multiply, multipliers, amounts, why),
    *(export, diff, import_, simulate_prices, adopt),
):
    price.add_command(_command)


@price.command("list")
@click.option("--endpoint", help="Only this endpoint.")
@click.option("--all", "is_all", is_flag=True, help="Official rows of retired models too.")
@click.option(
    "--at",
    type=LocalMoment(),
    help="As it was or will be at a moment, such as 2026-12-01, in RELAY_TIMEZONE.",
)
@click.option(
    "--history", is_flag=True, help="Every row that you ever set, and until when it held."
)
@json_option
@examples(
    "relay price list --endpoint text2video",
    "relay price list --at '2026-12-24 19:00'",
    "relay price list --history",
)
def list_prices(
    endpoint: str | None, at: datetime | None, *, is_all: bool, history: bool, as_json: bool
) -> None:
    """List the rows in force: yours, then the official ones; and yours that are still to come.

    "held x 1.333": Kling took so many times the price, again and again. That much is held until
    `relay price set` sets the row anew; nothing else lowers it.
    """
    if endpoint is not None:
        priced_named(endpoint, or_any=True)
    if history and at is not None:
        raise click.UsageError("--history shows all moments; leave --at out.")
    from relay.pricing.in_force import read_prices
    from relay.pricing.prices import read_rows

    async def work(session: AsyncSession) -> tuple[Prices, list[PriceRow], dict[int, str]]:
        prices = await read_prices(session, database.settings.zone, at=at)
        rows = await read_rows(session) if history else [*prices.standing_rows, *prices.coming_rows]
        return prices, rows, await names_of(session, rows)

    with open_database() as database:
        prices, own, names = database.read(work)
        currency = database.settings.currency
    book = prices.book()
    official = [row for row in book.rows if not row.is_own and (is_all or not is_retired(row))]
    rows = own if history else [*_by_standing(own), *official]
    rows = [row for row in rows if endpoint in (None, row.endpoint)]
    if as_json:
        print_json([described(row, book.rise(row), names) for row in rows])
        return
    coming = [row for row in rows if row.valid_from is not None and row.valid_from > prices.at]
    _print_rows(
        [row for row in rows if history or row not in coming], prices, names, currency, history
    )
    if coming and not history:
        click.echo("\nto come:\n")
        _print_rows(coming, prices, names, currency, history)


def _by_standing(own: Sequence[PriceRow]) -> list[PriceRow]:
    """Put those for one tenant first, then for groups, for all, and what is for any endpoint."""
    return sorted(
        own, key=lambda row: (row.endpoint == "*", row.tenant_id is None, row.price_group is None)
    )


def _print_rows(
    rows: Sequence[PriceRow],
    prices: Prices,
    names: dict[int, str],
    currency: str,
    history: bool,  # noqa: FBT001 (as the option)
) -> None:
    """Print them with the columns that any of them needs."""
    whom = [for_whom(row, names) for row in rows]
    when = [spelt_when(row, prices.at) for row in rows]
    if history:
        when = [_period(row) for row in rows]
    has_whom, has_when = set(whom) - {"all"}, any(when)
    book = prices.book()
    print_table(
        [
            *("endpoint", "model", "mode", "sound", "voice", "video in", ">s", ">price"),
            *(["for"] if has_whom else []),
            *(["when"] if has_when else []),
            "source",
        ],
        [
            (
                row.endpoint,
                row.model or "any",
                row.mode or "any",
                switched(row.sound),
                switched(row.voice),
                switched(row.video_input),
                "any" if row.duration_s is None else str(row.duration_s),
                priced(row, currency) + held_times(book.rise(row)),
                *([for_] if has_whom else []),
                *([times] if has_when else []),
                row.source,
            )
            for row, for_, times in zip(rows, whom, when, strict=True)
        ],
        empty="You never set a row." if history else "No row fits.",
    )


def _period(row: PriceRow) -> str:
    from relay.pricing.validity import spelt_hours

    end = "for good" if row.valid_to is None else f"until {moment(row.valid_to)}"
    if row.valid_to is not None and row.valid_to == row.valid_from:
        end = "withdrawn before"
    hours = "" if row.hours is None else f" {spelt_hours(row.hours)} h"
    return f"{moment(row.valid_from)} {end}{hours}"


@price.command()
@json_option
def missing(*, as_json: bool) -> None:
    """List what tenants asked for and were refused, and what still has no price."""
    from relay.pricing.book import PriceBook
    from relay.pricing.lists import OFFERED
    from relay.pricing.missing import read_missing

    async def work(session: AsyncSession) -> list[Miss]:
        return await read_missing(session, database.settings.zone)

    with open_database() as database:
        misses = database.read(work)
    if as_json:
        print_json(
            [
                {
                    "wanted": miss.wanted,
                    "times": miss.times,
                    "first_at": miss.first_at,
                    "last_at": miss.last_at,
                    "command": ready_line(miss.wanted),
                }
                for miss in misses
            ]
        )
        return
    print_table(
        ["wanted", ">times", "last"],
        [(str(miss.wanted), str(miss.times), moment(miss.last_at)) for miss in misses],
        empty="Nothing was refused that still has no price.",
    )
    brought = [miss for miss in misses if PriceBook([], OFFERED.rows).find(miss.wanted)]
    if brought:
        note(
            f"\nKling's list of {OFFERED.name}, which this version brings, prices {len(brought)} of"
            " them: `relay price adopt` shows it."
        )
    lines = [line for miss in misses if (line := ready_line(miss.wanted)) is not None]
    if lines:
        note("\nTo sell them, with your own number for X:")
        for line in lines:
            click.echo(line)


@price.command("quote")
@key_options(or_any=False)
@click.option("--tenant", help="By this tenant's prices, and with its multiplier.")
@json_option
@examples("relay price quote text2video --model kling-v3 --mode pro --duration 10 --tenant acme")
def show_quote(key: Key, tenant: str | None, *, as_json: bool) -> None:
    """Show what a task would cost, and the row that says so.

    Fields that are left out have Kling's defaults. `relay price why` has the rows that lost, too.
    """
    from relay.desk.explained import explain_price, settled_by, shown_quote
    from relay.pricing.book import PriceRow
    from relay.pricing.quote import UnitPrices
    from relay.pricing.standing import task_of

    refuse_unpriced(key)
    wanted = task_of(PriceRow(**key.fields()), catalogue().priced_as(key.endpoint))

    async def work(session: AsyncSession) -> Explained:
        return await explain_price(
            *(session, wanted),
            tenant=tenant,
            zone=settings.zone,
            unit_prices=UnitPrices(*settings.unit_prices_micros),
        )

    with open_database() as database:
        settings = database.settings
        found = database.read(work)
    made, book = found.made, found.book
    if made is None:
        raise Failure(f"no row prices {wanted}: such a task is refused; see `relay price set`")
    shown, row = shown_quote(made, book, settings.currency), made.row
    if as_json:
        print_json(shown)
        return
    told = []
    if shown.resold_micros != shown.hold_micros:
        told = [("to the tenant", money(shown.resold_micros, settings.currency))]
    print_pairs(
        [
            ("task", str(made.wanted)),
            (
                "row",
                f"{quoted_key(row)}: {priced(row, settings.currency)}{held_times(book.rise(row))}",
            ),
            ("source", row.source),
            ("held", money(made.hold_micros, settings.currency)),
            *told,
            ("held for", f"{made.seconds} s" + (", the most it can be" if made.is_open else "")),
            ("shown units", f"{shown.shown_units} (what the tenant sees as Kling's deduction)"),
            ("settled by", settled_by(row)),
        ]
    )
