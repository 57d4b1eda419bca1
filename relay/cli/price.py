"""`relay price`: what tenants pay for which task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue, endpoint_named
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import Amount, Number
from relay.cli.price_adopt import adopt
from relay.cli.price_key import Key, key_options, quoted_key, ready_line, refuse_unpriced
from relay.cli.price_rows import (
    described,
    held_times,
    is_retired,
    priced,
    settled_by,
    switched,
    unit_prices,
    warnings,
    winner,
)
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.money import money

if TYPE_CHECKING:
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.pricing.book import PriceBook
    from relay.pricing.prices import Miss


@click.group()
def price() -> None:
    """Set what tenants pay.

    A task is priced by the closest of your own rows, else by Kling's official list, else by your
    catch-all '*'. Rows in units are held as quoted and settled by Kling's own deduction; rows with
    an amount are settled by exactly that amount.
    """


price.add_command(adopt)


@price.command("list")
@click.option("--endpoint", help="Only this endpoint.")
@click.option("--all", "is_all", is_flag=True, help="Official rows of retired models too.")
@json_option
def list_prices(endpoint: str | None, *, is_all: bool, as_json: bool) -> None:
    """List the rows in force: yours, then the official ones.

    "held x 1.333": Kling took so many times the price, again and again. That much is held until
    `relay price set` sets the row anew; nothing else lowers it.
    """
    if endpoint is not None:
        endpoint_named(endpoint, or_any=True)
    from relay.pricing.prices import read_book

    with open_database() as database:
        book: PriceBook = database.read(read_book)
        currency = database.settings.currency
    rows = [
        row
        for row in book.rows
        if endpoint in (None, row.endpoint) and (is_all or not is_retired(row))
    ]
    if as_json:
        print_json([described(row, book.rise(row)) for row in rows])
        return
    print_table(
        ["endpoint", "model", "mode", "sound", "voice", "video in", ">s", ">price", "source"],
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
                row.source,
            )
            for row in rows
        ],
        empty="No row fits.",
    )


@price.command("set")
@key_options(or_any=True)
@click.option(
    "--units-per-second",
    type=Number(least=0),
    metavar="X",
    help="Units of Kling's pack per second; settled by Kling's deduction.",
)
@click.option(
    "--units",
    type=Number(least=0),
    metavar="X",
    help="Units per task; settled by Kling's deduction, so this is what is held.",
)
@click.option(
    "--units-per-image",
    type=Number(least=0),
    metavar="X",
    help="Units of the image pack for each image asked for; settled by Kling's deduction.",
)
@click.option(
    "--amount", type=Amount(least=0), metavar="Y", help="Exactly this per task, in the currency."
)
@click.option(
    "--amount-per-second", type=Amount(least=0), metavar="Y", help="Exactly this per second."
)
@click.option(
    "--amount-per-image", type=Amount(least=0), metavar="Y", help="Exactly this per image."
)
@click.option(
    "--times", type=Number(least=0), metavar="M", help="Multiplies a price in units. Default: 1."
)
@click.option(
    "--hold-seconds",
    type=click.IntRange(1, 3600),
    help="Hold for this length where Kling decides it. Default: the longest it can be.",
)
@click.option(
    "--input-floor",
    type=Number(least=0),
    metavar="F",
    help="With a price per second: bill the seconds of input videos too, and at least F times the"
    " output's; held for the longest inputs.",
)
@click.option(
    "--pack",
    type=click.Choice(["video", "image"]),
    default="video",
    show_default=True,
    help="Which of Kling's packs the units are of.",
)
@json_option
@examples(
    "# list price times 1.2, for one tenant, on everything in units:",
    "relay tenant set acme --multiplier 1.2",
    "# list price times 1.2, for everybody, on one row (Kling's list has 0.6):",
    "relay price set text2video --model kling-v3 --mode std --sound off \\",
    "    --units-per-second 0.6 --times 1.2",
    "# this clip costs exactly 3:",
    "relay price set text2video --model kling-v3 --mode std --sound off --duration 10 --amount 3",
    "# whatever has no row: hold 100 units, settle by Kling's deduction (quote the '*'):",
    "relay price set '*' --units 100",
)
def set_price(
    key: Key,
    units_per_second: Decimal | None,
    units: Decimal | None,
    units_per_image: Decimal | None,
    amount: int | None,
    amount_per_second: int | None,
    amount_per_image: int | None,
    times: Decimal | None,
    hold_seconds: int | None,
    input_floor: Decimal | None,
    pack: str,
    *,
    as_json: bool,
) -> None:
    """Put a price in force, in place of your row with the same key.

    An option of the key that is left out fits anything; of two rows that fit a task, the one that
    names more wins. Tasks that run keep their quote.
    """
    from decimal import Decimal

    from relay.pricing.book import ANY_ENDPOINT, Pack, Per, PriceKind, PriceRow

    prices = {
        "--units-per-second": (PriceKind.UNITS, Per.SECOND, units_per_second),
        "--units": (PriceKind.UNITS, Per.TASK, units),
        "--units-per-image": (PriceKind.UNITS, Per.IMAGE, units_per_image),
        "--amount": (PriceKind.FIXED, Per.TASK, amount),
        "--amount-per-second": (PriceKind.FIXED, Per.SECOND, amount_per_second),
        "--amount-per-image": (PriceKind.FIXED, Per.IMAGE, amount_per_image),
    }
    given = [price for price in prices.values() if price[2] is not None]
    if len(given) != 1:
        raise click.UsageError(f"Give exactly one of {', '.join(prices)}.")
    kind, per, value = given[0]
    if key.endpoint == ANY_ENDPOINT and per is not Per.TASK:
        raise click.UsageError("'*' takes --units or --amount: its tasks' length is not known.")
    if kind is PriceKind.FIXED and times is not None:
        raise click.UsageError("--times multiplies units; an --amount is what it is.")
    if hold_seconds is not None and per is not Per.SECOND:
        raise click.UsageError("--hold-seconds goes with a price per second.")
    if input_floor is not None and (
        per is not Per.SECOND or not catalogue().of(key.endpoint).pricing.contents
    ):
        raise click.UsageError(
            "--input-floor goes with a price per second, where Kling bills input (Kling 4.0)."
        )
    row = PriceRow(
        **key.fields(),
        kind=kind,
        per=per,
        units=value if isinstance(value, Decimal) else None,
        amount_micros=value if isinstance(value, int) else None,
        pack=Pack.IMAGE if per is Per.IMAGE and kind is PriceKind.UNITS else Pack(pack),
        multiplier=Decimal(1) if times is None else times,
        hold_seconds=hold_seconds,
        input_floor=input_floor,
    )

    async def work(session: AsyncSession, actor: Actor) -> PriceBook:
        from relay.desk.prices import set_price as put
        from relay.pricing.prices import read_book

        await put(session, actor, row)
        return await read_book(session)

    with open_database() as database:
        refuse_unpriced(key)
        book = database.act(work)
        settings = database.settings
    wins, said = winner(row, book), warnings(row, book, settings)
    if as_json:
        print_json(
            described(row)
            | {"priced_by": None if wins is None else described(wins)}
            | {"warnings": said}
        )
        return
    click.echo(f"{quoted_key(row)}: {priced(row, settings.currency)}")
    if wins is not None:
        which = (
            "this row" if wins == row else f"{quoted_key(wins)}: {priced(wins, settings.currency)}"
        )
        click.echo(f"priced by, with Kling's defaults for what the key leaves open: {which}")
    for warning in said:
        note(f"Warning: {warning}{'' if warning.endswith('?') else '.'}")


@price.command("unset")
@key_options(or_any=True, or_gone=True)
@examples("relay price unset text2video --model kling-v3 --mode std")
def unset(key: Key) -> None:
    """Take your row with exactly this key out; official rows stay."""
    from relay.desk.errors import NoSuch
    from relay.desk.prices import remove_price
    from relay.pricing.book import PriceRow

    row = PriceRow(**key.fields())

    async def work(session: AsyncSession, actor: Actor) -> None:
        try:
            await remove_price(session, actor, row)
        except NoSuch as error:
            endpoint_named(key.endpoint, or_any=True)
            raise Failure(
                f"there is no row of yours with exactly the key {quoted_key(row)};"
                " `relay price list` shows them"
            ) from error

    with open_database() as database:
        database.act(work)
    click.echo(f"{quoted_key(row)}: removed")


@price.command()
@json_option
def missing(*, as_json: bool) -> None:
    """List what tenants asked for and were refused, and what still has no price."""
    from relay.pricing.book import PriceBook
    from relay.pricing.lists import OFFERED
    from relay.pricing.prices import read_book, read_misses

    async def work(session: AsyncSession) -> list[Miss]:
        book = await read_book(session)
        return [miss for miss in await read_misses(session) if book.find(miss.wanted) is None]

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
@click.option("--tenant", help="With this tenant's multiplier.")
@json_option
@examples("relay price quote text2video --model kling-v3 --mode pro --duration 10 --tenant acme")
def show_quote(key: Key, tenant: str | None, *, as_json: bool) -> None:
    """Show what a task would cost, and the row that says so.

    Fields that are left out have Kling's defaults.
    """
    from decimal import Decimal

    from relay.desk.find import tenant_named
    from relay.pricing.book import PriceRow
    from relay.pricing.prices import read_book
    from relay.pricing.quote import quote, shown_units
    from relay.pricing.standing import task_of

    refuse_unpriced(key)
    wanted = task_of(PriceRow(**key.fields()), catalogue().of(key.endpoint))

    async def work(session: AsyncSession) -> tuple[PriceBook, Decimal]:
        multiplier = (await tenant_named(session, tenant)).multiplier if tenant else Decimal(1)
        return await read_book(session), multiplier

    with open_database() as database:
        book, multiplier = database.read(work)
        settings = database.settings
    row = book.find(wanted)
    if row is None:
        raise Failure(f"no row prices {wanted}: such a task is refused; see `relay price set`")
    made = quote(
        row,
        wanted,
        prices=unit_prices(settings),
        tenant_multiplier=multiplier,
        rise=book.rise(row),
    )
    units = shown_units(made.hold_micros, made)
    if as_json:
        print_json(
            {
                "wanted": made.wanted,
                "row": described(row, book.rise(row)),
                "currency": settings.currency,
                "hold_micros": made.hold_micros,
                "shown_units": units,
                "seconds": made.seconds,
                "is_open": made.is_open,
                "settled_by": settled_by(row),
            }
        )
        return
    print_pairs(
        [
            ("task", str(made.wanted)),
            (
                "row",
                f"{quoted_key(row)}: {priced(row, settings.currency)}{held_times(book.rise(row))}",
            ),
            ("source", row.source),
            ("held", money(made.hold_micros, settings.currency)),
            ("held for", f"{made.seconds} s" + (", the most it can be" if made.is_open else "")),
            ("shown units", f"{units} (what the tenant sees as Kling's deduction)"),
            ("settled by", settled_by(row)),
        ]
    )
