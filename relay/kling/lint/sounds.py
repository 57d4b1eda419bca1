"""Rules of audio, elements and voices (docs/kling-api.md 4.15)."""

from relay.kling.lint.edits import one_video
from relay.kling.lint.rules import (
    Address,
    Count,
    Exclusive,
    Length,
    Needed,
    Number,
    Picture,
    Rule,
    Word,
)

SPEECH_CHARS_MAX = 1000

SOUNDS: dict[str, tuple[Rule, ...]] = {
    "text-to-audio": (
        Needed(path="prompt", source="4.15"),
        Length(path="prompt", most=200, source="4.15"),
        Needed(path="duration", source="4.15"),
        Number(path="duration", least="3.0", most="10.0", source="4.15"),
    ),
    "video-to-audio": (
        *one_video("4.15"),
        Length(path="sound_effect_prompt", most=200, source="4.15"),
        Length(path="bgm_prompt", most=200, source="4.15"),
    ),
    "tts": (
        Needed(path="text", source="4.15"),
        Length(path="text", most=SPEECH_CHARS_MAX, source="4.15"),
        Word(path="voice_language", words=("zh", "en"), source="4.15"),
        Number(path="voice_speed", least="0.8", most="2.0", source="4.15"),
    ),
    "advanced-custom-elements": (
        *(
            Needed(path=path, source="4.15")
            for path in ("element_name", "element_description", "reference_type")
        ),
        Length(path="element_name", most=20, source="4.15"),
        Length(path="element_description", most=100, source="4.15"),
        Word(path="reference_type", words=("video_refer", "image_refer"), source="4.15"),
        Picture(path="element_image_list.frontal_image", source="12"),
        Count(path="element_image_list.refer_images", most=3, source="4.15"),
        Picture(path="element_image_list.refer_images[].image_url", source="12"),
        Count(path="element_video_list.refer_videos", most=1, source="4.15"),
        Address(path="element_video_list.refer_videos[].video_url", source="4.15"),
        Word(
            path="tag_list[].tag_id",
            words=tuple(f"o_{number}" for number in range(101, 109)),
            source="4.15",
        ),
    ),
    "custom-voices": (
        Needed(path="voice_name", source="4.15"),
        Length(path="voice_name", most=20, source="4.15"),
        Needed(path="voice_url", or_else=("video_id",), source="4.15"),
        Exclusive(paths=("voice_url", "video_id"), source="4.15"),
        Address(path="voice_url", source="4.15"),
    ),
}
