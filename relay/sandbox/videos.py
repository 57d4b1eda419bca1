"""Parameter checks of the main video endpoints (docs/kling-api.md 4.1 to 4.5).

Model, mode, duration and the common tail are checked for every endpoint alike (`orders.py`);
here stands what is each endpoint's own. Fields that Kling ignores for a model are not refused.
"""

from relay.sandbox.fields import Fields
from relay.sandbox.models import WITH_SOUND, seconds_of

PROMPT_MAX = 2500
SHOT_PROMPT_MAX = 512
ASPECT_RATIOS = ("16:9", "9:16", "1:1")
CAMERA_MOVES = (
    "simple",
    "down_back",
    "forward_up",
    "right_turn_forward",
    "left_turn_forward",
)
CAMERA_AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")


def check_text2video(fields: Fields, model: str) -> None:
    """Check 4.1."""
    _check_shots(fields, model, prompt_needed=True)
    _check_style(fields)
    _check_sound(fields, model)
    _check_camera(fields)
    fields.choice("aspect_ratio", ASPECT_RATIOS, "16:9")


def check_image2video(fields: Fields, model: str) -> None:
    """Check 4.2; the images may stand without a prompt."""
    fields.need("image", "image_tail")
    fields.picture("image")
    has_tail = fields.picture("image_tail")
    has_masks = _check_masks(fields)
    has_camera = _check_camera(fields)
    if has_tail + has_masks + has_camera > 1:
        raise fields.refusal("image_tail", "excludes static_mask, dynamic_masks and camera_control")
    if fields.parts("element_list", most=3) and fields.has("voice_list"):
        raise fields.refusal("element_list", "excludes voice_list")
    _check_shots(fields, model, prompt_needed=False)
    _check_style(fields)
    _check_sound(fields, model)


def check_multi_image2video(fields: Fields, model: str) -> None:
    """Check 4.3."""
    _ = model
    fields.need("image_list")
    for item in fields.parts("image_list", most=4):
        item.need("image")
        item.picture("image")
    fields.need("prompt")
    fields.text("prompt", longest=PROMPT_MAX)
    fields.text("negative_prompt", longest=PROMPT_MAX)
    fields.choice("aspect_ratio", ASPECT_RATIOS, "16:9")


def check_omni_video(fields: Fields, model: str) -> None:
    """Check 4.4."""
    videos = fields.parts("video_list", most=1)
    frames = _check_omni_images(fields, model, most=4 if videos else 7)
    elements = fields.parts("element_list", most=7)
    if frames == {"first_frame", "end_frame"} and elements and model == "kling-video-o1":
        raise fields.refusal("element_list", "cannot be used with first and end frames")
    is_base = False
    for video in videos:
        video.need("video_url")
        is_base = video.choice("refer_type", ("base", "feature"), "base") == "base"
        video.choice("keep_original_sound", ("yes", "no"), "yes")
    if is_base and frames:
        raise fields.refusal("image_list", "cannot have frames with a base video")
    if is_base and fields.flag("multi_shot"):
        raise fields.refusal("multi_shot", "cannot be used with a base video")
    if videos and fields.text("sound") == "on":
        raise fields.refusal("sound", "must be off with video_list")
    if videos and fields.text("mode") == "4k":
        raise fields.refusal("mode", "4k cannot be used with video_list")
    if not is_base and "first_frame" not in frames:
        fields.need("aspect_ratio")
    fields.choice("aspect_ratio", ASPECT_RATIOS, "16:9")
    is_pure_text = not (videos or elements or fields.has("image_list"))
    if model == "kling-video-o1" and (is_pure_text or "first_frame" in frames):
        fields.whole("duration", (5, 10), 5)
    _check_shots(fields, model, prompt_needed=True)
    _check_sound(fields, model)


