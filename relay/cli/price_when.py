"""For whom a price is, and when: the options that several commands of `relay price` have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from relay.cli.show import moment
from relay.cli.window import LocalMoment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.pricing.book import Multiplier, PriceRow

_HOURS = re.compile(r"(\d{1,2})-(\d{1,2})", re.ASCII)
Priced = TypeVar("Priced", "PriceRow", "Multiplier")


class HoursOfDay(click.ParamType[tuple[int, int]]):
    """`18-24`, or `22-6` over midnight."""

    name = "from-until"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = _HOURS.fullmatch(str(value))
        hours = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (0 <= hours[0] < 24 and 0 < hours[1] <= 24 and hours[0] != hours[1]):  # noqa: PLR2004
            self.fail(f"'{value}' is not like 18-24, or 22-6 over midnight.", param, ctx)
        return hours


@dataclass(frozen=True)
class ForWhom:
    """All None: for all, from now on, for good and all day."""

    tenant: str | None
    price_group: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    hours: tuple[int, int] | None

    def fields(self) -> dict[str, Any]:
        """Give what a row or a multiplier has of it; the tenant is for the desk to find."""
        named = ("price_group", "valid_from", "valid_to", "hours")
        return {name: getattr(self, name) for name in named}


def whom_options(*, has_times: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--tenant`, `--price-group`, `--hours`, and with `has_times` `--from` and `--until`.

    Passed on as one `whom`.
    """
    options = [
        click.option("--tenant", help="For this tenant alone."),
        click.option("--price-group", metavar="NAME", help="For the tenants in this price group."),
        click.option(
            "--hours",
            type=HoursOfDay(),
            help="Whole hours of the day, in RELAY_TIMEZONE: 18-24, or 22-6 over midnight.",
        ),
    ]
    times = [
        click.option(
            "--from",
            "valid_from",
            type=LocalMoment(),
            help="When it begins, such as 2026-12-01, in RELAY_TIMEZONE. Default: now.",
        ),
        click.option(
            "--until",
            "valid_to",
            type=LocalMoment(),
            help="When it ends; what it lies over is in force again. Default: never.",
        ),
    ]

    def added(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_whom(**values: Any) -> Any:
            names = ForWhom.__dataclass_fields__
            whom = ForWhom(**{name: values.pop(name, None) for name in names})
            if whom.tenant is not None and whom.price_group is not None:
                raise click.UsageError("Give --tenant or --price-group, not both.")
            return function(whom=whom, **values)

        for option in reversed([*options, *(times if has_times else [])]):
            option(with_whom)
        return with_whom

    return added


async def names_of(session: AsyncSession, dated: Iterable[PriceRow | Multiplier]) -> dict[int, str]:
    """Read the names of the tenants that rows or multipliers are for."""
    from relay.tenants.read import names_by_id

    ids = {one.tenant_id for one in dated if one.tenant_id is not None}
    return await names_by_id(session, ids) if ids else {}


def for_whom(one: PriceRow | Multiplier, names: Mapping[int, str]) -> str:
    if one.tenant_id is not None:
        return f"tenant {names.get(one.tenant_id, one.tenant_id)}"
    return "all" if one.price_group is None else f"group {one.price_group}"


def spelt_when(one: PriceRow | Multiplier, now: datetime) -> str:
    """Say when it holds, as far as that is not from now on for good; nothing is."""
    from relay.pricing.validity import spelt_hours

    words = []
    if one.valid_from is not None and one.valid_from > now:
        words.append(f"from {moment(one.valid_from)}")
    if one.valid_to is not None:
        words.append(f"until {moment(one.valid_to)}")
    if one.hours is not None:
        words.append(f"{spelt_hours(one.hours)} h")
    return " ".join(words)
