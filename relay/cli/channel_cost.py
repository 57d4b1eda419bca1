"""`relay channel cost`: what a channel's units are bought for, and from when on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import Number, read_decimal
from relay.cli.show import json_option, moment, note, print_json, print_table
from relay.cli.sure import ask, sure_option
from relay.cli.window import LocalMoment
from relay.money import money, plain
from relay.months import Window

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.costs import Cost, ListedCost
    from relay.channels.tables import ChannelCost
    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.usage.sums import Usage

PLACES_MAX = 12


class Rate(click.ParamType[tuple[Decimal, Decimal]]):
    """`7.12`: so much of the other currency is worth one of the books'; or `1/7.12`."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Decimal, Decimal]:
        if isinstance(value, tuple):
            return value
        spelt, _, per = str(value).partition("/")
        try:
            rate = read_decimal(spelt, places_max=PLACES_MAX)
            rate_per = read_decimal(per or "1", places_max=PLACES_MAX)
        except ValueError:
            rate = rate_per = Decimal(0)
        if rate <= 0 or rate_per <= 0 or (per == "" and "/" in str(value)):
            self.fail(f"'{value}' is no rate such as 7.12, or 1/7.12.", param, ctx)
        return rate, rate_per


@click.command()
@click.argument("name", required=False, help="The channel's name; without any, rows of all.")
@click.option(
    "--unit-price",
    type=Number(least=0, places_max=PLACES_MAX),
    help="What one unit was bought for, in --currency; without it, the rows are listed.",
)
@click.option(
    "--pack",
    type=click.Choice(["video", "image"]),
    default="video",
    show_default=True,
    help="Whose units: audio is paid by videos'.",
)
@click.option(
    "--cash", is_flag=True, help="Of one of the money that Kling takes, of accounts without packs."
)
@click.option("--currency", metavar="CNY", help="It was paid in; without it, that of the books.")
@click.option(
    "--rate",
    type=Rate(),
    help="How much of --currency is worth 1 of the books' currency: 7.12. Where it is quoted the"
    " other way round: 1/7.12.",
)
@click.option(
    "--from",
    "valid_from",
    type=LocalMoment(),
    help="Since when, such as 2026-11-01, in RELAY_TIMEZONE; a past day too. Default: now.",
)
@sure_option
@json_option
@examples(
    "relay channel cost main --unit-price 0.11 --currency CNY --rate 7.12 --from 2026-11-01",
    "relay channel cost main --pack image --unit-price 0.0028",
    "relay channel cost cash-account --cash --unit-price 0.95     # bought at 5 % off",
    "relay channel cost main                                      # all rows there ever were",
)
def cost(
    name: str | None,
    unit_price: Decimal | None,
    pack: str,
    currency: str | None,
    rate: tuple[Decimal, Decimal] | None,
    valid_from: datetime | None,
    *,
    cash: bool,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Say what a channel's units are bought for, which `relay margin` holds charges against.

    A price holds from its moment until the next one's; nothing is written over. A task costs what
    held when it ended, so a price that begins in the past counts for the tasks of then: what that
    changes is shown. Of two with the same beginning the one that was entered later counts.
    """
    others = (currency, rate, valid_from)
    if unit_price is None or name is None:
        if unit_price is not None or cash or any(value is not None for value in others):
            raise click.UsageError("Say the channel's NAME and its --unit-price.")
        _list(name, as_json=as_json)
        return
    from relay.channels.costs import Cost, CostUnit

    with open_database() as database:
        books = database.settings.currency
        paid_in = books if currency is None else currency
        if (paid_in != books) != (rate is not None):
            raise click.UsageError(
                f"--rate says what {paid_in} is worth in {books}: "
                + ("say it." if rate is None else "leave it out.")
            )
        given = Cost(
            CostUnit.CASH if cash else CostUnit(pack),
            unit_price,
            paid_in,
            *(rate or (Decimal(1), Decimal(1))),
        )
        _set(database, name, given, valid_from, is_sure=is_sure, as_json=as_json)


def _set(
    database: Database,
    name: str,
    given: Cost,
    valid_from: datetime | None,
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    from datetime import UTC, datetime

    books = database.settings.currency
    is_late = valid_from is not None and valid_from < datetime.now(UTC)
    before = _months(database, name, valid_from) if is_late else []
    if charges := sum(one.charges + one.uncharged for one in before):
        ask(
            f"Since then {charges} tasks of {name} ended: those of these units will cost otherwise"
            " than `relay margin` said. Enter it?",
            is_sure=is_sure,
        )

    async def work(session: AsyncSession, actor: Actor) -> ChannelCost | None:
        from relay.desk.channel_costs import set_channel_cost

        return await set_channel_cost(
            session, actor, name, given, currency=books, valid_from=valid_from
        )

    row = database.act(work)
    moved = [] if row is None else _moved(before, _months(database, name, valid_from), is_late)
    if as_json:
        print_json(
            {
                "is_new": row is not None,
                **_described(given),
                "from": row and row.valid_from,
                "moved": moved,
            }
        )
        return
    if row is None:
        click.echo("That is what counts then already: nothing was written.")
        return
    click.echo(
        f"{name}: {_spelt(given, books)} from {moment(row.valid_from)} on; it was entered as row"
        f" {row.id}."
    )
    if moved:
        _print_moved(moved, books)


def _months(database: Database, name: str, since: datetime | None) -> list[Usage]:
    """Sum up a channel by month, from a moment on."""
    if since is None:
        return []
    zone, currency = database.settings.zone, database.settings.currency

    async def work(session: AsyncSession) -> list[Usage]:
        from datetime import UTC, datetime

        from relay.desk.find import channel_named
        from relay.usage.sums import UsageKey, read_usage

        channel = await channel_named(session, name)
        window = Window(since, max(since, datetime.now(UTC)))
        return await read_usage(
            *(session, [UsageKey.MONTH], window),
            zone=zone,
            currency=currency,
            channel_id=channel.id,
        )

    return database.read(work)


def _moved(before: list[Usage], after: list[Usage], is_late: bool) -> list[dict[str, Any]]:  # noqa: FBT001
    if not is_late:
        return []
    was = {one.keys["month"]: one.cost_micros for one in before}
    return [
        {
            "month": one.keys["month"],
            "cost_before_micros": was.get(one.keys["month"], 0),
            "cost_micros": one.cost_micros,
        }
        for one in after
        if one.cost_micros != was.get(one.keys["month"], 0)
    ]


def _print_moved(moved: list[dict[str, Any]], currency: str) -> None:
    print_table(
        ["month", ">cost before", ">cost now"],
        [
            (
                str(one["month"]),
                money(one["cost_before_micros"], currency),
                money(one["cost_micros"], currency),
            )
            for one in moved
        ],
        empty="",
    )
    note("What was known before: `relay margin --as-of MOMENT`.")


def _list(name: str | None, *, as_json: bool) -> None:
    async def work(session: AsyncSession) -> list[ListedCost]:
        from relay.channels.costs import list_costs
        from relay.desk.find import channel_named

        return await list_costs(session, (await channel_named(session, name)).id if name else None)

    with open_database() as database:
        found = database.read(work)
        books = database.settings.currency
    if as_json:
        print_json(
            [
                {
                    "id": one.id,
                    "channel": one.channel,
                    **_described(one.cost),
                    "from": one.valid_from,
                    "until": one.valid_to,
                    "replaced_by": one.replaced_by,
                    "entered_at": one.entered_at,
                    "actor": one.actor,
                }
                for one in found
            ]
        )
        return
    print_table(
        [">row", "channel", "price", "from", "until", "entered", "by"],
        [
            (
                str(one.id),
                one.channel,
                _spelt(one.cost, books),
                moment(one.valid_from),
                f"in place of it: row {one.replaced_by}"
                if one.replaced_by
                else moment(one.valid_to),
                moment(one.entered_at),
                one.actor,
            )
            for one in found
        ],
        empty="No purchase price was entered: units cost what Kling's list says.",
    )


def _described(cost: Cost) -> dict[str, Any]:
    return {
        "unit": cost.unit.value,
        "price": plain(cost.price),
        "currency": cost.currency,
        "rate": plain(cost.rate),
        "rate_per": plain(cost.rate_per),
    }


def _spelt(cost: Cost, books: str) -> str:
    """Spell it with what it is in the books' currency, to a micro."""
    from relay.money import MICROS, decimal_of, rounded

    what = "1 of Kling's money" if cost.unit == "cash" else f"a {cost.unit.value} unit"
    spelt = f"{what} {plain(cost.price)} {cost.currency}"
    if cost.currency == books:
        return spelt
    ours = decimal_of(rounded(cost.price * cost.rate_per * MICROS / cost.rate))
    rate = f"{plain(cost.rate)} {cost.currency} = {plain(cost.rate_per)} {books}"
    return f"{spelt} (about {ours} {books}, at {rate})"
