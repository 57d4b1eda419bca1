"""`relay price why`: the rows that were considered for a task, and why one of them prices it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.price_key import Key, key_options, quoted_key, refuse_unpriced
from relay.cli.price_rows import priced
from relay.cli.price_when import spelt_when
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.cli.window import LocalMoment
from relay.money import money, plain

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.explained import Explained
    from relay.pricing.in_force import Prices
    from relay.pricing.quote import Quote
    from relay.pricing.why import Reasons


@click.command()
@key_options(or_any=False)
@click.option("--tenant", help="For this tenant. Default: one without prices of its own.")
@click.option(
    "--at",
    type=LocalMoment(),
    help="At a moment, past or to come, in RELAY_TIMEZONE. Default: now.",
)
@json_option
@examples(
    "relay price why text2video --model kling-v3 --mode pro --duration 10 --tenant acme",
    "relay price why text2video --tenant acme --at '2026-12-24 19:00'",
)
def why(key: Key, tenant: str | None, at: datetime | None, *, as_json: bool) -> None:
    """Show each row and multiplier that was considered for a task, and why one of them counts.

    Fields that are left out have Kling's defaults. docs/prices.md, "Which row", has the rules.
    """
    from relay.pricing.book import PriceRow
    from relay.pricing.standing import task_of

    refuse_unpriced(key)
    wanted = task_of(PriceRow(**key.fields()), catalogue().priced_as(key.endpoint))

    async def work(session: AsyncSession) -> Explained:
        from relay.desk.explained import explain_price
        from relay.pricing.quote import UnitPrices

        return await explain_price(
            *(session, wanted),
            tenant=tenant,
            zone=settings.zone,
            unit_prices=UnitPrices(*settings.unit_prices_micros),
            at=at,
        )

    with open_database() as database:
        settings = database.settings
        found = database.read(work)
    if as_json:
        from relay.desk.explained import shown_reasons

        print_json(shown_reasons(found, settings.currency))
        return
    prices, made = found.prices, found.made
    group = None if found.payer is None else found.payer.price_group
    print_pairs(
        [
            ("task", str(wanted)),
            ("at", moment(prices.at)),
            ("tenant", tenant),
            ("price group", group),
        ]
    )
    _print_reasons(found.reasons, prices, settings.currency)
    if made is None:
        note("\nNo row prices it: such a task is refused. `relay price set` makes one.")
        return
    from relay.desk.explained import settled_by

    click.echo()
    print_pairs(
        [
            ("held", money(made.hold_micros, settings.currency)),
            ("that is", _spelt_sum(made, settings.currency)),
            ("settled by", settled_by(made.row)),
        ]
    )


def _print_reasons(reasons: Reasons, prices: Prices, currency: str) -> None:
    click.echo()
    print_table(
        ["row", ">price", "when", "of", "", "reason"],
        [
            (
                quoted_key(one.row),
                priced(one.row, currency),
                spelt_when(one.row, prices.at) or "-",
                one.of,
                "takes it" if one.is_chosen else "",
                str(one.reason),
            )
            for one in reasons.rows
        ],
        empty="No row fits it.",
    )
    if not reasons.multipliers:
        return
    click.echo()
    print_table(
        [">multiplier", "when", "of", "", "reason"],
        [
            (
                plain(one.multiplier.times),
                spelt_when(one.multiplier, prices.at) or "-",
                one.of,
                "counts" if one.is_chosen else "",
                str(one.reason),
            )
            for one in reasons.multipliers
        ],
        empty="",
    )


def _spelt_sum(made: Quote, currency: str) -> str:
    """Spell how the amount comes about: the row's price, times what."""
    from relay.pricing.book import PriceKind

    words = [priced(made.row, currency)]
    if made.row.kind is PriceKind.UNITS:
        words.append(f"{money(made.list_unit_micros, currency)}/unit")
        own = made.unit_micros / (made.list_unit_micros * (made.row.multiplier or 1) or 1)
        words.append(f"the tenant's {plain(own.normalize())}")
    elif made.amount_times is not None:
        words.append(f"the tenant's {plain(made.amount_times)}")
    if made.row.per.value == "second":
        words.append(f"{made.seconds} s")
    if made.row.per.value == "image":
        words.append(f"{made.wanted.count} images")
    if made.quoted_micros is not None:
        words.append("what more is held since Kling took more")
    return " x ".join(words)
