"""What is said of a channel on the command line, by more than one of its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.known_models import note_unknown_models
from relay.cli.parameters import KeyPair, Room

if TYPE_CHECKING:
    from collections.abc import Iterable

key_option = click.option(
    "--key",
    type=KeyPair(),
    help="AccessKey and SecretKey, in quotes; - asks or reads a line of stdin.",
)
api_key_option = click.option(
    "--api-key", metavar="KEY", help="Kling's API key; - asks or reads a line of stdin."
)
webhook_secret_option = click.option(
    "--webhook-secret",
    metavar="whsec_…",
    help="The account's Webhook Secret, if one was made in Kling's console; - asks or reads stdin.",
)
no_check_option = click.option(
    "--no-check", is_flag=True, help="Do not ask Kling whether the keys work."
)
same_account_option = click.option(
    "--same-account",
    is_flag=True,
    help="Take keys of an account that is a channel already; both share its limits.",
)
PRIORITY = click.IntRange(-1000, 1000)
WEIGHT = click.IntRange(1, 1000)
group_option = click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="Whom it serves: tenants and keys that name this group, and those that name none; again"
    " for more, `none` for no group.",
)
model_option = click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Takes creates of this model alone, as they name it: kling-v3, of API 2.0 kling-3.0; again"
    " for more, `none` for all.",
)
room_option = click.option(
    "--room",
    type=Room(),
    multiple=True,
    metavar="PACK[/MODEL]=N",
    help="Tasks that Kling lets run at a time, such as video=5 or video/kling-v3=3; learned from"
    " Kling's refusals where nothing is said. An empty N forgets what was said.",
)


def note_models(models: Iterable[str], room: Iterable[tuple[str, int | None]]) -> None:
    """Say which models that a channel is to take, or has slots for, no create is known to name."""
    from relay.cli.endpoints import catalogue

    named = [of.partition("/")[2] for of, _ in room if "/" in of]
    note_unknown_models([*models, *named], also=catalogue().names)


def listed(names: tuple[str, ...]) -> list[str] | None:
    """Read an option that may be given again and again: None if it was not, [] if it says none."""
    if not names:
        return None
    return [] if names == ("none",) else list(names)


def base_url_of(text: str) -> str:
    from relay.channels.checks import normalised_base_url

    try:
        return normalised_base_url(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'--base-url'") from error
