"""Options that several commands about tenants have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.parameters import NONE, Factor, TasksMax, Times

if TYPE_CHECKING:
    from decimal import Decimal

multiplier_option = click.option(
    "--multiplier",
    type=Times(least=0),
    metavar="DECIMAL",
    help="What every price in units is multiplied by for this tenant: 1.2 is 20 % above list; none"
    " is that of its price group, or of all. For a date, or some hours: `relay price multiply`.",
)
price_group_option = click.option(
    "--price-group",
    metavar="NAME",
    help="Whose prices are its, where it has none of its own (`relay price set --price-group`);"
    " none is no group's.",
)
tasks_max_option = click.option(
    "--tasks-max", type=TasksMax(), help="Most tasks at a time; none is no limit."
)
factor_option = click.option(
    "--factor",
    type=Factor(),
    metavar="DECIMAL",
    help="Of a tenant below another one: how many times its parent's prices its own are, at least"
    " 1; what it costs it, what it is told and its limits are by them.",
)


def unless_none(given: str | None) -> str | None:
    """Read what may be `none`."""
    return None if given == NONE else given


def number(given: Decimal | str | None) -> Decimal | None:
    """Read a number that may be `none`."""
    return None if isinstance(given, str) else given
