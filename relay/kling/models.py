"""Kling's models as data: what is known of one beyond its price.

Source: docs/kling-api.md 1, 4, 11 and 17. Prices stand in `pricing/official.py`; a model that has
one there needs a row here only where something differs.
"""

from typing import NamedTuple

import msgspec

from relay.kling.alike import folded


class Model(msgspec.Struct, frozen=True):
    """One model where it differs from its endpoint's row."""

    name: str
    endpoints: tuple[str, ...]
    """By our names of them."""
    modes: tuple[str, ...]
    seconds_max: int
    """The longest result; where Kling decides the length, or ours cannot be read."""
    takes_ids: bool
    """Whether it takes `external_task_id` and `callback_url`. Without them nothing is injected:
    no callback comes, and a task whose create had no answer can be found by nobody but a person."""
    input_seconds: dict[str, int] = {}
    """Billed seconds that an item of `contents` adds at the most, by its type."""


NEW_ENDPOINTS = ("text-to-video", "image-to-video", "2.0-omni-video")

MODELS = (
    # Gathered from third parties, paths from 2.0's rule: docs/kling-api.md 17.
    Model(
        name="kling-4.0",
        endpoints=NEW_ENDPOINTS,
        modes=("720p", "1080p"),
        seconds_max=30,
        # One source says so, and if it is right, a task is not found by an id that Kling dropped.
        takes_ids=False,
        # An element may be a video character, of 3 to 8 s (4.15).
        input_seconds={"feature_video": 30, "base_video": 30, "element": 8},
    ),
    Model(
        name="kling-4.0-flash",
        endpoints=NEW_ENDPOINTS,
        modes=("720p",),
        seconds_max=20,
        takes_ids=False,
        input_seconds={"feature_video": 30, "base_video": 30, "element": 8},
    ),
)
_MODELS = {
    (endpoint, folded(model.name)): model for model in MODELS for endpoint in model.endpoints
}


def model_at(endpoint: str, name: str | None) -> Model | None:
    """Find what is said of a model at an endpoint; None if it is like the endpoint's row."""
    return None if name is None else _MODELS.get((endpoint, folded(name)))


def takes_ids(endpoint: str, name: str | None) -> bool:
    """Tell whether our external id and callback URL may go into a create of this model."""
    model = model_at(endpoint, name)
    return model is None or model.takes_ids


LIVE: dict[str, tuple[str, ...]] = {
    # Kling's own default, kling-v1, has ended. 2.6 is the cheapest that has all that its elder ones
    # had and Kling still offers, and sound beside.
    **dict.fromkeys(("text2video", "image2video"), ("kling-v2-6", "kling-v2-5-turbo", "kling-v3")),
    "omni-video": ("kling-video-o1", "kling-v3-omni"),
    "motion-control": ("kling-v2-6", "kling-v3"),
    # Its table's default; its note has another one (CONFLICT, docs/kling-api.md 4.12).
    "generations": ("kling-v3", "kling-v2-1"),
    "omni-image": ("kling-image-o1", "kling-v3-omni"),
    "multi-image2image": ("kling-v2-1",),
    # Others say that they ended, the vendor that they run on another one now (CONFLICT, 1).
    "kolors-virtual-try-on": ("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5"),
    "text-to-video": ("kling-3.0-turbo", "kling-3.0", "kling-2.6", "kling-2.5-turbo"),
    "image-to-video": ("kling-3.0-turbo", "kling-3.0", "kling-2.6", "kling-2.5-turbo"),
    "2.0-omni-video": ("kling-3.0-omni", "kling-o1"),
    "2.0-motion-control": ("kling-3.0", "kling-2.6"),
}
"""By endpoint, the models that Kling has today, what it takes for none first (docs/kling-api.md 4
and 11)."""


class Successor(NamedTuple):
    """What can be asked for in place of a model that ended."""

    model: str
    endpoint: str
    """Another one where the old one has no model left."""


