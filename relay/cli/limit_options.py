"""The options that name limits and what they allow, of every command that sets or raises some."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.parameters import NONE, Amount
from relay.money import decimal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from relay.desk.shown_limits import ShownLimit
    from relay.limits.tables import LimitKind

COUNT_MAX = 100_000


class _Allowed(click.ParamType[Any]):
    """An amount in micros, or a number; `none` takes a limit away."""

    def __init__(self, *, is_money: bool) -> None:
        self._of = Amount(least=0) if is_money else click.IntRange(0, COUNT_MAX)
        self.name = "amount|none" if is_money else "n|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return NONE if value == NONE else self._of.convert(value, param, ctx)


KINDS = {
    "day": (True, "Spend a day, from midnight in RELAY_TIMEZONE on."),
    "week": (True, "Spend a week, from Monday on."),
    "month": (True, "Spend a month."),
    "total": (True, "Spend in all, for ever."),
    "task": (True, "What one task may cost."),
    "in_flight": (False, "Tasks that run or wait for room at a time."),
    "rate": (False, "Creates a second."),
}
"""Whether it is of money, and what is said of it."""


def limit_options(prefix: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--day`, `--month` and so on, with a prefix such as `limit-`, passed on as `allowed`.

    Of each kind that was given: micros or a number; None is `none`.
    """

    def added(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_limits(**values: Any) -> Any:
            given = {kind: values.pop(f"limit_{kind}") for kind in KINDS}
            allowed = {
                kind: None if value == NONE else value
                for kind, value in given.items()
                if value is not None
            }
            return function(allowed=allowed, **values)

        for kind, (is_money, about) in reversed(KINDS.items()):
            spelt = f"--{prefix}{kind.replace('_', '-')}"
            kind_of = _Allowed(is_money=is_money)
            metavar = "AMOUNT|none" if is_money else "N|none"
            option = click.option(spelt, f"limit_{kind}", type=kind_of, metavar=metavar, help=about)
            option(with_limits)
        return with_limits

    return added


def by_kind(allowed: Mapping[str, int | None]) -> dict[LimitKind, int | None]:
    """Spell what `limit_options` passes on as the desk takes it."""
    from relay.limits.tables import LimitKind

    return {LimitKind(kind): amount for kind, amount in allowed.items()}


def amount_of(one: ShownLimit, amount: int | None) -> str:
    """Spell what a limit counts: money as a decimal number, others as they are."""
    from relay.limits.tables import IN_MICROS

    if amount is None:
        return "-"
    return decimal_of(amount) if one.limit in IN_MICROS else str(amount)
