"""`relay price adopt`: what a newer list of Kling's would change, and putting it in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.price_rows import described, priced, switched
from relay.cli.show import json_option, note, print_json, print_table
from relay.cli.sure import ask, sure_option
from relay.money import MICROS

if TYPE_CHECKING:
    from decimal import Decimal

    from relay.pricing.book import PriceBook
    from relay.pricing.lists import AdoptedList, RowChange
    from relay.pricing.margins import Both, ListDifference, TenantMargin

ROWS = [
    *("endpoint", "model", "mode", "sound", "voice", "video in", ">s", ">old", ">new", ">change"),
    *("yours before it", ">sold in 30 days"),
]
TENANTS = [
    *("tenant", ">tasks", ">charges", ">if adopted", ">change", ">Kling's cost", ">new cost"),
    *(">margin", ">if adopted", ">if not"),
]
EXPLAINED = """
Figures are quotes, at the tenants' multipliers of today, with a unit at its list price; Kling's
cost is what its list says. If not: Kling takes the new prices, and tenants pay the old ones."""


@click.command()
@sure_option
@json_option
@examples("relay price adopt", "relay price adopt --yes", "relay price adopt --json | jq .tenants")
def adopt(*, is_sure: bool, as_json: bool) -> None:
    """Price by the list of Kling's that this version of the relay brings.

    An upgrade that brings a newer list changes no price by itself. This shows each row that
    differs, whose tasks of the last 30 days would be charged otherwise, and the margins; then it
    asks. New tasks are priced by it within 2 seconds; those that run keep their quote. Your own
    rows stay and go before it, as before. With --json it only shows, unless --yes is given too.
    """
    from functools import partial

    from relay.desk.offered_lists import read_offered
    from relay.desk.prices import adopt_list
    from relay.pricing.lists import OFFERED

    with open_database() as database:
        adopted, book, difference = database.read(partial(read_offered, settings=database.settings))
        is_newer = adopted.name != OFFERED.name
        is_done = is_newer and (is_sure or not as_json)
        if not as_json:
            _show(adopted, book, difference, database.settings.currency)
            if is_newer:
                ask(f"Price new tasks by Kling's list of {OFFERED.name}?", is_sure=is_sure)
        if is_done:
            database.act(partial(adopt_list, instead_of=adopted.name))
    if as_json:
        print_json(_document(adopted, difference) | {"is_adopted": is_done})
    elif is_done:
        click.echo(f"Kling's list of {OFFERED.name} is in force")


def _show(adopted: AdoptedList, book: PriceBook, difference: ListDifference, currency: str) -> None:
    from relay.pricing.lists import OFFERED

    if adopted.name == OFFERED.name:
        click.echo(f"Kling's list of {adopted.name} is in force, the one that this version brings")
        return
    click.echo(
        f"in force: Kling's list of {adopted.name}; this version brings that of {OFFERED.name}"
    )
    click.echo()
    print_table(
        ROWS,
        [_cells(change, tasks, book, currency) for change, tasks in difference.rows],
        empty="No row differs.",
    )
    if not difference.rows:
        return
    click.echo()
    print_table(
        TENANTS,
        [_margin_cells(one, currency) for one in difference.tenants],
        empty="Nobody bought such a task in the last 30 days.",
    )
    for one in difference.tenants:
        if one.refused:
            note(f"{one.refused} tasks of '{one.tenant}' would have no price any more: refused.")
    if difference.tenants:
        note(EXPLAINED)


def _cells(change: RowChange, tasks: int, book: PriceBook, currency: str) -> tuple[str, ...]:
    from relay.pricing.standing import stand

    row = change.either
    standing = stand(row, book, catalogue().priced)
    before = [one for one in standing.before if one.is_own]
    return (
        row.endpoint,
        row.model or "any",
        row.mode or "any",
        switched(row.sound),
        switched(row.voice),
        switched(row.video_input),
        "any" if row.duration_s is None else str(row.duration_s),
        "-" if change.old is None else priced(change.old, currency),
        "-" if change.new is None else priced(change.new, currency),
        _row_change(change),
        "-" if not before else "of some" if standing.is_used else "of all",
        str(tasks),
    )


def _row_change(change: RowChange) -> str:
    if change.old is None:
        return "new"
    if change.new is None:
        return "gone"
    old, new = change.old, change.new
    if not old.units or new.units is None or (old.per, old.pack) != (new.per, new.pack):
        return "other"
    return _percent(100 * (new.units - old.units) / old.units)


def _margin_cells(one: TenantMargin, currency: str) -> tuple[str, ...]:
    margins = ["-" if margin is None else f"{margin:.1f} %" for margin in one.margins]
    charged = one.charges.old_micros
    change = None if not charged else 100 * (one.charges.new_micros - charged) / charged
    return (
        one.tenant,
        str(one.tasks),
        *_amounts(one.charges, currency),
        "-" if change is None else _percent(change),
        *_amounts(one.costs, currency),
        *margins,
    )


def _amounts(both: Both, currency: str) -> tuple[str, str]:
    # To the cent: they are sums of estimates.
    old, new = (f"{micros / MICROS:,.2f}" for micros in (both.old_micros, both.new_micros))
    return old, f"{new} {currency}"


def _one_place(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:.1f}"


def _percent(number: Decimal | float) -> str:
    return f"{number:+.1f} %"


def _document(adopted: AdoptedList, difference: ListDifference) -> dict[str, Any]:
    from relay.pricing.lists import OFFERED

    return {
        "in_force": adopted.name,
        "brought": OFFERED.name,
        "rows": [
            {
                "old": None if change.old is None else described(change.old),
                "new": None if change.new is None else described(change.new),
                "sold": tasks,
            }
            for change, tasks in difference.rows
        ],
        "tenants": [
            {
                "tenant": one.tenant,
                "tasks": one.tasks,
                "charges": one.charges,
                "costs": one.costs,
                "margins": [_one_place(margin) for margin in one.margins],
                "refused": one.refused,
            }
            for one in difference.tenants
        ],
    }
