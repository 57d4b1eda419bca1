"""Which models there are at an endpoint, and what is in the place of those that ended."""

import pytest

from relay.kling.endpoints import BY_NAME
from relay.kling.models import (
    ENDED,
    LIVE,
    Successor,
    is_retired,
    models_at,
    said_of_ended,
    successor_of,
)


def test_what_ended_has_a_successor_that_lives() -> None:
    """At the endpoint that is said; no name is both at one endpoint."""
    for ended in ENDED:
        for endpoint in ended.endpoints:
            assert endpoint in BY_NAME
            assert ended.name not in models_at(endpoint)
            successor = successor_of(endpoint, ended.name)
            assert successor is None or successor.model in models_at(successor.endpoint)


def test_a_default_that_lives_comes_first() -> None:
    """As the endpoint's own row has it; of the others ours does."""
    for endpoint, models in LIVE.items():
        field = BY_NAME[endpoint].pricing.model
        assert (field is None) == ("{model}" in BY_NAME[endpoint].path)
        if field is not None and not is_retired(endpoint, field.default):
            assert models[0] == field.default


@pytest.mark.parametrize(
    ("endpoint", "name", "successor"),
    [
        ("text2video", "kling-v1-6", Successor("kling-v2-6", "text2video")),
        ("image2video", "kling-v2-1", Successor("kling-v2-6", "image2video")),
        ("image2video", "kling-v2-1-master", Successor("kling-v3", "image2video")),
        ("multi-image2video", "kling-v1-6", Successor("kling-v3-omni", "omni-video")),
        ("multi-elements", "kling-v1-6", None),
        ("generations", "kling-v2-1", None),
        ("text2video", "kling-v3", None),
        ("text2video", "kling-v9", None),
    ],
)
def test_a_name_has_its_successor(endpoint: str, name: str, successor: Successor | None) -> None:
    """By its endpoint: kling-v2-1 ended as a video model, and goes on as an image model."""
    assert successor_of(endpoint, name) == successor


def test_it_is_said_in_words() -> None:
    """With the endpoint where that is another one."""
    say = said_of_ended

    assert say("text2video", "kling-v3") is None
    assert say("multi-elements", "kling-v1-6") == "kling-v1-6 is retired since 2026-09-15"
    assert say("multi-image2video", "kling-v1-6") == (
        "kling-v1-6 is retired since 2026-09-15; in its place there is kling-v3-omni of omni-video"
    )
