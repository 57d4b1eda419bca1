"""What each model of API 2.0 takes (docs/kling-api.md 3.2 and 4.17): a new one is a row here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_HD = ("720p", "1080p")
_UHD = ("720p", "1080p", "4k")
_FRAMES = {"first_frame": 1, "last_frame": 1}
_OMNI = {**_FRAMES, "refer_image": 7, "feature_video": 1, "base_video": 1, "element": 7}


@dataclass(frozen=True, slots=True)
class Rules:
    """One model of one operation. Of several values the first is the default."""

    priced_as: str
    """The model's name in the price table, which is its legacy one where it has one."""
    seconds: range | tuple[int, ...] = ()
    """Empty where there is no `settings.duration`."""
    resolutions: tuple[str, ...] = _HD
    has_ratio: bool = False
    has_shots: bool = False
    """Whether there is `settings.multi_shot`."""
    audio: tuple[str, ...] = ()
    contents: Mapping[str, int] = field(default_factory=dict)
    """Types of `contents[]` beside `prompt`, and how many of each at most."""
    needs: tuple[str, ...] = ("prompt",)
    """Types that must be there."""
    needs_1080p: tuple[str, ...] = ()
    """Types, and values of `audio`, that go with 1080p only."""


_V3 = range(3, 16)
_FIRST = ("first_frame",)
_MOTION = ("image", "video")

MODELS: dict[str, dict[str, Rules]] = {
    "text-to-video": {
        "kling-3.0-turbo": Rules("kling-3.0-turbo", _V3, has_ratio=True),
        "kling-3.0": Rules(
            "kling-v3", _V3, _UHD, has_ratio=True, has_shots=True, audio=("off", "native")
        ),
        "kling-2.6": Rules(
            "kling-v2-6",
            (5, 10),
            has_ratio=True,
            audio=("off", "native"),
            needs_1080p=("native",),
        ),
        "kling-2.5-turbo": Rules("kling-v2-5-turbo", (5, 10), has_ratio=True),
    },
    "image-to-video": {
        "kling-3.0-turbo": Rules("kling-3.0-turbo", _V3, contents={"first_frame": 1}, needs=_FIRST),
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
        "kling-3.0-omni": Rules(
            "kling-v3-omni",
            _V3,
            _UHD,
            has_ratio=True,
            has_shots=True,
            audio=("off", "native", "original"),
            contents=_OMNI,
        ),
        "kling-o1": Rules(
            "kling-video-o1",
            range(3, 11),
            has_ratio=True,
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
