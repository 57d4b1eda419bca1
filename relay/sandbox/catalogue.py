"""Kling's endpoints as data (kling-api.md section 3): a new one is a row here.

Rows say what differs; routing, credentials, envelopes, ids, lists, callbacks and statuses are the
same for all and stand elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from relay.sandbox.fields import Fields
from relay.sandbox.videos import (
    check_image2video,
    check_motion_control,
    check_multi_image2video,
    check_omni_video,
    check_text2video,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path on which tasks are created, looked up and listed."""

    path: str
    results: Literal["videos", "images", "audios"] = "videos"
    """What a finished task's `task_result` holds; images use an image pack's slots."""
    models: tuple[str, ...] = ()
    """Accepted `model_name`s, the default first; empty where the body has no such field."""
    default_mode: Literal["std", "pro"] | None = None
    """None where `mode` is no field of the body."""
    takes_duration: bool = False
    needs: tuple[tuple[str, ...], ...] = ()
    """Of each group one field must be there."""
    check: Callable[[Fields, str], None] | None = None
    """The endpoint's own rules, given the body and the model."""
    finds_external_id: bool = True
    """Whether GET takes the caller's `external_task_id` too."""
    has_parent_video: bool = False
    """Whether `task_info` names the video that was worked on."""


_V2_ON = ("kling-v2-master", "kling-v2-1-master", "kling-v2-5-turbo", "kling-v2-6", "kling-v3")

ENDPOINTS = (
    Endpoint(
        "/v1/videos/text2video",
        models=("kling-v1", "kling-v1-6", *_V2_ON),
        default_mode="std",
        takes_duration=True,
        check=check_text2video,
    ),
    Endpoint(
        "/v1/videos/image2video",
        models=("kling-v1", "kling-v1-5", "kling-v1-6", "kling-v2-1", *_V2_ON),
        default_mode="std",
        takes_duration=True,
        check=check_image2video,
    ),
    Endpoint(
        "/v1/videos/multi-image2video",
        models=("kling-v1-6",),
        default_mode="std",
        takes_duration=True,
        check=check_multi_image2video,
    ),
    Endpoint(
        "/v1/videos/omni-video",
        models=("kling-video-o1", "kling-v3-omni"),
        default_mode="pro",
        takes_duration=True,
        check=check_omni_video,
    ),
    Endpoint(
        "/v1/videos/motion-control",
        models=("kling-v2-6", "kling-v3"),
        default_mode="std",
        check=check_motion_control,
    ),
    Endpoint("/v1/videos/video-extend", needs=(("video_id",),), has_parent_video=True),
    Endpoint(
        "/v1/videos/lip-sync", needs=(("input",),), finds_external_id=False, has_parent_video=True
    ),
    Endpoint(
        "/v1/videos/advanced-lip-sync",
        needs=(("session_id",), ("face_choose",)),
        finds_external_id=False,
        has_parent_video=True,
    ),
    Endpoint("/v1/videos/effects", needs=(("effect_scene",), ("input",))),
    Endpoint(
        "/v1/videos/avatar/image2video",
        default_mode="std",
        needs=(("image",), ("audio_id", "sound_file")),
    ),
    Endpoint(
        "/v1/videos/multi-elements",
        models=("kling-v1-6",),
        default_mode="std",
        takes_duration=True,
        needs=(("session_id",), ("edit_mode",), ("prompt",)),
    ),
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
    ),
    Endpoint(
        "/v1/images/omni-image",
        results="images",
        models=("kling-image-o1", "kling-v3-omni"),
        needs=(("prompt",),),
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
    ),
    Endpoint(
        "/v1/images/kolors-virtual-try-on",
        results="images",
        models=("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5"),
        needs=(("human_image",),),
    ),
    Endpoint(
        "/v1/general/ai-multi-shot",
        results="images",
        needs=(("element_frontal_image",),),
        finds_external_id=False,
    ),
    Endpoint("/v1/audio/text-to-audio", results="audios", needs=(("prompt",), ("duration",))),
    Endpoint(
        "/v1/audio/video-to-audio",
        results="audios",
        needs=(("video_id", "video_url"),),
        has_parent_video=True,
    ),
)

BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}
