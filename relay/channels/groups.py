"""Groups: which channels are whose.

A channel stands in groups, a tenant or one of its tokens names some; who names none has all. The
group `test` is apart: channels of it are sandboxes, whose tasks are free, and only a token that was
made for tests is served there.
"""

from collections.abc import Iterable

from relay.channels.opened import OpenedChannel

TEST = "test"


def may_use(channel: OpenedChannel, groups: frozenset[str] | None, *, is_test: bool) -> bool:
    """Tell whether who names these groups is served by a channel; None names none."""
    if is_test or TEST in channel.groups:
        return is_test and TEST in channel.groups
    return groups is None or not groups.isdisjoint(channel.groups)


def takes_model(channel: OpenedChannel, model: str) -> bool:
    """Tell whether a channel takes creates of a model; `model` in lower case.

    Of an endpoint without models it is the endpoint's name.
    """
    return not channel.models or model in channel.models


def spelt(groups: Iterable[str]) -> list[str]:
    """Spell groups as they are kept: each once, in order."""
    return sorted(set(groups))
