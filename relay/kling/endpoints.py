"""Kling's endpoints as data: one row each, and a new endpoint is a new row.

Source: docs/kling-api.md 3 and 4. Where it says CONFLICT, all readings are rows.
"""

from relay.kling.endpoint import (
    Credential,
    Endpoint,
    EndpointKind,
    Field,
    Generation,
    Pricing,
    Reference,
    Resource,
)

ONLY_API_KEY = frozenset({Credential.API_KEY})
PREFIX = "/v1"

_VIDEO = Reference(Resource.VIDEO, "video_id")
_SESSION = Reference(Resource.SESSION, "session_id")
_ELEMENTS = Reference(Resource.ELEMENT, "element_list[].element_id")
_VOICES = Reference(Resource.VOICE, "voice_list[].voice_id")


def _legacy_video(model: str) -> Pricing:
    return Pricing(
        model=Field("model_name", default=model),
        mode=Field("mode", default="std"),
        duration=Field("duration", default="5"),
        sound=Field("sound", default="off"),
        voice_list="voice_list",
        shots="multi_prompt",
        seconds_max=15,
    )


def _image(model: str | None, *, inputs: tuple[str, ...] = ()) -> Pricing:
    return Pricing(
        model=Field("model_name", default=model) if model else None,
        mode=Field("resolution", default="1k"),
        count=Field("n", default="1"),
        inputs=inputs,
    )


VIDEOS = (
    Endpoint(
        name="text2video",
        path="/v1/videos/text2video",
        pricing=_legacy_video("kling-v1"),
        references=(_VOICES,),
    ),
    Endpoint(
        name="image2video",
        path="/v1/videos/image2video",
        pricing=_legacy_video("kling-v1"),
        references=(_VOICES, _ELEMENTS),
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
            inputs=("video_list",),
            shots="multi_prompt",
            seconds_max=15,
        ),
        references=(_VOICES, _ELEMENTS),
    ),
    Endpoint(
        name="motion-control",
        path="/v1/videos/motion-control",
        pricing=Pricing(
            model=Field("model_name", default="kling-v2-6"),
            mode=Field("mode", default="std"),
            is_open=True,
            seconds_max=30,
        ),
        references=(_ELEMENTS,),
    ),
    Endpoint(
        name="video-extend",
        path="/v1/videos/video-extend",
        references=(_VIDEO,),
    ),
    Endpoint(
        name="lip-sync",
        path="/v1/videos/lip-sync",
        pricing=Pricing(is_open=True, seconds_max=60),
        is_found_by_external_id=False,
        references=(
            Reference(Resource.VIDEO, "input.video_id"),
            Reference(Resource.VOICE, "input.voice_id"),
        ),
        has_fixed_voices=True,
    ),
    Endpoint(
        name="identify-face",
        path="/v1/videos/identify-face",
        kind=EndpointKind.CALL,
        references=(_VIDEO,),
        is_listed=False,
    ),
    Endpoint(
        name="advanced-lip-sync",
        path="/v1/videos/advanced-lip-sync",
        pricing=Pricing(is_open=True, seconds_max=60),
        is_found_by_external_id=False,
        references=(_SESSION, Reference(Resource.AUDIO, "face_choose[].audio_id")),
    ),
    Endpoint(name="effects", path="/v1/videos/effects"),
    Endpoint(
        name="avatar",
        path="/v1/videos/avatar/image2video",
        pricing=Pricing(mode=Field("mode", default="std"), is_open=True, seconds_max=300),
        references=(Reference(Resource.AUDIO, "audio_id"),),
    ),
    Endpoint(
        name="multi-elements",
        path="/v1/videos/multi-elements",
        pricing=Pricing(
            model=Field("model_name", default="kling-v1-6"),
            mode=Field("mode", default="std"),
            duration=Field("duration", default="5"),
        ),
        references=(_SESSION,),
    ),
    Endpoint(
        name="init-selection",
        path="/v1/videos/multi-elements/init-selection",
        kind=EndpointKind.CALL,
        is_free=True,
        references=(_VIDEO,),
        is_listed=False,
    ),
    *(
        Endpoint(
            name=f"{step}-selection",
            path=f"/v1/videos/multi-elements/{step}-selection",
            kind=EndpointKind.CALL,
            is_free=True,
            references=(_SESSION,),
            is_listed=False,
        )
        for step in ("add", "delete", "clear", "preview")
    ),
    Endpoint(
        name="image-recognize",
        path="/v1/videos/image-recognize",
        kind=EndpointKind.CALL,
        is_listed=False,
    ),
)

IMAGES = (
    Endpoint(
        name="generations",
        path="/v1/images/generations",
        # The vendor's table says kling-v3, its note says V1 (CONFLICT, docs/kling-api.md 4.12): the
        # table is dearer, and what Kling deducts is what counts.
        pricing=_image("kling-v3", inputs=("image",)),
        references=(_ELEMENTS,),
    ),
    Endpoint(
        name="omni-image",
        path="/v1/images/omni-image",
        pricing=_image("kling-image-o1"),
        references=(_ELEMENTS,),
    ),
    Endpoint(
        name="multi-image2image",
        path="/v1/images/multi-image2image",
        pricing=_image("kling-v2-1"),
    ),
    Endpoint(name="expand", path="/v1/images/editing/expand", pricing=_image(None)),
    Endpoint(
        name="kolors-virtual-try-on",
        path="/v1/images/kolors-virtual-try-on",
        pricing=Pricing(model=Field("model_name", default="kolors-virtual-try-on-v1")),
    ),
)

