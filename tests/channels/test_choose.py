"""Which channel takes a task."""

import random
from collections import Counter

import msgspec
import pytest

from relay.channels.choose import in_order
from relay.channels.opened import OpenedChannel
from relay.kling.endpoint import Credential
from relay.kling.endpoints import BY_NAME

TEXT = BY_NAME["text2video"]
API_KEY_ONLY = msgspec.structs.replace(TEXT, credentials=frozenset({Credential.API_KEY}))
SEED = 1
"""So that the shares below are the same on every run."""


def channel(
    number: int,
    *,
    priority: int = 0,
    weight: int = 1,
    enabled: bool = True,
    api_key: str | None = "key",
    access_key: str | None = "ak",
) -> OpenedChannel:
    return OpenedChannel(
        id=number,
        name=f"c{number}",
        base_url="http://kling",
        access_key=access_key,
        secret_key="sk" if access_key else None,
        api_key=api_key,
        priority=priority,
        weight=weight,
        enabled=enabled,
    )


def test_the_higher_priority_always_goes_first() -> None:
    """Whatever the weights; all others follow, for a second try."""
    channels = [channel(1, weight=1000), channel(2, priority=5), channel(3, priority=-1)]
    chance = random.Random(SEED)

    orders = {tuple(one.id for one in in_order(channels, TEXT, chance=chance)) for _ in range(50)}

    assert orders == {(2, 1, 3)}


def test_among_equals_the_weight_is_the_share() -> None:
    """Weights 1 and 3: of 4,000 draws about 3,000 are the second's."""
    channels = [channel(1), channel(2, weight=3)]
    chance = random.Random(SEED)

    firsts = Counter(in_order(channels, TEXT, chance=chance)[0].id for _ in range(4000))

    assert 2850 < firsts[2] < 3150


def test_a_disabled_channel_takes_nothing() -> None:
    """Not even as the last resort."""
    chosen = in_order([channel(1, enabled=False), channel(2)], TEXT, chance=random.Random(SEED))

    assert [one.id for one in chosen] == [2]


@pytest.mark.parametrize(
    ("api_key", "access_key", "able"),
    [("key", "ak", True), ("key", None, True), (None, "ak", False), (None, None, False)],
)
def test_a_channel_needs_a_credential_that_the_endpoint_takes(
    api_key: str | None,
    access_key: str | None,
    able: bool,  # noqa: FBT001 (a case)
) -> None:
    """An endpoint of the new generation takes API keys only (docs/kling-api.md 2)."""
    one = channel(1, api_key=api_key, access_key=access_key)

    assert bool(in_order([one], API_KEY_ONLY, chance=random.Random(SEED))) is able


def test_a_channel_shows_no_key() -> None:
    """Its repr may end in a log or a traceback."""
    assert repr(channel(7)) == "OpenedChannel(7, 'c7')"
