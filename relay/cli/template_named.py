"""Workflows by the names the operator typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.failure import Failure, WrongSettings, no_such

if TYPE_CHECKING:
    from relay.runs.templates.read import Templates
    from relay.runs.templates.template import Template


def read_all() -> Templates:
    """Read the workflows as `relay serve` would."""
    from relay.cli.database import current_settings
    from relay.cli.endpoints import catalogue
    from relay.runs.templates.check import WrongTemplate
    from relay.runs.templates.read import read_templates

    try:
        return read_templates(current_settings().studio_templates, catalogue())
    except WrongTemplate as error:
        raise WrongSettings(str(error)) from error


def named_template(name: str) -> Template:
    """Find a usable workflow; Failure names close matches, or what is wrong with it."""
    found = read_all()
    one = found.named(name)
    if one is not None:
        return one
    wrong = [reason for reason in found.left_out if f"{name}.toml:" in reason]
    if wrong:
        raise Failure(wrong[0])
    names = list(found.by_name)
    raise Failure(no_such("template", name, names, otherwise=f"there are {', '.join(names)}"))
