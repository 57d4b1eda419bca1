"""Rows of the legacy video endpoints (docs/kling-api.md 3.1)."""

from relay.sandbox.endpoint import Endpoint
from relay.sandbox.materials import (
    check_advanced_lip_sync,
    check_avatar,
    check_edit,
    check_effects,
    check_lip_sync,
)
from relay.sandbox.things import ThingKind
from relay.sandbox.videos import (
    check_image2video,
    check_motion_control,
    check_multi_image2video,
    check_omni_video,
    check_text2video,
)

ELEMENTS: tuple[ThingKind, str] = ("element", "element_list[].element_id")
_VOICES: tuple[ThingKind, str] = ("voice", "voice_list[].voice_id")
_V2_ON = ("kling-v2-master", "kling-v2-1-master", "kling-v2-5-turbo", "kling-v2-6", "kling-v3")

VIDEOS = (
    Endpoint(
        "/v1/videos/text2video",
        models=("kling-v1", "kling-v1-6", *_V2_ON),
        default_mode="std",
        takes_duration=True,
        check=check_text2video,
        ids=(_VOICES,),
    ),
    Endpoint(
        "/v1/videos/image2video",
        models=("kling-v1", "kling-v1-5", "kling-v1-6", "kling-v2-1", *_V2_ON),
        default_mode="std",
        takes_duration=True,
        check=check_image2video,
        ids=(_VOICES, ELEMENTS),
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
        ids=(ELEMENTS, _VOICES),
    ),
    Endpoint(
        "/v1/videos/motion-control",
        models=("kling-v2-6", "kling-v3"),
        default_mode="std",
        check=check_motion_control,
        ids=(ELEMENTS,),
    ),
    Endpoint(
        "/v1/videos/video-extend",
        needs=(("video_id",),),
        ids=(("video", "video_id"),),
        has_parent_video=True,
    ),
    Endpoint(
        "/v1/videos/lip-sync",
        needs=(("input",),),
        check=check_lip_sync,
        ids=(("video", "input.video_id"),),  # its voice_id is one of a fixed list
        finds_external_id=False,
        has_parent_video=True,
    ),
    Endpoint(
        "/v1/videos/advanced-lip-sync",
        needs=(("session_id",), ("face_choose",)),
        check=check_advanced_lip_sync,
        ids=(("session", "session_id"), ("audio", "face_choose[].audio_id")),
        finds_external_id=False,
        has_parent_video=True,
    ),
    Endpoint("/v1/videos/effects", needs=(("effect_scene",), ("input",)), check=check_effects),
    Endpoint(
        "/v1/videos/avatar/image2video",
        default_mode="std",
        needs=(("image",), ("audio_id", "sound_file")),
        check=check_avatar,
        ids=(("audio", "audio_id"),),
    ),
    Endpoint(
        "/v1/videos/multi-elements",
        models=("kling-v1-6",),
        default_mode="std",
        takes_duration=True,
        needs=(("session_id",), ("edit_mode",), ("prompt",)),
        check=check_edit,
        ids=(("session", "session_id"),),
        repeats=("session_id",),
    ),
)
