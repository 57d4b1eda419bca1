"""`relay price why`: the rows that were considered for a task, and why one of them prices it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.price_key import Key, key_options, quoted_key, refuse_unpriced
from relay.cli.price_multiply import described_multiplier
from relay.cli.price_rows import described, priced, settled_by, unit_prices
from relay.cli.price_when import names_of, spelt_when
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.cli.window import LocalMoment
from relay.money import money, plain

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.pricing.book import Multiplier
    from relay.pricing.in_force import Prices
    from relay.pricing.quote import Quote
    from relay.pricing.why import Reasons
    from relay.tenants.tables import Tenant


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
    from relay.pricing.quote import quote
    from relay.pricing.standing import task_of
    from relay.pricing.why import explain

    refuse_unpriced(key)
    wanted = task_of(PriceRow(**key.fields()), catalogue().of(key.endpoint))

    async def work(
        session: AsyncSession,
    ) -> tuple[Prices, Tenant | None, dict[int, str]]:
        from relay.desk.find import tenant_named
        from relay.pricing.in_force import read_prices

        prices = await read_prices(session, database.settings.zone, at=at)
        found = None if tenant is None else await tenant_named(session, tenant)
        shown: list[PriceRow | Multiplier] = [*prices.standing_rows, *prices.coming_rows]
        shown += [*prices.standing_multipliers, *prices.coming_multipliers]
        return prices, found, await names_of(session, shown)

    with open_database() as database:
        prices, found, names = database.read(work)
        settings = database.settings
    tenant_id, group = (None, None) if found is None else (found.id, found.price_group)
    reasons = explain(prices, wanted, tenant_id=tenant_id, price_group=group)
    book = prices.book(tenant_id, group)
    row = book.find(wanted)
    made = (
        None
        if row is None
        else quote(
            row,
            wanted,
            prices=unit_prices(settings),
            tenant_multiplier=book.multiplier,
            rise=book.rise(row),
            multiplies_amounts=book.multiplies_amounts,
        )
    )
    if as_json:
        print_json(
            {
                "wanted": wanted,
                "at": prices.at,
                "tenant": tenant,
                "price_group": group,
                "currency": settings.currency,
                "hold_micros": None if made is None else made.hold_micros,
                "multiplier": plain(book.multiplier),
                "rows": [
                    {
                        "of": one.of,
                        "is_chosen": one.is_chosen,
                        "reason": one.reason,
                        "row": described(one.row, book.rise(one.row), names),
                    }
                    for one in reasons.rows
                ],
                "multipliers": [
                    {
                        "of": one.of,
                        "is_chosen": one.is_chosen,
                        "reason": one.reason,
                        **described_multiplier(one.multiplier, names),
                    }
                    for one in reasons.multipliers
                ],
            }
        )
        return
    print_pairs(
        [
            ("task", str(wanted)),
            ("at", moment(prices.at)),
            ("tenant", tenant),
            ("price group", group),
        ]
    )
    _print_reasons(reasons, prices, settings.currency)
    if made is None:
        note("\nNo row prices it: such a task is refused. `relay price set` makes one.")
        return
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
                one.reason,
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
                one.reason,
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
