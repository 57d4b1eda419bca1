"""Bodies of `/api/v1`, by Kling's names: which fields there are, and of what kind.

What has to be given, goes together and is within bounds is judged by `kling/lint`, for whoever
asks. Fields that nobody knows go to Kling as they came.
Source: docs/kling-api.md 4.1 to 4.13.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

Text = str | UnsetType | None
Number = int | float | str | UnsetType | None
Flag = bool | str | UnsetType | None
"""Texts may stand for numbers and booleans, as clients send them (docs/kling-api.md 17)."""


class WatermarkInfo(msgspec.Struct):
    """Whether a second file with a watermark is made."""

    enabled: Flag = UNSET


class Body(msgspec.Struct, kw_only=True):
    """What every create may say."""


class TaskBody(Body, kw_only=True):
    """What creates of tasks may say."""

    watermark_info: WatermarkInfo | UnsetType | None = UNSET
    callback_url: Text = UNSET
    external_task_id: Text = UNSET


class Shot(msgspec.Struct, kw_only=True):
    """One of several shots of a clip."""

    index: Number = UNSET
    prompt: Text = UNSET
    duration: Number = UNSET


class Voice(msgspec.Struct, kw_only=True):
    """A voice that a prompt names."""

    voice_id: Text = UNSET


class Element(msgspec.Struct, kw_only=True):
    """A thing or person of the tenant's library."""

    element_id: int | str | UnsetType | None = UNSET


class Axes(msgspec.Struct, kw_only=True):
    """One way that a camera moves: one of these, from -10 to 10."""

    horizontal: Number = UNSET
    vertical: Number = UNSET
    pan: Number = UNSET
    tilt: Number = UNSET
    roll: Number = UNSET
    zoom: Number = UNSET


class CameraControl(msgspec.Struct, kw_only=True):
    """How a camera moves; `config` with the type `simple` alone."""

    type: Text = UNSET
    config: Axes | UnsetType | None = UNSET


class Clip(TaskBody, kw_only=True):
    """What clips share."""

    model_name: Text = UNSET
    prompt: Text = UNSET
    negative_prompt: Text = UNSET
    multi_shot: Flag = UNSET
    shot_type: Text = UNSET
    multi_prompt: list[Shot] | UnsetType | None = UNSET
    voice_list: list[Voice] | UnsetType | None = UNSET
    sound: Flag = UNSET
    cfg_scale: Number = UNSET
    mode: Text = UNSET
    camera_control: CameraControl | UnsetType | None = UNSET
    duration: Number = UNSET


class Text2Video(Clip, kw_only=True):
    """A clip from words."""

    aspect_ratio: Text = UNSET


class Point(msgspec.Struct, kw_only=True):
    """A point of a movement, from the left and from the bottom."""

    x: Number = UNSET
    y: Number = UNSET


class DynamicMask(msgspec.Struct, kw_only=True):
    """What moves in a picture, and where to."""

    mask: Text = UNSET
    trajectories: list[Point] | UnsetType | None = UNSET


class Image2Video(Clip, kw_only=True):
    """A clip from a picture, from a last one, or from both."""

    image: Text = UNSET
    image_tail: Text = UNSET
    static_mask: Text = UNSET
    dynamic_masks: list[DynamicMask] | UnsetType | None = UNSET
    element_list: list[Element] | UnsetType | None = UNSET


class ListedImage(msgspec.Struct, kw_only=True):
    """One picture of several."""

    image: Text = UNSET


class MultiImage(TaskBody, kw_only=True):
    """A clip with what is in one to four pictures, by the omni model that does this now."""

    model_name: Text = UNSET
    image_list: list[ListedImage] | UnsetType | None = UNSET
    prompt: Text = UNSET
    negative_prompt: Text = UNSET
    mode: Text = UNSET
    duration: Number = UNSET
    aspect_ratio: Text = UNSET


class MotionControl(TaskBody, kw_only=True):
    """The movement of a video, done by who is in a picture."""

    model_name: Text = UNSET
    image_url: Text = UNSET
    video_url: Text = UNSET
    character_orientation: Text = UNSET
    mode: Text = UNSET
    prompt: Text = UNSET
    keep_original_sound: Text = UNSET
    element_list: list[Element] | UnsetType | None = UNSET


class ExtendVideo(TaskBody, kw_only=True):
    """Some seconds more at the end of a clip that Kling made."""

    video_id: Text = UNSET
    prompt: Text = UNSET
    negative_prompt: Text = UNSET
    cfg_scale: Number = UNSET


class IdentifyFace(Body, kw_only=True):
    """The faces of a video, in a session that a lip sync names; answered at once."""

    video_id: Text = UNSET
    video_url: Text = UNSET


class FaceChoice(msgspec.Struct, kw_only=True):
    """One face, and what it says when."""

    face_id: Text = UNSET
    audio_id: Text = UNSET
    sound_file: Text = UNSET
    sound_start_time: Number = UNSET
    sound_end_time: Number = UNSET
    sound_insert_time: Number = UNSET
    sound_volume: Number = UNSET
    original_audio_volume: Number = UNSET


class SyncTask(TaskBody, kw_only=True):
    """A video whose face says what is in a sound."""

    session_id: Text = UNSET
    face_choose: list[FaceChoice] | UnsetType | None = UNSET


class GenerateImage(TaskBody, kw_only=True):
    """Pictures from words, or from words and a picture."""

    model_name: Text = UNSET
    prompt: Text = UNSET
    negative_prompt: Text = UNSET
    image: Text = UNSET
    image_reference: Text = UNSET
    image_fidelity: Number = UNSET
    human_fidelity: Number = UNSET
    element_list: list[Element] | UnsetType | None = UNSET
    resolution: Text = UNSET
    n: Number = UNSET
    aspect_ratio: Text = UNSET


class GenerateOmni(TaskBody, kw_only=True):
    """Pictures from words and up to ten pictures, which are named `<<<image_1>>>` and on."""

    model_name: Text = UNSET
    prompt: Text = UNSET
    image_list: list[ListedImage] | UnsetType | None = UNSET
    element_list: list[Element] | UnsetType | None = UNSET
    resolution: Text = UNSET
    result_type: Text = UNSET
    n: Number = UNSET
    series_amount: Number = UNSET
    aspect_ratio: Text = UNSET


def summary_of(body: Any) -> str:
    return " ".join((body.__doc__ or "").split())
