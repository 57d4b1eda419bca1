"""The options that say until when, from where and for what a tenant or a key is let in."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

import rich_click as click

from relay.cli.endpoints import endpoint_named
from relay.cli.parameters import NONE
from relay.cli.show import moment
from relay.cli.window import LocalMoment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from relay.desk.gates import GateChanges


class MomentOrNone(LocalMoment):
    """When, or `none`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return NONE if value == NONE else super().convert(value, param, ctx)


class Gated(Protocol):
    """A tenant or a token, as it is shown."""

    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def addresses(self) -> list[str] | None: ...
    @property
    def endpoints(self) -> list[str] | None: ...
    @property
    def models(self) -> list[str] | None: ...


def gate_pairs(found: Gated) -> list[tuple[str, str | None]]:
    """Spell what bounds it, for `print_pairs`; None is no bound."""
    return [
        ("expires", moment(found.expires_at) if found.expires_at else None),
        ("from", ", ".join(found.addresses) if found.addresses else None),
        ("endpoints", ", ".join(found.endpoints) if found.endpoints else None),
        ("models", ", ".join(found.models) if found.models else None),
    ]


def gate_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--expires`, `--ip`, `--endpoints` and `--models`, passed on as `gates`.

    None if none of them was given.
    """

    @wraps(function)
    def with_gates(**values: Any) -> Any:
        names = ("expires_at", "addresses", "endpoints", "models")
        given = {name: values.pop(name) for name in names}
        return function(gates=_changes(given), **values)

    options = [
        click.option(
            "--expires",
            "expires_at",
            type=MomentOrNone(),
            metavar="MOMENT|none",
            help="Refused from then on, such as 2027-01-01, in RELAY_TIMEZONE, or 90d.",
        ),
        click.option(
            "--ip",
            "addresses",
            multiple=True,
            metavar="NETWORK",
            help="Taken from there alone, such as 203.0.113.7 or 10.0.0.0/8; commas or again for"
            " more, `all` for everywhere.",
        ),
        click.option(
            "--endpoints",
            multiple=True,
            metavar="NAME",
            help="Creates there alone, such as text2video; commas or again for more, or `all`.",
        ),
        click.option(
            "--models",
            multiple=True,
            metavar="NAME",
            help="Creates of these models alone; commas or again for more, or `all`.",
        ),
    ]
    for option in reversed(options):
        option(with_gates)
    return with_gates


def _changes(given: dict[str, Any]) -> GateChanges | None:
    from relay.desk.gates import GateChanges

    changes: dict[str, Any] = {}
    if given["expires_at"] is not None:
        changes["expires_at"] = None if given["expires_at"] == NONE else given["expires_at"]
    for name in ("addresses", "endpoints", "models"):
        parts = [part.strip() for value in given[name] for part in value.split(",")]
        if not parts:
            continue
        if name == "endpoints" and parts != ["all"]:
            parts = [endpoint_named(part) for part in parts]
        changes[name] = None if parts == ["all"] else parts
    return GateChanges(**changes) if changes else None
