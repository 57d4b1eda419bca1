"""Rules of the legacy video endpoints (docs/kling-api.md 4.1 to 4.6)."""

from collections.abc import Callable
from decimal import Decimal

from relay.kling.lint.given import Given, number_in
from relay.kling.lint.rules import (
    TRUE_OR_FALSE,
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

ASPECTS = ("16:9", "9:16", "1:1")
STD_OR_PRO = ("std", "pro")
MODES = (*STD_OR_PRO, "4k")
V1 = ("kling-v1", "kling-v1-5", "kling-v1-6")
V2 = ("kling-v2-1", "kling-v2-5-turbo", "kling-v2-6")
MASTERS = ("kling-v2-master", "kling-v2-1-master")
"""They have one mode, and what is said of it is not known to be read."""
V3, OMNI, O1 = "kling-v3", "kling-v3-omni", "kling-video-o1"
AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")
MOVES = ("simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward")
SHOT_TYPES = ("customize", "intelligence")
FRAMES = ("first_frame", "end_frame")
O1_FRAMED_IMAGES_MAX = 2


def _is_multi_shot(given: Given) -> bool:
    return given.flag("multi_shot")


def _is_one_shot(given: Given) -> bool:
    return not given.flag("multi_shot")


def _has_shot_list(given: Given) -> bool:
    return given.flag("multi_shot") and given.word("shot_type", *SHOT_TYPES) == "customize"


def _is_intelligent(given: Given) -> bool:
    return given.flag("multi_shot") and given.word("shot_type", *SHOT_TYPES) == "intelligence"


def _reads_prompt(given: Given) -> bool:
    return not _has_shot_list(given)


def _sounds(given: Given) -> bool:
    return given.word("sound", "on", "off", *TRUE_OR_FALSE) in ("on", "true")


def _shots_add_up(given: Given) -> Broken | None:
    """`duration` is not judged where it is absent: its default may follow the shots."""
    total = given.number("duration")
    shots = [shot.number("duration") for shot in given.objects("multi_prompt")]
    if total is None or not shots or None in shots:
        return None
    if sum((one for one in shots if one is not None), start=Decimal()) == total:
        return None
    return Broken("multi_prompt", "must have durations that add up to duration")


def _shots(source: str, *models: str) -> tuple[Rule, ...]:
    """Rules of models that take shots; others ignore these fields, or nobody knows."""
    return (
        Needed(path="shot_type", when=_is_multi_shot, models=models, source=source),
        Word(
            path="shot_type",
            words=SHOT_TYPES,
            when=_is_multi_shot,
            models=models,
            source=source,
        ),
        Needed(path="multi_prompt", when=_has_shot_list, models=models, source=source),
        Count(path="multi_prompt", most=6, when=_has_shot_list, models=models, source=source),
        Length(
            path="multi_prompt[].prompt",
            most=512,
            when=_has_shot_list,
            models=models,
            source=source,
        ),
        Own(judge=_short_shot, when=_has_shot_list, models=models, source=source),
        Own(judge=_shots_add_up, when=_has_shot_list, models=models, source=source),
    )


def _short_shot(given: Given) -> Broken | None:
    for name, raw in given.values("multi_prompt[].duration"):
        seconds = None if raw is None else number_in(raw)
        if seconds is not None and seconds < 1:
            return Broken(name, "must be 1 at least")
    return None


def _camera(given: Given) -> Broken | None:
    """Exactly one of six axes, in `config`, with the type simple alone."""
    for control in given.objects("camera_control"):
        is_simple = control.word("type", *MOVES) == "simple"
        axes = [
            (name, number_in(raw))
            for axis in AXES
            for name, raw in control.values(f"config.{axis}")
            if raw is not None
        ]
        moved = [(name, number) for name, number in axes if number != 0]
        for name, number in moved:
            if number is None or not -10 <= number <= 10:  # noqa: PLR2004 (of 4.1)
                return Broken(name, "must be a number from -10 to 10")
        if is_simple and len(moved) != 1:
            return Broken("camera_control.config", "must have exactly one value that is not 0")
        if moved and not is_simple and control.has("type"):
            return Broken("camera_control.config", "can be used with type simple only")
    return None


def _style(source: str) -> tuple[Rule, ...]:
    return (
        Length(path="prompt", most=2500, when=_reads_prompt, source=source),
        Length(path="negative_prompt", most=2500, source=source),
    )


def _modes_and_lengths(source: str) -> tuple[Rule, ...]:
    return (
        Word(path="mode", words=STD_OR_PRO, models=(*V1, *V2), source=source),
        Word(path="mode", words=MODES, models=(V3,), source=source),
        Number(path="duration", among=(5, 10), models=(*V1, *V2, *MASTERS), source=source),
        Number(path="duration", least="3", most="15", is_whole=True, models=(V3,), source=source),
    )


def _sound(source: str) -> tuple[Rule, ...]:
    def is_silent(given: Given) -> bool:
        return not _sounds(given)

    def is_not_pro(given: Given) -> bool:
        return _sounds(given) and given.word("mode", *MODES) in (None, "std")

    return (
        Word(path="sound", words=("on", "off"), also=TRUE_OR_FALSE, source="4.1"),
        Own(
            judge=lambda _: Broken("sound", "on needs mode pro with kling-v2-6"),
            when=is_not_pro,
            models=("kling-v2-6",),
            source=source,
        ),
        Count(path="voice_list", most=2, source=source),
        Own(
            judge=_says_if("voice_list", "needs sound on"),
            when=is_silent,
            models=("kling-v2-6", V3),
            source=source,
        ),
    )


def _says_if(path: str, why: str) -> Callable[[Given], Broken | None]:
    """Refuse a list that has items."""
    return lambda given: Broken(path, why) if given.count(path) else None


_CAMERA = (
    Word(path="camera_control.type", words=MOVES, source="4.1"),
    Own(judge=_camera, source="4.1"),
)
_CFG = Number(path="cfg_scale", least="0", most="1", source="4.1")


def _kinds_of_frames(given: Given) -> set[str]:
    return {
        kind
        for image in given.objects("image_list")
        if (kind := image.word("type", *FRAMES)) is not None
    }


def _has_base(given: Given) -> bool:
    return any(
        video.word("refer_type", "base", "feature") in (None, "base")
        for video in given.objects("video_list")
    )


def _has_video(given: Given) -> bool:
    return given.has("video_list")


def _has_no_video(given: Given) -> bool:
    return not given.has("video_list")


def _has_no_base(given: Given) -> bool:
    return not _has_base(given)


def _frames(given: Given) -> Broken | None:
    frames = _kinds_of_frames(given)
    if "end_frame" in frames and "first_frame" not in frames:
        return Broken("image_list", "needs a first_frame beside an end_frame")
    if frames and _has_base(given):
        return Broken("image_list", "cannot have frames beside a base video")
    return None


def _o1_frames(given: Given) -> Broken | None:
    frames = _kinds_of_frames(given)
    if frames and given.count("image_list") > O1_FRAMED_IMAGES_MAX:
        return Broken("image_list", "cannot have frames among more than 2 images")
    if len(frames) == len(FRAMES) and given.has("element_list"):
        return Broken("element_list", "cannot be used with first_frame and end_frame")
    return None


def _omni_frames(given: Given) -> Broken | None:
    if _kinds_of_frames(given) and given.count("element_list") > 3:  # noqa: PLR2004
        return Broken("element_list", "must have at most 3 items beside frames")
    return None


def _is_fixed_length_of_o1(given: Given) -> bool:
    """Pure text, or a first frame alone."""
    if given.has("video_list") or given.has("element_list"):
        return False
    return given.count("image_list") == len(_kinds_of_frames(given) & {"first_frame"})


def _needs_aspect(given: Given) -> bool:
    return "first_frame" not in _kinds_of_frames(given) and not _has_base(given)


def _sound_with_video(given: Given) -> Broken | None:
    return Broken("sound", "must be off with video_list") if _sounds(given) else None


def _shots_with_base(given: Given) -> Broken | None:
    if given.flag("multi_shot"):
        return Broken("multi_shot", "cannot be used with a base video")
    return None


VIDEOS: dict[str, tuple[Rule, ...]] = {
    "text2video": (
        Needed(path="prompt", when=_is_one_shot, source="4.1"),
        Needed(path="prompt", when=_is_intelligent, models=(V3,), source="4.1"),
        *_style("4.1"),
        *_shots("4.1", V3),
        *_sound("4.1"),
        _CFG,
        *_modes_and_lengths("4.1"),
        *_CAMERA,
        Word(path="aspect_ratio", words=ASPECTS, source="4.1"),
    ),
    "image2video": (
        Needed(path="image", or_else=("image_tail",), source="4.2"),
        *(
            Picture(path=path, source="12")
            for path in ("image", "image_tail", "static_mask", "dynamic_masks[].mask")
        ),
        Count(path="dynamic_masks", most=6, source="4.2"),
        Count(path="dynamic_masks[].trajectories", least=2, most=77, source="4.2"),
        Exclusive(
            paths=("image_tail", "dynamic_masks static_mask", "camera_control"), source="4.2"
        ),
        Count(path="element_list", most=3, source="4.2"),
        Exclusive(paths=("element_list", "voice_list"), source="4.2"),
        *_style("4.2"),
        *_shots("4.2", V3),
        *_sound("4.2"),
        _CFG,
        *_modes_and_lengths("4.2"),
        *_CAMERA,
    ),
    "multi-image2video": (
        Needed(path="image_list", source="4.3"),
        Count(path="image_list", most=4, source="4.3"),
        Needed(path="image_list[].image", source="4.3"),
        Picture(path="image_list[].image", source="12"),
        Needed(path="prompt", source="4.3"),
        *_style("4.3"),
        Word(path="mode", words=STD_OR_PRO, source="4.3"),
        Number(path="duration", among=(5, 10), source="4.3"),
        Word(path="aspect_ratio", words=ASPECTS, source="4.3"),
    ),
    "omni-video": (
        Needed(path="prompt", when=_is_one_shot, source="4.4"),
        Needed(path="prompt", when=_is_intelligent, models=(OMNI,), source="4.4"),
        Length(path="prompt", most=2500, when=_reads_prompt, source="4.4"),
        *_shots("4.4", OMNI),
        Needed(path="image_list[].image_url", source="4.4"),
        Picture(path="image_list[].image_url", source="12"),
        Word(path="image_list[].type", words=FRAMES, source="4.4"),
        Count(path="image_list", most=7, when=_has_no_video, source="4.4"),
        Count(path="image_list", most=4, when=_has_video, source="4.4"),
        Own(judge=_frames, source="4.4"),
        Own(judge=_o1_frames, models=(O1,), source="4.4"),
        Own(judge=_omni_frames, models=(OMNI,), source="4.4"),
        Count(path="video_list", most=1, source="4.4"),
        Needed(path="video_list[].video_url", source="4.4"),
        Address(path="video_list[].video_url", source="4.4"),
        Word(path="video_list[].refer_type", words=("base", "feature"), source="4.4"),
        Word(path="video_list[].keep_original_sound", words=("yes", "no"), source="4.4"),
        Word(path="sound", words=("on", "off"), also=TRUE_OR_FALSE, source="4.4"),
        Own(judge=_sound_with_video, when=_has_video, source="4.4"),
        Own(judge=_shots_with_base, when=_has_base, models=(OMNI,), source="4.4"),
        Word(path="mode", words=STD_OR_PRO, models=(O1,), source="4.4"),
        Word(path="mode", words=MODES, models=(OMNI,), source="4.4"),
        Needed(path="aspect_ratio", when=_needs_aspect, source="4.4"),
        Word(path="aspect_ratio", words=ASPECTS, when=_has_no_base, source="11"),
        Number(
            path="duration",
            among=(5, 10),
            when=_is_fixed_length_of_o1,
            models=(O1,),
            source="4.4",
        ),
        Number(
            path="duration",
            least="3",
            most="10",
            is_whole=True,
            when=_has_no_base,
            models=(O1,),
            source="4.4",
        ),
        Number(
            path="duration",
            least="3",
            most="15",
            is_whole=True,
            when=_has_no_base,
            models=(OMNI,),
            source="4.4",
        ),
    ),
    "motion-control": (
        *(
            Needed(path=path, source="4.5")
            for path in ("image_url", "video_url", "character_orientation", "mode")
        ),
        Picture(path="image_url", source="12"),
        Address(path="video_url", source="4.5"),
        Word(path="character_orientation", words=("image", "video"), source="4.5"),
        Word(path="mode", words=STD_OR_PRO, source="4.5"),
        Word(path="keep_original_sound", words=("yes", "no"), source="4.5"),
        Length(path="prompt", most=2500, source="4.5"),
        Count(path="element_list", most=1, source="4.5"),
    ),
    "video-extend": (
        Needed(path="video_id", source="4.6"),
        Length(path="prompt", most=2500, source="4.6"),
        Length(path="negative_prompt", most=2500, source="4.6"),
    ),
}
