"""What each model of API 2.0 takes (docs/kling-api.md 3.2, 4.17, 17): a new one is a row here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_HD = ("720p", "1080p")
_UHD = ("720p", "1080p", "4k")
_FRAMES = {"first_frame": 1, "last_frame": 1}
_OMNI = {**_FRAMES, "refer_image": 7, "feature_video": 1, "base_video": 1, "element": 7}


@dataclass(frozen=True, slots=True)
class Rules:
    """One model of one operation. Of several values the first is the default."""

    payer_id: str
    """The model's name in the price table, which is its legacy one where it has one."""
    seconds: range | tuple[int, ...] = ()
    """Empty where there is no `settings.duration`."""
    resolutions: tuple[str, ...] = _HD
    ratios: tuple[str, ...] = ()
    """Empty where there is no `settings.aspect_ratio`."""
    has_shots: bool = False
    """Whether there is `settings.multi_shot`."""
    audio: tuple[str, ...] = ()
    contents: Mapping[str, int] = field(default_factory=dict)
    """Types of `contents[]` beside `prompt`, and how many of each at most."""
    needs: tuple[str, ...] = ("prompt",)
    """Types that must be there."""
    needs_1080p: tuple[str, ...] = ()
    """Types, and values of `audio`, that go with 1080p only."""
    always_sounds: bool = False
    prompt_max: int = 3072
    videos_max: int = 1
    bills_input: bool = False
    """Whether the seconds of input videos are billed too."""
    takes_ids: bool = True
    """Whether `options` may have `external_task_id` and `callback_url`."""


_RATIOS = ("16:9", "9:16", "1:1")


def _kling_4(
    *,
    is_flash: bool,
    contents: Mapping[str, int] = MappingProxyType({}),
    needs: tuple[str, ...] = ("prompt",),
) -> Rules:
    """Say what is known of Kling 4.0 (section 17); most of it by third parties."""
    return Rules(
        "kling-4.0-flash" if is_flash else "kling-4.0",
        range(3, 21) if is_flash else range(3, 31),
        ("720p",) if is_flash else _HD,
        ratios=(*_RATIOS, "21:9"),
        contents=contents,
        needs=needs,
        always_sounds=True,
        prompt_max=26_000,
        videos_max=5,
        bills_input=True,
        takes_ids=False,
    )


_FRAMES_4 = {"first_frame": 1, "middle_frame": 8, "last_frame": 1}
_OMNI_4 = {
    **_FRAMES_4,
    "refer_image": 10,
    "feature_video": 5,
    "base_video": 1,
    "element": 7,
    "voice": 3,
}

_V3 = range(3, 16)
_FIRST = ("first_frame",)
_MOTION = ("image", "video")

MODELS: dict[str, dict[str, Rules]] = {
    "text-to-video": {
        "kling-4.0": _kling_4(is_flash=False),
        "kling-4.0-flash": _kling_4(is_flash=True),
        "kling-3.0-turbo": Rules("kling-3.0-turbo", _V3, ratios=_RATIOS, always_sounds=True),
        "kling-3.0": Rules(
            "kling-v3", _V3, _UHD, ratios=_RATIOS, has_shots=True, audio=("off", "native")
        ),
        "kling-2.6": Rules(
            "kling-v2-6",
            (5, 10),
            ratios=_RATIOS,
            audio=("off", "native"),
            needs_1080p=("native",),
        ),
        "kling-2.5-turbo": Rules("kling-v2-5-turbo", (5, 10), ratios=_RATIOS),
    },
    "image-to-video": {
        "kling-4.0": _kling_4(is_flash=False, contents={**_FRAMES_4, "voice": 3}, needs=_FIRST),
        "kling-4.0-flash": _kling_4(is_flash=True, contents={"first_frame": 1}, needs=_FIRST),
        "kling-3.0-turbo": Rules(
            "kling-3.0-turbo",
            _V3,
            contents={"first_frame": 1},
            needs=_FIRST,
            always_sounds=True,
        ),
        "kling-3.0": Rules(
            "kling-v3",
            _V3,
            _UHD,
            has_shots=True,
            audio=("off", "native"),
            contents={**_FRAMES, "element": 3},
            needs=_FIRST,
        ),
        "kling-2.6": Rules(
            "kling-v2-6",
            (5, 10),
            audio=("off", "native"),
            contents={**_FRAMES, "voice": 2},
            needs=_FIRST,
            needs_1080p=("native", "last_frame"),
        ),
        "kling-2.5-turbo": Rules(
            "kling-v2-5-turbo", (5, 10), contents=_FRAMES, needs=_FIRST, needs_1080p=("last_frame",)
        ),
    },
    "omni-video": {
        "kling-4.0": _kling_4(is_flash=False, contents=_OMNI_4),
        "kling-4.0-flash": _kling_4(is_flash=True, contents=_OMNI_4),
        "kling-3.0-omni": Rules(
            "kling-v3-omni",
            _V3,
            _UHD,
            ratios=_RATIOS,
            has_shots=True,
            audio=("off", "native", "original"),
            contents=_OMNI,
        ),
        "kling-o1": Rules(
            "kling-video-o1",
            range(3, 11),
            ratios=_RATIOS,
            audio=("off", "original"),
            contents=_OMNI,
        ),
    },
    "motion-control": {
        "kling-3.0": Rules(
            "kling-v3",
            audio=("original", "off"),
            contents={"image": 1, "video": 1, "element": 1},
            needs=_MOTION,
        ),
        "kling-2.6": Rules(
            "kling-v2-6",
            audio=("original", "off"),
            contents={"image": 1, "video": 1},
            needs=_MOTION,
        ),
    },
}
"""By operation and by the model in the path."""
