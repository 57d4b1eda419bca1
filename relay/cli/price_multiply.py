"""`relay price multiply`, `multipliers` and `amounts`: what prices are multiplied by, for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import NONE, Times
from relay.cli.price_when import ForWhom, for_whom, names_of, spelt_when, whom_options
from relay.cli.show import fields_of, json_option, note, print_json, print_table
from relay.money import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.pricing.book import Multiplier
    from relay.pricing.in_force import Prices


@click.command()
@click.argument("times", type=Times(least=0), help="Such as 1.2, or none to take it away.")
@whom_options()
@examples(
    "relay price multiply 1.1                                  # everybody, on all in units",
    "relay price multiply 1.05 --price-group resellers         # in place of that one",
    "relay price multiply 1.3 --tenant acme --from 2026-12-01  # in place of both, from then on",
    "relay price multiply 0.8 --hours 0-8                      # nights, for all without their own",
    "relay price multiply none --price-group resellers",
)
def multiply(times: Decimal | str, whom: ForWhom) -> None:
    """Multiply what is priced in units: for all, a price group or a tenant, now or from a moment.

    One multiplier counts: the tenant's own, else its price group's, else that for all; they are
    not multiplied with each other, but each with the --times of a row. Whether it applies to rows
    with an --amount is said once, by `relay price amounts`.
    """
    from decimal import Decimal

    from relay.pricing.book import Multiplier

    is_none = times == NONE
    one = Multiplier(Decimal(0) if isinstance(times, str) else times, **whom.fields())
    if is_none and whom.valid_to is not None:
        raise click.UsageError("none ends it, at --from; leave --until out.")

    async def work(session: AsyncSession, actor: Actor) -> tuple[Prices, Mapping[int, str]]:
        from relay.desk.errors import NoSuch
        from relay.desk.multipliers import end_multiplier, set_multiplier
        from relay.pricing.in_force import read_prices

        if is_none:
            try:
                await end_multiplier(session, actor, one, tenant=whom.tenant, at=whom.valid_from)
            except NoSuch as error:
                if error.kind != "multiplier":
                    raise
                raise Failure(
                    "there is no such multiplier; `relay price multipliers` shows them"
                ) from error
        else:
            await set_multiplier(session, actor, one, tenant=whom.tenant)
        prices = await read_prices(session, database.settings.zone)
        listed = [*prices.standing_multipliers, *prices.coming_multipliers]
        return prices, await names_of(session, listed)

    with open_database() as database:
        prices, names = database.act(work)
    _print(prices, names)
    if times == 0:
        note(
            "Warning: with a multiplier of 0 all that is priced in units costs them nothing, and"
            " Kling still charges you."
        )


@click.command()
@json_option
def multipliers(*, as_json: bool) -> None:
    """List the multipliers that count now or will, and say whether they apply to amounts."""

    async def work(session: AsyncSession) -> tuple[Prices, Mapping[int, str]]:
        from relay.pricing.in_force import read_prices

        prices = await read_prices(session, database.settings.zone)
        listed = [*prices.standing_multipliers, *prices.coming_multipliers]
        return prices, await names_of(session, listed)

    with open_database() as database:
        prices, names = database.read(work)
    if as_json:
        listed = [*prices.standing_multipliers, *prices.coming_multipliers]
        print_json(
            {
                "multiplies_amounts": bool(prices.multiplies_amounts),
                "multipliers": [described_multiplier(one, names) for one in listed],
            }
        )
        return
    _print(prices, names)
    note(
        "They apply to rows with an amount too."
        if prices.multiplies_amounts
        else "They do not apply to rows with an amount."
    )


@click.command()
@click.argument(
    "applied",
    metavar="exact|multiplied",
    type=click.Choice(["exact", "multiplied"]),
    help="exact: an amount is what it is. multiplied: as all that is in units.",
)
@examples("relay price amounts multiplied")
def amounts(applied: str) -> None:
    """Say, once for all rows, whether multipliers apply to those with an --amount.

    Until it is said they do not. New tasks go by it within 2 seconds; those that run keep their
    quote.
    """

    async def work(session: AsyncSession, actor: Actor) -> None:
        from relay.desk.prices import say_amounts

        await say_amounts(session, actor, are_multiplied=applied == "multiplied")

    with open_database() as database:
        database.act(work)
    if applied == "exact":
        click.echo("rows with an amount: exactly that amount")
    else:
        click.echo("rows with an amount: the amount x the tenant's multiplier")


def described_multiplier(one: Multiplier, names: Mapping[int, str]) -> dict[str, object]:
    from relay.desk.shown_prices import shown_multiplier

    return fields_of(shown_multiplier(one, names))


def _print(prices: Prices, names: Mapping[int, str]) -> None:
    print_table(
        ["for", ">times", "when"],
        [
            (for_whom(one, names), plain(one.times), spelt_when(one, prices.at))
            for one in (*prices.standing_multipliers, *prices.coming_multipliers)
        ],
        empty="Nothing is multiplied: all pay the prices as they are listed.",
    )
