"""Parameter checks of what is neither a main video endpoint nor synchronous (4.7 to 4.15)."""

from relay.sandbox.fields import Fields

PROMPT_MAX = 2500
AUDIO_PROMPT_MAX = 200
AREA_MAX = 3
_IMAGES_OF_EDITS = {"addition": range(1, 3), "swap": range(1, 2), "removal": range(1)}


def check_text_to_audio(fields: Fields, model: str) -> None:
    """Check 4.15: 3.0 to 10.0 s."""
    _ = model
    fields.text("prompt", longest=AUDIO_PROMPT_MAX)
    fields.number("duration", lowest=3, highest=10)


def check_video_to_audio(fields: Fields, model: str) -> None:
    """Check 4.15."""
    _ = model
    _only_one(fields, "video_id", "video_url")
    fields.text("video_url")
    fields.text("sound_effect_prompt", longest=AUDIO_PROMPT_MAX)
    fields.text("bgm_prompt", longest=AUDIO_PROMPT_MAX)
    fields.flag("asmr_mode")


def check_element(fields: Fields, model: str) -> None:
    """Check an advanced element (4.15)."""
    _ = model
    fields.text("element_name", longest=20)
    fields.text("element_description", longest=100)
    if fields.choice("reference_type", ("video_refer", "image_refer"), "") == "image_refer":
        fields.need("element_image_list")
        images = fields.part("element_image_list")
        images.need("frontal_image")
        images.picture("frontal_image")
        images.need("refer_images")
        for image in images.parts("refer_images", most=3):
            image.need("image_url")
            image.picture("image_url")
    else:
        fields.need("element_video_list")
        videos = fields.part("element_video_list")
        videos.need("refer_videos")
        for video in videos.parts("refer_videos", most=1):
            video.need("video_url")
    for tag in fields.parts("tag_list", most=8):
        tag.choice("tag_id", tuple(f"o_{number}" for number in range(101, 109)), "")


def check_voice(fields: Fields, model: str) -> None:
    """Check a custom voice (4.15)."""
    _ = model
    fields.text("voice_name", longest=20)
    _only_one(fields, "voice_url", "video_id")


def check_lip_sync(fields: Fields, model: str) -> None:
    """Check the old lip-sync (4.7)."""
    _ = model
    given = fields.part("input")
    given.need("video_id", "video_url")
    _only_one(given, "video_id", "video_url")
    given.need("mode")
    if given.choice("mode", ("text2video", "audio2video"), "") == "text2video":
        given.need("text")
        given.text("text", longest=120)
        given.need("voice_id")
        given.choice("voice_language", ("zh", "en"), "zh")
        given.number("voice_speed", lowest=0.8, highest=2, default=1)
    else:
        given.need("audio_file", "audio_url")


def check_advanced_lip_sync(fields: Fields, model: str) -> None:
    """Check 4.8: one face, with one sound."""
    _ = model
    for face in fields.parts("face_choose", most=1):
        face.need("face_id")
        face.need("audio_id", "sound_file")
        _only_one(face, "audio_id", "sound_file")
        for name in ("sound_start_time", "sound_end_time", "sound_insert_time"):
            face.number(name, lowest=0, highest=1e9)
        for name in ("sound_volume", "original_audio_volume"):
            face.number(name, lowest=0, highest=2, default=1)


def check_avatar(fields: Fields, model: str) -> None:
    """Check 4.10."""
    _ = model
    fields.picture("image")
    _only_one(fields, "audio_id", "sound_file")
    fields.text("prompt", longest=PROMPT_MAX)


def check_edit(fields: Fields, model: str) -> None:
    """Check multi-elements (4.11): so many images as the edit takes."""
    _ = model
    edit = fields.choice("edit_mode", tuple(_IMAGES_OF_EDITS), "")
    images = fields.parts("image_list", most=2)
    if len(images) not in _IMAGES_OF_EDITS[edit]:
        raise fields.refusal("image_list", f"has too few or too many images for {edit}")
    for image in images:
        image.need("image")
        image.picture("image")
    fields.text("prompt", longest=PROMPT_MAX)
    fields.text("negative_prompt", longest=PROMPT_MAX)


def check_effects(fields: Fields, model: str) -> None:
    """Check 4.9: one image or two; any name is taken for a scene."""
    _ = model
    fields.text("effect_scene")
    given = fields.part("input")
    given.need("image", "images")
    given.picture("image")
    if given.has("images") and len(given.texts("images")) != 2:  # noqa: PLR2004  # 4.9's bound
        raise given.refusal("images", "must have 2 items")


def check_expand(fields: Fields, model: str) -> None:
    """Check outpainting (4.14): each side up to twice the image, all up to 3 times its area."""
    _ = model
    fields.picture("image")
    up, down, left, right = (
        fields.number(f"{side}_expansion_ratio", lowest=0, highest=2)
        for side in ("up", "down", "left", "right")
    )
    if (1 + up + down) * (1 + left + right) > AREA_MAX:
        raise fields.refusal("up_expansion_ratio", "and the others make more than 3 times the area")


def check_try_on(fields: Fields, model: str) -> None:
    """Check the old try-on (4.14)."""
    _ = model
    fields.picture("human_image")
    fields.picture("cloth_image")


def check_multi_shot(fields: Fields, model: str) -> None:
    """Check ai-multi-shot (4.14)."""
    _ = model
    fields.picture("element_frontal_image")


def _only_one(fields: Fields, one: str, other: str) -> None:
    if fields.has(one) and fields.has(other):
        raise fields.refusal(one, f"excludes {other}")
