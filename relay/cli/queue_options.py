"""Options that say who waits for room, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.parameters import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

_OPTIONS = (
    click.option(
        "--queue",
        "queue_s",
        type=Wait(),
        help="How long a create may wait for room instead of being refused: 8m, on (8 minutes),"
        " off.",
    ),
    click.option(
        "--queue-weight",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Its share of the slots beside others that wait; 1 unless set.",
    ),
    click.option(
        "--room-min",
        type=click.IntRange(0, 1000),
        metavar="N",
        help="With fewer slots of a pack than this it is served before all others.",
    ),
)


def queue_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those of a tenant."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
