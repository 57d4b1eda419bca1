"""Endpoints by the names the operator typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.failure import Failure, WrongSettings, no_such

if TYPE_CHECKING:
    from relay.kling.catalogue import Catalogue


def catalogue() -> Catalogue:
    """Collect Kling's endpoints and those of the settings."""
    from relay.cli.database import current_settings
    from relay.kling.catalogue import Catalogue

    try:
        return Catalogue.with_added(current_settings().endpoints)
    except ValueError as error:
        raise WrongSettings(str(error)) from error


def endpoint_named(name: str) -> str:
    """Check an endpoint's name; Failure names close matches."""
    return _named(name, catalogue().names)


def priced_named(name: str, *, or_any: bool = False) -> str:
    """Check a name that price rows may have; `or_any` takes `*` too."""
    names = [one.name for one in catalogue().priced]
    if or_any and name == "*":
        return name
    more = ", and '*' (in quotes) for what has no row" if or_any else ""
    return _named(name, names, more=more)


def _named(name: str, names: list[str], *, more: str = "") -> str:
    if name in names:
        return name
    otherwise = f"the endpoints are {', '.join(names)}{more}"
    raise Failure(no_such("endpoint", name, names, otherwise=otherwise))
