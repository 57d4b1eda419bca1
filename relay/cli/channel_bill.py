"""`relay channel bill`: Kling's bill for a month, held against our tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.cli.window import OneMonth
from relay.money import plain
from relay.months import spelt_window

if TYPE_CHECKING:
    from decimal import Decimal

    from relay.channels.opened import OpenedChannel
    from relay.kling.bills import BilledRow
    from relay.months import Month, Window
    from relay.usage.bill import Bill, BillDifference, OurTask, Sums

ABOUT = {
    "ours without theirs": "here it cost, and Kling's bill does not have it",
    "theirs without ours": "made beside the relay, or lost here",
    "another amount": "Kling told one deduction, and bills another",
    "not told": "Kling told no deduction here, and bills one",
    "another time": "deducted in another month, or far from when the task ran",
}


@click.command()
@click.argument("name", help="The channel's name.")
@click.argument("month", type=OneMonth(), help="Such as 2026-11, in RELAY_TIMEZONE.")
@json_option
@examples("relay channel bill main 2026-11", "relay channel bill main 2026-11 --json > bill.json")
def bill(name: str, month: Month, *, as_json: bool) -> None:
    """Hold a month of a channel's tasks against Kling's own bill, and name each difference.

    Asks Kling for the account's deductions in units and in money, which is free, once a second for
    500 of them. Synchronous calls have no id of Kling's here: they are found by amount and time.
    Changes nothing. Exit code 1: there are differences, or the bill could not be read.

    Of these lists only the vendor's pages are known: nobody has run this against the real Kling
    yet. What it cannot read of them it counts and says.
    """
    from relay.desk.at_kling import compare_bill, opened_named

    with open_database() as database:
        zone = database.settings.zone
        window = month.window(zone)
        channel, _ = database.read(lambda session: opened_named(session, database.keys, name))
        rows, unread = _deductions(channel, window)
        found, has_trial = database.read(
            lambda session: compare_bill(session, channel.id, window, rows, unread=unread)
        )
    if as_json:
        print_json({"channel": name, "since": window.start, "until": window.until, "bill": found})
    else:
        print_pairs([("Channel", name), *spelt_window(window, zone)])
        click.echo()
        _print(found)
        if has_trial:
            note("A trial of that month may be on Kling's bill, whose task is not known here.")
    if unread:
        note(f"{unread} rows of Kling's could not be read: is this what its pages say of them?")
    if found.differences:
        raise Failure(f"Kling's bill and our tasks differ: {len(found.differences)} differences")


def _deductions(channel: OpenedChannel, window: Window) -> tuple[list[BilledRow], int]:
    from relay.desk.at_kling import ask_bill
    from relay.desk.errors import NotPossible
    from relay.kling.httpx_transport import HttpxTransport

    async def run() -> tuple[list[BilledRow], int]:
        transport = HttpxTransport()
        try:
            return await ask_bill(transport, channel, window)
        finally:
            await transport.aclose()

    try:
        return asyncio.run(run())
    except NotPossible as error:
        raise Failure(error.why) from error


def _print(found: Bill) -> None:
    print_table(
        ["", ">tasks", ">units", ">money"],
        [
            ("here", *_sums(found.ours)),
            ("at Kling", *_sums(found.theirs)),
            *([("trials at Kling", *_sums(found.trials))] if found.trials.tasks else []),
        ],
        empty="",
    )
    if not found.differences:
        click.echo("\nThey agree, task by task.")
        return
    click.echo()
    columns = ["difference", ">task", "Kling's id", "of", "state", ">units", ">at Kling"]
    print_table(
        [*columns, ">money", ">at Kling", "ended", "deducted"],
        [_row(one) for one in found.differences],
        empty="",
    )
    for kind in dict.fromkeys(one.differs for one in found.differences):
        note(f"{kind.value}: {ABOUT[kind]}.")


def _sums(of: Sums) -> tuple[str, ...]:
    return str(of.tasks), plain(of.units), plain(of.cash)


def _row(one: BillDifference) -> tuple[str, ...]:
    ours, theirs = one.ours, one.theirs
    key = theirs.kling_id if theirs else (ours and ours.kling_id) or "-"
    return (
        one.differs.value,
        str(ours.id) if ours else "-",
        key,
        _of(one, ours),
        ours.state if ours else "-",
        _number(ours.units) if ours else "-",
        _number(theirs.units) if theirs else "-",
        _number(ours.cash, ours.currency) if ours else "-",
        _number(theirs.cash, theirs.currency) if theirs else "-",
        moment(ours.ended_at) if ours else "-",
        moment(theirs.at) if theirs else "-",
    )


def _of(one: BillDifference, ours: OurTask | None) -> str:
    if ours is None:
        return (one.theirs and one.theirs.function) or "-"
    what = f"{ours.endpoint} {ours.model or ''}".strip()
    return f"{what}, channel {ours.channel}" if one.differs == "theirs without ours" else what


def _number(amount: Decimal | None, currency: str | None = None) -> str:
    return "-" if amount is None else f"{plain(amount)} {currency or ''}".strip()
