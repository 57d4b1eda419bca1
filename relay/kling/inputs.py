"""What a create may hold, as forms offer it: a row a field, of Kling's documents.

The relay reads few of these and refuses none: what prices a task stands in `endpoints.py`, and all
others pass as they are. So what is missing or wrong here is missing in a form alone
(docs/kling-api.md 4). Nobody has run it against the real Kling.
"""

from enum import StrEnum

import msgspec

ASPECTS = ("16:9", "9:16", "1:1")
PICTURE_ASPECTS = (*ASPECTS, "4:3", "3:4", "3:2", "2:3", "21:9")


class Kind(StrEnum):
    """How a field is filled in."""

    LINE = "line"
    TEXT = "text"
    """Of several lines."""
    CHOICE = "choice"
    MODEL = "model"
    """One of those that have a price."""
    NUMBER = "number"
    WHOLE = "whole"
    SWITCH = "switch"
    PICTURE = "picture"
    """A URL, or the base64 of a file."""
    SOUND = "sound"
    VIDEO = "video"
    """A URL: Kling takes no video in a body."""


class Input(msgspec.Struct, frozen=True):
    """One field."""

    path: str
    """`a.b` goes into objects, `a[].b` into lists of them, `a[x].b` into the item of a list whose
    `type` is x."""
    kind: Kind
    options: tuple[str, ...] = ()
    is_required: bool = False
    is_whole: bool = False
    """Of a choice: sent as a number, and not as text."""
    most: int = 1
    """Of a list: how many."""


def _line(path: str, *, must: bool = False) -> Input:
    return Input(path, Kind.LINE, is_required=must)


def _text(path: str, *, must: bool = False) -> Input:
    return Input(path, Kind.TEXT, is_required=must)


def _choice(path: str, *options: str, must: bool = False, is_whole: bool = False) -> Input:
    return Input(path, Kind.CHOICE, options, is_required=must, is_whole=is_whole)


def _picture(path: str, *, must: bool = False, most: int = 1) -> Input:
    return Input(path, Kind.PICTURE, is_required=must, most=most)


def _video(path: str, *, must: bool = False) -> Input:
    return Input(path, Kind.VIDEO, is_required=must)


MODEL = Input("model_name", Kind.MODEL)
PROMPT, MUST_PROMPT = _text("prompt"), _text("prompt", must=True)
NEGATIVE = _text("negative_prompt")
MODE = _choice("mode", "std", "pro", "4k")
STD_OR_PRO = _choice("mode", "std", "pro")
SOUND = _choice("sound", "off", "on")
ASPECT = _choice("aspect_ratio", *ASPECTS)
SECONDS = _choice("duration", *map(str, range(3, 16)))
FIVE_OR_TEN = _choice("duration", "5", "10")
COUNT = Input("n", Kind.WHOLE)
EXTERNAL_ID = _line("external_task_id")

RESOLUTION = _choice("settings.resolution", "720p", "1080p", "4k")
LENGTH = _choice("settings.duration", *map(str, range(3, 16)), is_whole=True)
AUDIO = _choice("settings.audio", "off", "native")
NEW_ID = _line("options.external_task_id")

