"""Kling's endpoints as data: one row each, and a new endpoint is a new row.

Source: kling-api.md sections 3 and 4. The rows of this version are the four creates that are live;
the columns are those that the other endpoints need.
"""

from enum import StrEnum

import msgspec


class Generation(StrEnum):
    """Which of Kling's two API generations an endpoint belongs to (kling-api.md section 1)."""

    LEGACY = "legacy"
    """`/v1/...`, flat bodies, `task_id`, `succeed`."""
    NEW = "2.0"
    """The model stands in the path, `settings` and `options`, `id`, `succeeded`."""


class Credential(StrEnum):
    """What a channel can show to Kling (kling-api.md section 2)."""

    KEY_PAIR = "key_pair"
    """A JWT signed with AccessKey and SecretKey; legacy endpoints only."""
    API_KEY = "api_key"
    """One API key as bearer, for everything."""


class Field(msgspec.Struct, frozen=True):
    """A field that prices a task, and what Kling takes when it is absent."""

    name: str
    default: str | None = None


class Pricing(msgspec.Struct, frozen=True):
    """Which fields of the body tell what a task costs (kling-api.md section 10)."""

    model: Field | None = None
    mode: Field | None = None
    duration: Field | None = None
    sound: Field | None = None
    voice_list: str | None = None
    """Billed with voice control when this list is set and a prompt refers to it."""
    video_list: str | None = None
    """Billed with video input when this list has an item."""
    seconds_max: int = 10
    """The longest result, for tasks whose length Kling decides (base-video edits)."""


class Endpoint(msgspec.Struct, frozen=True):
    """One create endpoint and the queries that belong to it."""

    name: str
    path: str
    generation: Generation = Generation.LEGACY
    is_sync: bool = False
    """The POST's reply is the result: no task, no query, no callback, no external id."""
    is_free: bool = False
    pricing: Pricing = Pricing()
    credentials: frozenset[Credential] = frozenset(Credential)
    callback_field: tuple[str, ...] = ("callback_url",)
    external_id_field: tuple[str, ...] = ("external_task_id",)
    is_found_by_external_id: bool = True
    """Whether `GET {path}/{id}` takes an external id too."""
    resource_fields: tuple[str, ...] = ()
    """Fields whose ids live on one Kling account."""
    is_listed: bool = True


_LEGACY_VIDEO = Pricing(
    model=Field("model_name", default="kling-v1"),
    mode=Field("mode", default="std"),
    duration=Field("duration", default="5"),
    sound=Field("sound", default="off"),
    voice_list="voice_list",
)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="text2video",
        path="/v1/videos/text2video",
        pricing=_LEGACY_VIDEO,
        resource_fields=("voice_list",),
    ),
    Endpoint(
        name="image2video",
        path="/v1/videos/image2video",
        pricing=_LEGACY_VIDEO,
        resource_fields=("voice_list", "element_list"),
    ),
    Endpoint(
        name="multi-image2video",
        path="/v1/videos/multi-image2video",
        pricing=Pricing(
            model=Field("model_name", default="kling-v1-6"),
            mode=Field("mode", default="std"),
            duration=Field("duration", default="5"),
        ),
    ),
    Endpoint(
        name="omni-video",
        path="/v1/videos/omni-video",
        pricing=Pricing(
            model=Field("model_name", default="kling-video-o1"),
            mode=Field("mode", default="pro"),
            duration=Field("duration", default="5"),
            sound=Field("sound", default="off"),
            video_list="video_list",
            seconds_max=15,
        ),
        resource_fields=("element_list",),
    ),
)

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}

FAMILIES = frozenset({"videos"})
"""Of `/v1/{family}/...`: where the relay serves the short `GET /v1/{family}/{id}` as an extra."""