class Ended(msgspec.Struct, frozen=True):
    """A model that Kling ended; whether its API still takes it is not known."""

    name: str
    endpoints: tuple[str, ...]
    successor: str | None
    """The cheapest live one that does all that this one did, as far as any does."""
    at: str | None = None
    """The endpoint of the successor, if it is another one."""


ENDED_ON = "2026-09-15"
_TEXT, _IMAGE = "text2video", "image2video"
ENDED = (
    # 5 or 10 s, std and pro, an end frame with pro: so does 2.6, for as much as 2.5 Turbo, which
    # has no sound. No live model has the motion brush, or takes camera_control.
    Ended("kling-v1", (_TEXT, _IMAGE), "kling-v2-6"),
    Ended("kling-v1-5", (_IMAGE,), "kling-v2-6"),
    Ended("kling-v1-6", (_TEXT, _IMAGE), "kling-v2-6"),
    Ended("kling-v2-1", (_IMAGE,), "kling-v2-6"),
    # The best of their days, and dearer than the best of today.
    Ended("kling-v2-master", (_TEXT, _IMAGE), "kling-v3"),
    Ended("kling-v2-1-master", (_TEXT, _IMAGE), "kling-v3"),
    # Several pictures in one video are the business of omni-video now: up to 7, 3 to 15 s.
    Ended("kling-v1-6", ("multi-image2video",), "kling-v3-omni", at="omni-video"),
    # The endpoint goes on, and its page of today has no model_name.
    Ended("kling-v1-6", ("multi-elements",), None),
    # 2.1 has their image_reference, and costs half of 3.0 where no picture is put in.
    Ended("kling-v1", ("generations",), "kling-v2-1"),
    Ended("kling-v1-5", ("generations",), "kling-v2-1"),
    Ended("kling-v2", ("generations", "multi-image2image"), "kling-v2-1"),
    Ended("kling-v2-new", ("generations",), "kling-v2-1"),
)
_ENDED = {(endpoint, ended.name): ended for ended in ENDED for endpoint in ended.endpoints}


def models_at(endpoint: str) -> tuple[str, ...]:
    """List the models that Kling has at an endpoint, the default first; () if it takes none."""
    return LIVE.get(endpoint, ())


def is_retired(endpoint: str, name: str | None) -> bool:
    """Tell whether Kling ended a model of an endpoint. Some names go on at others."""
    return (endpoint, name) in _ENDED


def successor_of(endpoint: str, name: str) -> Successor | None:
    """Find what to ask for in place of a model that ended; None if it did not, or nothing does."""
    ended = _ENDED.get((endpoint, name))
    if ended is None or ended.successor is None:
        return None
    return Successor(ended.successor, ended.at or endpoint)


def said_of_ended(endpoint: str, name: str) -> str | None:
    """Say in words that a model ended, and what is in its place; None if it did not end.

    Nothing is refused for it by itself: what Kling answers is not known (docs/kling-api.md 15).
    """
    if not is_retired(endpoint, name):
        return None
    ended = f"{name} is retired since {ENDED_ON}"
    successor = successor_of(endpoint, name)
    if successor is None:
        return ended
    where = "" if successor.endpoint == endpoint else f" of {successor.endpoint}"
    return f"{ended}; in its place there is {successor.model}{where}"


def successor_at(endpoint: str) -> Successor:
    """Find what does the work of an endpoint that has no model left.

    Raises:
        LookupError: it has one, or nothing does.
    """
    for ended in ENDED:
        if endpoint in ended.endpoints and ended.successor and ended.at:
            return Successor(ended.successor, ended.at)
    raise LookupError(endpoint)


UNPRICED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(NEW_ENDPOINTS, tuple(model.name for model in MODELS)),
    "kolors-virtual-try-on": ("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5"),
    "multi-image2image": ("kling-v2", "kling-v2-1"),
}
"""By endpoint: models whose name no row of the vendor's list has."""
UNPRICED_MODES: dict[str, tuple[str, ...]] = {"generations": ("1k", "2k")}
"""By endpoint: modes that cost the same, so that no row names them."""
