"""Rows of the legacy image, audio, element and voice endpoints (docs/kling-api.md 3.1)."""

from relay.sandbox.endpoint import Endpoint
from relay.sandbox.materials import (
    check_element,
    check_expand,
    check_multi_shot,
    check_text_to_audio,
    check_try_on,
    check_video_to_audio,
    check_voice,
)
from relay.sandbox.video_rows import ELEMENTS

MEDIA = (
    Endpoint(
        "/v1/images/generations",
        results="images",
        models=(
            "kling-v3",
            "kling-v2-1",
            "kling-v1",
            "kling-v1-5",
            "kling-v2",
            "kling-v2-new",
        ),
        needs=(("prompt",),),
        ids=(ELEMENTS,),
    ),
    Endpoint(
        "/v1/images/omni-image",
        results="images",
        models=("kling-image-o1", "kling-v3-omni"),
        needs=(("prompt",),),
        ids=(ELEMENTS,),
    ),
    Endpoint(
        "/v1/images/multi-image2image",
        results="images",
        models=("kling-v2-1", "kling-v2"),
        needs=(("subject_image_list",),),
    ),
    Endpoint(
        "/v1/images/editing/expand",
        results="images",
        needs=(
            ("image",),
            ("up_expansion_ratio",),
            ("down_expansion_ratio",),
            ("left_expansion_ratio",),
            ("right_expansion_ratio",),
        ),
        check=check_expand,
    ),
    Endpoint(
        "/v1/images/kolors-virtual-try-on",
        results="images",
        models=("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5"),
        needs=(("human_image",),),
        check=check_try_on,
    ),
    Endpoint(
        "/v1/general/ai-multi-shot",
        results="images",
        needs=(("element_frontal_image",),),
        check=check_multi_shot,
        finds_external_id=False,
    ),
    Endpoint(
        "/v1/audio/text-to-audio",
        results="audios",
        needs=(("prompt",), ("duration",)),
        check=check_text_to_audio,
    ),
    Endpoint(
        "/v1/audio/video-to-audio",
        results="audios",
        needs=(("video_id", "video_url"),),
        check=check_video_to_audio,
        ids=(("video", "video_id"),),
        has_parent_video=True,
    ),
    Endpoint(
        "/v1/general/advanced-custom-elements",
        results="elements",
        needs=(("element_name",), ("element_description",), ("reference_type",)),
        check=check_element,
        ids=(("voice", "element_voice_id"),),
        repeats=(
            "element_name",
            "element_description",
            "reference_type",
            "element_image_list",
            "element_video_list",
            "element_voice_id",
            "tag_list",
        ),
    ),
    Endpoint(
        "/v1/general/custom-voices",
        results="voices",
        needs=(("voice_name",), ("voice_url", "video_id")),
        check=check_voice,
        ids=(("video", "video_id"),),
        repeats=("voice_name",),
    ),
)
