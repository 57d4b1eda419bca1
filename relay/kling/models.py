"""Kling's models as data: what is known of one beyond its price.

Source: docs/kling-api.md 1, 4, 11 and 17. Prices stand in `pricing/official.py`; a model that has
one there needs a row here only where something differs.
"""

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


RETIRED = frozenset(
    {
        *("kling-v1", "kling-v1-5", "kling-v1-6", "kling-v2-master"),
        *("kling-v2-1", "kling-v2-1-master"),
    }
)
"""Video models that Kling ended on 2026-09-15; whether its API still takes them is not known."""

UNPRICED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(NEW_ENDPOINTS, tuple(model.name for model in MODELS)),
    "kolors-virtual-try-on": ("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5"),
    "multi-image2image": ("kling-v2", "kling-v2-1"),
}
"""By endpoint: models whose name no row of the vendor's list has."""
UNPRICED_MODES: dict[str, tuple[str, ...]] = {"generations": ("1k", "2k")}
"""By endpoint: modes that cost the same, so that no row names them."""
