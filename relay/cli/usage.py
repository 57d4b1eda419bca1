"""`relay usage`: what was made, charged and taken by Kling, by whatever one asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.show import json_option, note, print_json, print_table
from relay.cli.window import Day, OneMonth
from relay.money import decimal_of, money
from relay.months import window_of

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.months import Month
    from relay.usage.sums import Usage

KEYS = ["day", "month", "account", "tenant", "token", "model", "endpoint", "channel"]
COUNTS = ("tasks", "succeeded", "failed", "seconds", "images")


@click.command()
@click.option("--by", "keys", type=click.Choice(KEYS), multiple=True, help="Again for more keys.")
@click.option("--month", type=OneMonth(), help="Such as 2026-11; without any, this month so far.")
@click.option("--from", "first", type=Day(), help="In place of a month: the first day.")
@click.option("--to", "last", type=Day(), help="And the last one; without it, today.")
@click.option("--tenant", help="Only of this tenant.")
@click.option("--channel", help="Only of this channel.")
@click.option("--model", help="Only of this model, as tenants spell it.")
@json_option
@examples(
    "relay usage --by tenant                              # this month",
    "relay usage --by month --by model --from 2026-01-01",
    "relay usage --by day --by channel --month 2026-11 --tenant acme",
)
def usage(
    keys: tuple[str, ...],
    month: Month | None,
    first: date | None,
    last: date | None,
    tenant: str | None,
    channel: str | None,
    model: str | None,
    *,
    as_json: bool,
) -> None:
    """Sum up days of RELAY_TIMEZONE, from tasks and entries as they are now.

    Tasks are those that were made then, and how these ended. Seconds, images, charges (less what
    was given back), Kling's cost and the margin are of what was entered then. A unit costs what it
    was bought for (`relay channel cost`), else what Kling's list said. What has no known cost is
    in no margin. Tasks of keys for tests are left out.
    """
    if month is not None and (first is not None or last is not None):
        raise click.UsageError("Say a --month, or --from and --to.")
    if last is not None and first is None:
        raise click.UsageError("Say --from when.")
    if first is not None and last is not None and last < first:
        raise click.UsageError(f"--to {last} is before --from {first}.")

    async def work(session: AsyncSession) -> list[Usage]:
        from relay.desk.find import channel_named, tenant_named
        from relay.usage.sums import UsageKey, read_usage

        return await read_usage(
            session,
            [UsageKey(key) for key in dict.fromkeys(keys)],
            window,
            zone=zone,
            currency=currency,
            tenant_id=(await tenant_named(session, tenant)).id if tenant is not None else None,
            channel_id=(await channel_named(session, channel)).id if channel is not None else None,
            model=model,
        )

    with open_database() as database:
        zone, currency = database.settings.zone, database.settings.currency
        spelt = None if month is None else str(month)
        window = window_of(spelt, first, last, zone=zone, now=datetime.now(UTC))
        found = database.read(work)
    if as_json:
        print_json([_described(one) for one in found])
    else:
        print_usage(found, list(dict.fromkeys(keys)), currency)


def _described(one: Usage) -> dict[str, Any]:
    import msgspec

    figures: dict[str, Any] = msgspec.structs.asdict(one)
    keys: dict[str, Any] = figures.pop("keys")
    return keys | figures | {"margin_micros": one.margin_micros}


def print_usage(found: list[Usage], keys: list[str], currency: str) -> None:
    """Print sums for people; what sub-tenants were charged stands beside, where that differs."""
    # What sub-tenants were charged, where there are any: most relays have none.
    is_resold = any(one.resold_micros != one.charged_micros for one in found)
    rows = [
        (
            *("-" if value is None else str(value) for value in one.keys.values()),
            *(str(getattr(one, name)) for name in COUNTS),
            decimal_of(one.charged_micros),
            *((decimal_of(one.resold_micros),) if is_resold else ()),
            decimal_of(one.cost_micros),
            decimal_of(one.margin_micros),
        )
        for one in found
    ]
    print_table(
        [
            *keys,
            *(f">{name}" for name in COUNTS),
            f">{currency} charged",
            *((">resold",) if is_resold else ()),
            *(">cost", ">margin"),
        ],
        rows,
        empty="Nothing was made or charged then.",
    )
    if len(found) > 1:
        charged, cost, margin = (
            sum(getattr(one, f"{name}_micros") for one in found)
            for name in ("charged", "cost", "margin")
        )
        tasks = sum(one.tasks for one in found)
        note(
            f"In all {tasks} tasks, {money(charged, currency)} charged, {money(cost, currency)}"
            f" taken by Kling: {money(margin, currency)} are left."
        )
    if unknown := sum(one.without_cost for one in found):
        apart = sum(one.without_cost_micros for one in found)
        note(
            f"Of {unknown} tasks, charged {money(apart, currency)}, it is not known what Kling"
            " took: they are in no cost and no margin."
        )
