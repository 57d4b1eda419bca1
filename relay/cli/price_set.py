"""`relay price set` and `unset`: rows of the operator's, for whom and when."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue, priced_named
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import Amount, Number
from relay.cli.price_key import Key, key_options, quoted_key, refuse_unpriced
from relay.cli.price_rows import described, priced, warnings
from relay.cli.price_when import ForWhom, for_whom, spelt_when, whom_options
from relay.cli.show import json_option, moment, note, print_json
from relay.cli.window import LocalMoment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.pricing.book import PriceRow
    from relay.pricing.in_force import Prices


@click.command("set")
@key_options(or_any=True)
@whom_options()
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
    "--amount",
    type=Amount(least=0),
    metavar="Y",
    help="Exactly this per task, in the currency; whether multipliers apply to amounts is said once"
    " for all of them, by `relay price amounts`.",
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
    "# cheaper at night, in December, for the tenants of one price group:",
    "relay price set text2video --model kling-v3 --units-per-second 0.5 \\",
    "    --price-group resellers --hours 22-6 --from 2026-12-01 --until 2027-01-01",
)
def set_price(
    key: Key, whom: ForWhom, *, pack: str, as_json: bool, **numbers: Decimal | int | None
) -> None:
    """Put a price in force, now or from a moment on; your row with the same key ends then.

    An option of the key that is left out fits anything; of two rows that fit a task, the one that
    names more wins, and a row for a tenant or a price group goes before all that are not. A price
    with --until lies over the one for good. Nothing is written over: `relay price list --history`.
    Tasks that run keep their quote.
    """
    row = _read_row(key, whom, pack, numbers)

    async def work(session: AsyncSession, actor: Actor) -> tuple[PriceRow, Prices, str | None]:
        from relay.desk.prices import set_price as put
        from relay.pricing.in_force import read_prices
        from relay.tenants.read import find_tenant

        stored = await put(session, actor, row, tenant=whom.tenant)
        in_force = await read_prices(session, database.settings.zone)
        found = await find_tenant(session, whom.tenant) if whom.tenant is not None else None
        return stored, in_force, None if found is None else found.price_group

    with open_database() as database:
        refuse_unpriced(key)
        stored, in_force, tenants_group = database.act(work)
        settings = database.settings
        if row.amount_micros is not None and in_force.multiplies_amounts is None:
            _ask_about_amounts(database, has_multipliers=bool(in_force.standing_multipliers))
    from relay.pricing.doubts import in_force_at, is_same_row, winner

    # As of when it is in force, so that a price of tomorrow is judged among those of tomorrow.
    then = in_force.moved(in_force_at(stored, in_force.at, settings.zone))
    book = then.book(stored.tenant_id, stored.price_group or tenants_group)
    wins = winner(stored, book, catalogue().priced)
    said = warnings(stored, book, settings)
    names = {} if stored.tenant_id is None else {stored.tenant_id: whom.tenant or ""}
    if as_json:
        print_json(
            described(stored, names=names)
            | {"priced_by": None if wins is None else described(wins, names=names)}
            | {"warnings": said}
        )
        return
    about = (for_whom(stored, names), spelt_when(stored, in_force.at))
    shown = ", ".join(word for word in about if word not in ("", "all"))
    click.echo(f"{quoted_key(row)}: {priced(row, settings.currency)}{f' ({shown})' * bool(shown)}")
    if wins is not None:
        which = f"{quoted_key(wins)}: {priced(wins, settings.currency)}"
        if is_same_row(wins, stored):
            which = "this row"
        click.echo(f"priced by, with Kling's defaults for what the key leaves open: {which}")
    for warning in said:
        note(f"Warning: {warning}{'' if warning.endswith('?') else '.'}")


def _ask_about_amounts(database: Database, *, has_multipliers: bool) -> None:
    """Ask once whether multipliers apply to amounts; where nobody can answer, say what holds."""
    from functools import partial

    from relay.desk.prices import say_amounts

    if sys.stdin.isatty():
        question = "Do multipliers apply to rows with an amount, too? (Asked this once.)"
        are_multiplied = click.confirm(question, default=False, err=True)
        database.act(partial(say_amounts, are_multiplied=are_multiplied))
    elif has_multipliers:
        note(
            "Multipliers do not apply to amounts, as long as `relay price amounts multiplied` does"
            " not say so."
        )


def _read_row(
    key: Key, whom: ForWhom, pack: str, numbers: Mapping[str, Decimal | int | None]
) -> PriceRow:
    """Make a row of the options, or refuse those that make no sense together."""
    from decimal import Decimal

    from relay.pricing.book import ANY_ENDPOINT, Pack, Per, PriceKind, PriceRow

    ways = {
        "--units-per-second": (PriceKind.UNITS, Per.SECOND),
        "--units": (PriceKind.UNITS, Per.TASK),
        "--units-per-image": (PriceKind.UNITS, Per.IMAGE),
        "--amount": (PriceKind.FIXED, Per.TASK),
        "--amount-per-second": (PriceKind.FIXED, Per.SECOND),
        "--amount-per-image": (PriceKind.FIXED, Per.IMAGE),
    }
    values = {option: numbers[option[2:].replace("-", "_")] for option in ways}
    given = [option for option, value in values.items() if value is not None]
    if len(given) != 1:
        raise click.UsageError(f"Give exactly one of {', '.join(ways)}.")
    kind, per = ways[given[0]]
    value, times = values[given[0]], numbers["times"]
    hold_seconds, input_floor = numbers["hold_seconds"], numbers["input_floor"]
    if key.endpoint == ANY_ENDPOINT and per is not Per.TASK:
        raise click.UsageError("'*' takes --units or --amount: its tasks' length is not known.")
    if kind is PriceKind.FIXED and times is not None:
        raise click.UsageError("--times multiplies units; an --amount is what it is.")
    if hold_seconds is not None and per is not Per.SECOND:
        raise click.UsageError("--hold-seconds goes with a price per second.")
    if input_floor is not None and (
        per is not Per.SECOND or not catalogue().priced_as(key.endpoint).pricing.contents
    ):
        raise click.UsageError(
            "--input-floor goes with a price per second, where Kling bills input (Kling 4.0)."
        )
    return PriceRow(
        **key.fields(),
        **whom.fields(),
        kind=kind,
        per=per,
        units=value if isinstance(value, Decimal) else None,
        amount_micros=value if isinstance(value, int) else None,
        pack=Pack.IMAGE if per is Per.IMAGE and kind is PriceKind.UNITS else Pack(pack),
        multiplier=Decimal(1 if times is None else times),
        hold_seconds=None if hold_seconds is None else int(hold_seconds),
        input_floor=None if input_floor is None else Decimal(input_floor),
    )


@click.command("unset")
@key_options(or_any=True, or_gone=True)
@whom_options(has_times=False)
@click.option(
    "--at",
    type=LocalMoment(),
    help="End it then, such as 2026-12-01, in RELAY_TIMEZONE. Default: now.",
)
@examples(
    "relay price unset text2video --model kling-v3 --mode std",
    "relay price unset text2video --price-group resellers --hours 22-6 --at 2027-01-01",
)
def unset(key: Key, whom: ForWhom, at: datetime | None) -> None:
    """End your row with exactly this key, whom and hours; official rows stay.

    What of it was still to come is withdrawn. It stays in `relay price list --history`.
    """
    from relay.desk.errors import NoSuch
    from relay.desk.prices import remove_price
    from relay.pricing.book import PriceRow

    row = PriceRow(**key.fields(), **whom.fields())

    async def work(session: AsyncSession, actor: Actor) -> None:
        try:
            await remove_price(session, actor, row, tenant=whom.tenant, at=at)
        except NoSuch as error:
            if error.kind != "price":
                raise
            priced_named(key.endpoint, or_any=True)
            raise Failure(
                f"there is no row of yours with exactly the key {quoted_key(row)}"
                f"{_spelt_whom(whom)}; `relay price list` shows them"
            ) from error

    with open_database() as database:
        database.act(work)
    ended = "removed" if at is None else f"ends {moment(at)}"
    click.echo(f"{quoted_key(row)}{_spelt_whom(whom)}: {ended}")


def _spelt_whom(whom: ForWhom) -> str:
    """Spell it as the options do."""
    from relay.pricing.validity import spelt_hours

    given = {
        "--tenant": whom.tenant,
        "--price-group": whom.price_group,
        "--hours": None if whom.hours is None else spelt_hours(whom.hours),
    }
    return "".join(f" {name} {word}" for name, word in given.items() if word is not None)
