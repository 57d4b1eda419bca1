"""Which channel takes a task, and which ones are next if it does not."""

import random
from collections.abc import Iterable

from relay.channels.opened import OpenedChannel
from relay.kling.endpoint import Endpoint


def in_order(
    channels: Iterable[OpenedChannel],
    endpoint: Endpoint,
    *,
    chance: random.Random,
    makes_tasks: bool = False,
) -> list[OpenedChannel]:
    """Order the enabled channels that can call an endpoint: by priority, then drawn by weight."""
    able = [
        channel
        for channel in channels
        if channel.enabled
        and channel.credentials & endpoint.credentials
        and not (makes_tasks and channel.is_draining)
    ]
    if len(able) < 2:  # noqa: PLR2004 (one is in order)
        return able
    # The largest of weight-th roots of uniform numbers is a draw in proportion to the weights.
    drawn = {channel.id: chance.random() ** (1 / channel.weight) for channel in able}
    return sorted(able, key=lambda channel: (-channel.priority, -drawn[channel.id]))