FORMS: dict[str, tuple[Input, ...]] = {
    "text2video": (MODEL, MUST_PROMPT, NEGATIVE, MODE, SECONDS, ASPECT, SOUND, EXTERNAL_ID),
    "image2video": (
        *(MODEL, _picture("image", must=True), _picture("image_tail"), PROMPT, NEGATIVE),
        *(MODE, SECONDS, SOUND, EXTERNAL_ID),
    ),
    "multi-image2video": (
        *(MODEL, _picture("image_list[].image", must=True, most=4), MUST_PROMPT, NEGATIVE),
        *(STD_OR_PRO, FIVE_OR_TEN, ASPECT, EXTERNAL_ID),
    ),
    "omni-video": (
        *(MODEL, MUST_PROMPT, _picture("image_list[].image_url", most=7), MODE, SECONDS),
        *(ASPECT, SOUND, EXTERNAL_ID),
    ),
    "motion-control": (
        *(MODEL, _picture("image_url", must=True), _video("video_url", must=True), PROMPT),
        _choice("character_orientation", "image", "video", must=True),
        _choice("mode", "std", "pro", must=True),
        _choice("keep_original_sound", "yes", "no"),
        EXTERNAL_ID,
    ),
    "video-extend": (_line("video_id", must=True), PROMPT, NEGATIVE, EXTERNAL_ID),
    "lip-sync": (
        _choice("input.mode", "text2video", "audio2video", must=True),
        *(_line("input.video_id"), _video("input.video_url"), _text("input.text")),
        *(_line("input.voice_id"), _choice("input.voice_language", "zh", "en")),
        _choice("input.audio_type", "url", "file"),
        *(_line("input.audio_url"), Input("input.audio_file", Kind.SOUND)),
    ),
    "identify-face": (_line("video_id"), _video("video_url")),
    "effects": (
        *(_line("effect_scene", must=True), _picture("input.image", must=True)),
        EXTERNAL_ID,
    ),
    "avatar": (
        *(_picture("image", must=True), Input("sound_file", Kind.SOUND), _line("audio_id")),
        *(PROMPT, STD_OR_PRO, EXTERNAL_ID),
    ),
    "image-recognize": (_picture("image", must=True),),
    "generations": (
        *(MODEL, MUST_PROMPT, NEGATIVE, _picture("image")),
        _choice("image_reference", "subject", "face"),
        *(_choice("resolution", "1k", "2k"), COUNT),
        *(_choice("aspect_ratio", *PICTURE_ASPECTS), EXTERNAL_ID),
    ),
    "omni-image": (
        *(MODEL, MUST_PROMPT, _picture("image_list[].image", most=10)),
        *(_choice("resolution", "1k", "2k", "4k"), COUNT),
        *(_choice("aspect_ratio", "auto", *PICTURE_ASPECTS), EXTERNAL_ID),
    ),
    "multi-image2image": (
        *(MODEL, _picture("subject_image_list[].subject_image", must=True, most=4)),
        *(_picture("scene_image"), _picture("style_image"), PROMPT, COUNT),
        *(_choice("aspect_ratio", *PICTURE_ASPECTS), EXTERNAL_ID),
    ),
    "expand": (
        _picture("image", must=True),
        *(
            Input(f"{side}_expansion_ratio", Kind.NUMBER, is_required=True)
            for side in ("up", "down", "left", "right")
        ),
        *(PROMPT, COUNT, EXTERNAL_ID),
    ),
    "kolors-virtual-try-on": (
        *(MODEL, _picture("human_image", must=True), _picture("cloth_image"), EXTERNAL_ID),
    ),
    "text-to-audio": (
        *(MUST_PROMPT, Input("duration", Kind.NUMBER, is_required=True), EXTERNAL_ID),
    ),
    "video-to-audio": (
        *(_line("video_id"), _video("video_url"), _text("sound_effect_prompt")),
        *(_text("bgm_prompt"), Input("asmr_mode", Kind.SWITCH), EXTERNAL_ID),
    ),
    "tts": (
        *(_text("text", must=True), _line("voice_id", must=True)),
        *(_choice("voice_language", "zh", "en", must=True), Input("voice_speed", Kind.NUMBER)),
    ),
    "text-to-video": (
        *(Input("model", Kind.MODEL, is_required=True), _text("contents[prompt].text", must=True)),
        *(RESOLUTION, LENGTH, _choice("settings.aspect_ratio", *ASPECTS), AUDIO, NEW_ID),
    ),
    "image-to-video": (
        *(Input("model", Kind.MODEL, is_required=True), _text("contents[prompt].text")),
        *(_picture("contents[first_frame].url", must=True), _picture("contents[last_frame].url")),
        *(RESOLUTION, LENGTH, AUDIO, NEW_ID),
    ),
    "2.0-omni-video": (
        *(Input("model", Kind.MODEL, is_required=True), _text("contents[prompt].text", must=True)),
        *(_picture("contents[refer_image].url"), RESOLUTION, LENGTH),
        *(_choice("settings.aspect_ratio", *ASPECTS), AUDIO, NEW_ID),
    ),
}
"""By endpoint; whichever is not here is filled in as JSON."""


def put(body: dict[str, object], path: str, values: list[object]) -> None:
    """Put one field into a body; of a list a value an item, of all else the first."""
    head, _, rest = path.partition(".")
    if "[" not in head:
        if rest:
            inner = body.setdefault(head, {})
            assert isinstance(inner, dict), "paths do not cross"
            put(inner, rest, values)
        else:
            body[head] = values[0]
        return
    name, _, kind = head.removesuffix("]").partition("[")
    items = body.setdefault(name, [])
    assert isinstance(items, list), "paths do not cross"
    items += [({"type": kind} if kind else {}) | {rest: value} for value in values]
