"""Bodies that break a rule each, made of one that breaks none; None takes a field out."""

from typing import Any, NamedTuple

from tests.sandbox.bodies import CLIP, SOUND, URL

Body = dict[str, Any]

DATA = "data:image/png;base64,iVBORw0KGgo="
FTP = "ftp://example.com/a.mp4"
PROMPT: Body = {"prompt": "a cat"}
IMAGE: Body = {"image": URL}
V3: Body = {"model_name": "kling-v3"}
V26: Body = {"model_name": "kling-v2-6"}
V1: Body = {"model_name": "kling-v1"}
MASTER: Body = {"model_name": "kling-v2-master"}
O1: Body = {"model_name": "kling-video-o1"}
OMNI: Body = {"model_name": "kling-v3-omni"}
SHOT: Body = {"index": 1, "prompt": "a cat", "duration": "5"}
SHOTS: Body = {
    "multi_shot": True,
    "shot_type": "customize",
    "multi_prompt": [SHOT],
    "duration": "5",
}
ZOOM: Body = {"type": "simple", "config": {"zoom": 3, "pan": "0"}}
ELEMENTS = [{"element_id": 829836802793406551}]
VOICES = [{"voice_id": "1"}]
PICTURE: Body = {"image_url": URL}
FIRST: Body = {"image_url": URL, "type": "first_frame"}
LAST: Body = {"image_url": URL, "type": "end_frame"}
BASE: Body = {"video_url": CLIP}
FEATURE: Body = {"video_url": CLIP, "refer_type": "feature"}
FACE: Body = {
    "face_id": "0",
    "sound_file": SOUND,
    "sound_start_time": 0,
    "sound_end_time": 2000,
    "sound_insert_time": 0,
}
FRAME: Body = {"type": "first_frame", "url": URL}
TEXT: Body = {"type": "prompt", "text": "a cat"}


class Wrong(NamedTuple):
    """A change that breaks a body, and the field that is named then."""

    change: Body
    field: str
    model: str | None = None
    """In the path."""


RIGHT: dict[str, Body] = {
    "text2video": PROMPT,
    "image2video": IMAGE,
    "multi-image2video": {**PROMPT, "image_list": [IMAGE]},
    "omni-video": {**PROMPT, "aspect_ratio": "16:9"},
    "motion-control": {
        "image_url": URL,
        "video_url": CLIP,
        "character_orientation": "image",
        "mode": "std",
    },
    "video-extend": {"video_id": "1"},
    "lip-sync": {"input": {"video_url": CLIP, "mode": "text2video", "text": "hello"}},
    "identify-face": {"video_url": CLIP},
    "advanced-lip-sync": {"session_id": "1", "face_choose": [FACE]},
    "effects": {"effect_scene": "hug_pro", "input": {"images": [URL, URL]}},
    "avatar": {**IMAGE, "sound_file": SOUND},
    "init-selection": {"video_id": "1"},
    "add-selection": {"session_id": "1", "points": [{"x": 0.5, "y": 1}]},
    "delete-selection": {"session_id": "1", "points": [{"x": "0.5", "y": 0}]},
    "clear-selection": {"session_id": "1"},
    "preview-selection": {"session_id": "1"},
    "multi-elements": {**PROMPT, "session_id": "1", "edit_mode": "removal"},
    "image-recognize": IMAGE,
    "generations": PROMPT,
    "omni-image": PROMPT,
    "multi-image2image": {"subject_image_list": [{"subject_image": URL}]},
    "expand": {
        **IMAGE,
        **{f"{side}_expansion_ratio": 0.1 for side in ("up", "down", "left", "right")},
    },
    "kolors-virtual-try-on": {"human_image": URL},
    "ai-multi-shot": {"element_frontal_image": URL},
    "text-to-audio": {"prompt": "rain", "duration": 5.0},
    "video-to-audio": {"video_url": CLIP},
    "tts": {"text": "hello"},
    "advanced-custom-elements": {
        "element_name": "fox",
        "element_description": "a red fox",
        "reference_type": "image_refer",
    },
    "custom-voices": {"voice_name": "mine", "voice_url": SOUND},
    "text-to-video": PROMPT,
    "image-to-video": {"contents": [TEXT, FRAME]},
    "2.0-omni-video": {"contents": [TEXT]},
    "2.0-motion-control": {
        "contents": [{"type": "image", "url": URL}],
        "settings": {"character_orientation": "image"},
    },
}
