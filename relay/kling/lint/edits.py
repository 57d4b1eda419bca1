"""Rules of faces, sounds on videos, effects and edits (docs/kling-api.md 4.7 to 4.11)."""

from relay.kling.lint.given import Given
from relay.kling.lint.rules import (
    Address,
    Broken,
    Count,
    Exclusive,
    Length,
    Needed,
    Number,
    Own,
    Picture,
    Rule,
    Word,
)
from relay.kling.lint.videos import STD_OR_PRO


def one_video(source: str) -> tuple[Rule, ...]:
    """Exactly one of `video_id` and `video_url`."""
    return (
        Needed(path="video_id", or_else=("video_url",), source=source),
        Exclusive(paths=("video_id", "video_url"), source=source),
        Address(path="video_url", source=source),
    )


def _images_of_edit(given: Given) -> Broken | None:
    """Of a removal nothing is said but that it takes none: an image may be ignored there."""
    edit = given.word("edit_mode", "addition", "swap", "removal")
    count = given.count("image_list")
    if edit == "addition" and count not in (1, 2):
        return Broken("image_list", "must have 1 or 2 items with addition")
    if edit == "swap" and count != 1:
        return Broken("image_list", "must have 1 item with swap")
    return None


_POINTS: tuple[Rule, ...] = (
    Needed(path="session_id", source="4.11"),
    Count(path="points", most=10, source="4.11"),
    Number(path="points[].x", least="0", most="1", source="4.11"),
    Number(path="points[].y", least="0", most="1", source="4.11"),
)
_SESSION: tuple[Rule, ...] = (Needed(path="session_id", source="4.11"),)

EDITS: dict[str, tuple[Rule, ...]] = {
    "lip-sync": (
        Needed(path="input", source="4.7"),
        Needed(path="input.video_id", or_else=("input.video_url",), source="4.7"),
        Address(path="input.video_url", source="4.7"),
        Word(path="input.mode", words=("text2video", "audio2video"), source="4.7"),
        Length(path="input.text", most=120, source="4.7"),
        Word(path="input.voice_language", words=("zh", "en"), source="4.7"),
        Number(path="input.voice_speed", least="0.8", most="2.0", source="4.7"),
        Word(path="input.audio_type", words=("file", "url"), source="4.7"),
        Address(path="input.audio_url", source="4.7"),
    ),
    "identify-face": one_video("4.8"),
    "advanced-lip-sync": (
        Needed(path="session_id", source="4.8"),
        Needed(path="face_choose", source="4.8"),
        Count(path="face_choose", most=1, source="4.8"),
        Needed(path="face_choose[].face_id", source="4.8"),
        Needed(path="face_choose[].audio_id", or_else=("face_choose[].sound_file",), source="4.8"),
        Exclusive(paths=("face_choose[].audio_id", "face_choose[].sound_file"), source="4.8"),
        *(
            Needed(path=f"face_choose[].sound_{name}_time", source="4.8")
            for name in ("start", "end", "insert")
        ),
        *(
            Number(path=f"face_choose[].{name}_volume", least="0", most="2", source="4.8")
            for name in ("sound", "original_audio")
        ),
    ),
    "effects": (
        Needed(path="effect_scene", source="4.9"),
        Needed(path="input", source="4.9"),
        Picture(path="input.image", source="12"),
        Picture(path="input.images[]", source="12"),
        Count(path="input.images", least=2, most=2, source="4.9"),
    ),
    "avatar": (
        Needed(path="image", source="4.10"),
        Picture(path="image", source="12"),
        Needed(path="audio_id", or_else=("sound_file",), source="4.10"),
        Exclusive(paths=("audio_id", "sound_file"), source="4.10"),
        Length(path="prompt", most=2500, source="4.10"),
        Word(path="mode", words=STD_OR_PRO, source="4.10"),
    ),
    "init-selection": one_video("4.11"),
    "add-selection": _POINTS,
    "delete-selection": _POINTS,
    "clear-selection": _SESSION,
    "preview-selection": _SESSION,
    "multi-elements": (
        Needed(path="session_id", source="4.11"),
        Needed(path="edit_mode", source="4.11"),
        Word(path="edit_mode", words=("addition", "swap", "removal"), source="4.11"),
        Own(judge=_images_of_edit, source="4.11"),
        Needed(path="image_list[].image", source="4.11"),
        Picture(path="image_list[].image", source="12"),
        Needed(path="prompt", source="4.11"),
        Word(path="mode", words=STD_OR_PRO, source="4.11"),
        Number(path="duration", among=(5, 10), source="4.11"),
    ),
}