def check_motion_control(fields: Fields, model: str) -> None:
    """Check 4.5."""
    _ = model
    fields.need("image_url")
    fields.need("video_url")
    fields.need("character_orientation")
    fields.need("mode")
    fields.picture("image_url")
    fields.choice("character_orientation", ("image", "video"), "")
    fields.choice("mode", ("std", "pro"), "")
    fields.choice("keep_original_sound", ("yes", "no"), "yes")
    fields.text("prompt", longest=PROMPT_MAX)


def _check_omni_images(fields: Fields, model: str, *, most: int) -> set[str]:
    """Check `image_list` and return the kinds of frames in it."""
    images = fields.parts("image_list", most=most)
    frames = set()
    for image in images:
        image.need("image_url")
        image.picture("image_url")
        if image.has("type"):
            frames.add(image.choice("type", ("first_frame", "end_frame"), "first_frame"))
    if "end_frame" in frames and "first_frame" not in frames:
        raise fields.refusal("image_list", "with an end_frame needs a first_frame")
    if frames and model == "kling-video-o1" and len(images) > 2:  # noqa: PLR2004  # 4.4's bound
        raise fields.refusal("image_list", "with more than 2 images cannot have frames")
    return frames


def _check_shots(fields: Fields, model: str, *, prompt_needed: bool) -> None:
    """Check `prompt` or, with multi_shot, the shots that replace it."""
    fields.text("prompt", longest=PROMPT_MAX)
    shot_type = ""
    if fields.flag("multi_shot"):
        fields.need("shot_type")
        shot_type = fields.choice("shot_type", ("customize", "intelligence"), "")
    if shot_type != "customize":
        if prompt_needed or shot_type:
            fields.need("prompt")
        return
    fields.need("multi_prompt")
    total = 0.0
    for shot in fields.parts("multi_prompt", most=6):
        shot.number("index", lowest=0, highest=1000)
        shot.need("prompt")
        shot.text("prompt", longest=SHOT_PROMPT_MAX)
        total += shot.number("duration", lowest=1, highest=15)
    if total != fields.whole("duration", seconds_of(model), 5):
        raise fields.refusal("multi_prompt", "durations must add up to duration")


def _check_style(fields: Fields) -> None:
    fields.text("negative_prompt", longest=PROMPT_MAX)
    fields.number("cfg_scale", lowest=0, highest=1, default=0.5)


def _check_sound(fields: Fields, model: str) -> None:
    sound = fields.choice("sound", ("on", "off"), "off")
    if sound == "on" and model not in WITH_SOUND:
        raise fields.refusal("sound", f"on is not supported by {model}")
    if sound == "on" and model == "kling-v2-6" and fields.text("mode") != "pro":
        raise fields.refusal("sound", "on needs mode pro with kling-v2-6")
    voices = fields.parts("voice_list", most=2)
    for voice in voices:
        voice.need("voice_id")
    if voices and sound != "on":
        raise fields.refusal("voice_list", "needs sound on")


def _check_camera(fields: Fields) -> bool:
    """Check `camera_control`; True if it is there."""
    if not fields.has("camera_control"):
        return False
    control = fields.part("camera_control")
    control.need("type")
    if control.choice("type", CAMERA_MOVES, "") == "simple":
        control.need("config")
        config = control.part("config")
        axes = [config.number(axis, lowest=-10, highest=10, default=0) for axis in CAMERA_AXES]
        if sum(axis != 0 for axis in axes) != 1:
            raise control.refusal("config", "must have exactly one non-zero value")
    elif control.has("config"):
        raise control.refusal("config", "is for type simple only")
    return True


def _check_masks(fields: Fields) -> bool:
    """Check the motion brush; True if one of its fields is there."""
    fields.picture("static_mask")
    for mask in fields.parts("dynamic_masks", most=6):
        mask.need("mask")
        mask.picture("mask")
        mask.need("trajectories")
        if len(mask.parts("trajectories", most=77)) == 1:
            raise mask.refusal("trajectories", "must have at least 2 points")
    return fields.has("static_mask") or fields.has("dynamic_masks")
