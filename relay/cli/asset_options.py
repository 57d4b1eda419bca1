"""Options that say what is kept of a tenant's results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.parameters import NONE, Number
from relay.money import micros_of

if TYPE_CHECKING:
    from collections.abc import Callable

GB = 10**9


class Days(click.ParamType[Any]):
    """A number of days, or `none`."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == NONE or isinstance(value, int):
            return value
        if not (value.isascii() and value.isdigit() and len(value) < 6):  # noqa: PLR2004
            self.fail(f"'{value}' is neither a number of days nor none.", param, ctx)
        return int(value)


class Gigabytes(Number):
    """A size in GB of 10^9 bytes, or `none`; converts to bytes."""

    name = "gigabytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == NONE or isinstance(value, int):
            return value
        return int(super().convert(value, param, ctx) * GB)


class Price(Number):
    """An amount of the currency, or `none`; converts to micros."""

    name = "amount"

    def __init__(self) -> None:
        super().__init__(least=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == NONE or isinstance(value, int):
            return value
        return micros_of(super().convert(value, param, ctx))


_OPTIONS = (
    click.option(
        "--keep-results",
        "keep_results_days",
        type=Days(),
        help="For how many days the files of its tasks' results are kept here, from the next task"
        " on; none keeps nothing.",
    ),
    click.option(
        "--keep-gb",
        "asset_bytes_max",
        type=Gigabytes(least=0),
        metavar="GB",
        help="How much of them it may have at a time; none for no bound.",
    ),
    click.option(
        "--asset-gb-month",
        type=Price(),
        metavar="AMOUNT",
        help="What a GB-month of its files costs, from the next day on; none for what it costs"
        " everybody.",
    ),
    click.option(
        "--result-urls",
        type=click.Choice(["kling", "ours"]),
        help="Whose URLs its tasks show of files that are kept.",
    ),
)


def asset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those of a tenant."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_kept(
    days: int | str | None,
    bytes_max: int | str | None,
    gb_month: int | str | None,
    urls: str | None,
) -> dict[str, Any]:
    """Read what is to be changed, by the names of `TenantChanges`; `none` is None."""
    given: dict[str, Any] = {"keep_results_days": days, "asset_bytes_max": bytes_max}
    given |= {"asset_gb_month_micros": gb_month, "result_urls": urls}
    return {
        name: None if value == NONE else value for name, value in given.items() if value is not None
    }