AUDIO = (
    Endpoint(name="text-to-audio", path="/v1/audio/text-to-audio"),
    Endpoint(name="video-to-audio", path="/v1/audio/video-to-audio", references=(_VIDEO,)),
    Endpoint(
        name="tts",
        path="/v1/audio/tts",
        kind=EndpointKind.CALL,
        references=(Reference(Resource.VOICE, "voice_id"),),
        has_fixed_voices=True,
        is_listed=False,
    ),
)

GENERAL = (
    Endpoint(name="ai-multi-shot", path="/v1/general/ai-multi-shot", is_found_by_external_id=False),
    Endpoint(
        name="custom-elements",
        path="/v1/general/custom-elements",
        kind=EndpointKind.CALL,
        is_free=True,
    ),
    Endpoint(
        name="presets-elements",
        path="/v1/general/presets-elements",
        method="GET",
        kind=EndpointKind.READ,
        is_free=True,
        is_listed=False,
    ),
    Endpoint(
        name="advanced-custom-elements",
        path="/v1/general/advanced-custom-elements",
        is_free=True,
        references=(Reference(Resource.VOICE, "element_voice_id"),),
    ),
    Endpoint(
        name="advanced-presets-elements",
        path="/v1/general/advanced-presets-elements",
        method="GET",
        kind=EndpointKind.READ,
        is_free=True,
        is_listed=False,
    ),
    *(
        Endpoint(
            name=name,
            path=f"/v1/general/{name}",
            kind=EndpointKind.CALL,
            is_free=True,
            references=(Reference(Resource.ELEMENT, "element_id"),),
            deletes=Resource.ELEMENT,
            is_listed=False,
        )
        # Both stand in the vendor's pages for the same thing (CONFLICT, docs/kling-api.md 3.1).
        for name in ("delete-elements", "delete-advanced-elements")
    ),
    Endpoint(
        name="custom-voices",
        path="/v1/general/custom-voices",
        references=(_VIDEO,),
        page_size_max=1000,
    ),
    Endpoint(
        name="presets-voices",
        path="/v1/general/presets-voices",
        method="GET",
        kind=EndpointKind.READ,
        is_free=True,
        is_listed=False,
    ),
    Endpoint(
        name="delete-voices",
        path="/v1/general/delete-voices",
        kind=EndpointKind.CALL,
        is_free=True,
        references=(Reference(Resource.VOICE, "voice_id"),),
        deletes=Resource.VOICE,
        is_listed=False,
    ),
)


def _new(
    operation: str, *, name: str = "", is_open: bool = False, seconds_max: int = 15
) -> Endpoint:
    return Endpoint(
        name=name or operation,
        path=f"/{operation}/{{model}}",
        generation=Generation.NEW,
        pricing=Pricing(
            mode=Field("settings.resolution", default="720p"),
            duration=None if is_open else Field("settings.duration", default="5"),
            is_open=is_open,
            sound=Field("settings.audio", default="off"),
            contents="contents",
            seconds_max=seconds_max,
        ),
        credentials=ONLY_API_KEY,
        callback_field=("options", "callback_url"),
        external_id_field=("options", "external_task_id"),
        references=(
            Reference(Resource.ELEMENT, "contents[].element_id"),
            Reference(Resource.VOICE, "contents[].voice_id"),
        ),
        is_listed=False,
    )


NEW = (
    _new("text-to-video"),
    _new("image-to-video"),
    # Two operations bear the names of legacy endpoints.
    _new("omni-video", name="2.0-omni-video"),
    _new("motion-control", name="2.0-motion-control", is_open=True, seconds_max=30),
)

SOLUTIONS = tuple(
    Endpoint(
        name=f"solutions-{path.rpartition('/')[2]}",
        path=f"/solutions/{path}",
        generation=Generation.SOLUTIONS,
        credentials=ONLY_API_KEY,
        callback_field=("options", "callback_url"),
        external_id_field=("options", "external_task_id"),
        is_listed=False,
    )
    for path in (
        "virtual_try_on",
        "e-commerce/goods_studio",
        "e-commerce/clothing_dupe",
        "talking_agent",
        "drama_subtitle",
    )
)

ENDPOINTS: tuple[Endpoint, ...] = (*VIDEOS, *IMAGES, *AUDIO, *GENERAL, *NEW, *SOLUTIONS)
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}

FAMILIES = frozenset({"videos", "images", "audio", "general"})
"""Of `/v1/{family}/...`: where the relay serves the short `GET /v1/{family}/{id}` as an extra."""

QUERY_PATHS = {Generation.NEW: "/tasks", Generation.SOLUTIONS: "/solutions"}
"""Where the generations without a GET per endpoint are queried and listed."""
IDS_PER_QUERY = 20
"""As the solutions page says; undocumented for `/tasks`."""
