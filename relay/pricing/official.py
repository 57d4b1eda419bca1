"""Kling's own price list, in units, as it stood on the day that `LIST` names.

It is what a new database begins with; one that is in use keeps the list that it has adopted, until
`relay price adopt` (`pricing/lists.py`). So whatever is changed here gets another `LIST`.

Source: docs/kling-api.md 10 (kling.ai/document-api/pricing/base/video, fetched 2026-09-20;
retired models from public clients). Effects and solutions have no row: no list of theirs is known.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from relay.kling.models import UNPRICED, UNPRICED_MODES
from relay.kling.words import Words
from relay.pricing.book import Pack, Per, PriceRow, words_of

LIST = "2026-09-20"
SOURCE = f"Kling's list of {LIST}"

Modes = Mapping[str | None, str]
"""Units by mode; std is 720p and pro is 1080p."""

NEW_MODES = {"std": "720p", "pro": "1080p", "4k": "4k"}
NEW_MODELS = {
    "kling-v3": "kling-3.0",
    "kling-v2-6": "kling-2.6",
    "kling-v2-5-turbo": "kling-2.5-turbo",
    "kling-v3-omni": "kling-3.0-omni",
    "kling-video-o1": "kling-o1",
}
"""What API 2.0 calls the same models, at the same prices."""

VIDEO_PER_SECOND: tuple[tuple[str, bool, bool | None, Modes], ...] = (
    # model, sound, voice control, units per second by mode
    ("kling-v3", False, None, {"std": "0.6", "pro": "0.8", "4k": "3.0"}),
    ("kling-v3", True, False, {"std": "0.9", "pro": "1.2", "4k": "3.0"}),
    ("kling-v2-6", False, None, {"std": "0.3", "pro": "0.5"}),
    ("kling-v2-6", True, False, {"pro": "1.0"}),
    ("kling-v2-6", True, True, {"pro": "1.2"}),
    ("kling-v2-5-turbo", False, None, {"std": "0.3", "pro": "0.5"}),
)
OMNI_PER_SECOND: tuple[tuple[str, bool, bool, Modes], ...] = (
    # model, sound, video input, units per second by mode
    ("kling-v3-omni", False, False, {"std": "0.6", "pro": "0.8", "4k": "3.0"}),
    ("kling-v3-omni", True, False, {"std": "0.8", "pro": "1.0", "4k": "3.0"}),
    ("kling-v3-omni", False, True, {"std": "0.9", "pro": "1.2", "4k": "3.0"}),
    ("kling-video-o1", False, False, {"std": "0.6", "pro": "0.8"}),
    ("kling-video-o1", False, True, {"std": "0.9", "pro": "1.2"}),
)
MOTION_PER_SECOND: tuple[tuple[str, Modes], ...] = (
    ("kling-v3", {"std": "0.9", "pro": "1.2"}),
    ("kling-v2-6", {"std": "0.5", "pro": "0.8"}),
)
CLIPS: tuple[tuple[tuple[str, ...], str, str | None, tuple[str, str]], ...] = (
    # endpoints, model, mode, units of 5 and of 10 seconds; retired on 2026-09-15, see section 1
    (("text2video", "image2video"), "kling-v1", "std", ("1", "2")),
    (("text2video", "image2video"), "kling-v1", "pro", ("3.5", "7")),
    (("text2video", "image2video"), "kling-v1-5", "std", ("2", "4")),
    (("text2video", "image2video"), "kling-v1-5", "pro", ("3.5", "7")),
    (("text2video", "image2video"), "kling-v1-6", "std", ("2", "4")),
    (("text2video", "image2video"), "kling-v1-6", "pro", ("3.5", "7")),
    (("text2video", "image2video"), "kling-v2-1", "std", ("2", "4")),
    (("text2video", "image2video"), "kling-v2-1", "pro", ("3.5", "7")),
    (("text2video", "image2video"), "kling-v2-master", None, ("10", "20")),
    (("text2video", "image2video"), "kling-v2-1-master", None, ("10", "20")),
    (("multi-image2video",), "kling-v1-6", "std", ("2", "4")),
    (("multi-image2video",), "kling-v1-6", "pro", ("3.5", "7")),
    (("multi-elements",), "kling-v1-6", "std", ("3", "6")),
    (("multi-elements",), "kling-v1-6", "pro", ("5", "10")),
)
CALLS: tuple[tuple[str, str, Pack], ...] = (
    # endpoint, units per call, pack
    ("tts", "0.05", Pack.VIDEO),
    ("identify-face", "0.05", Pack.VIDEO),
    ("text-to-audio", "0.25", Pack.VIDEO),
    ("video-to-audio", "0.25", Pack.VIDEO),
    ("custom-voices", "0.05", Pack.VIDEO),
    ("image-recognize", "0.1", Pack.VIDEO),
    ("ai-multi-shot", "20", Pack.IMAGE),
    # Depends on the model of the source, which the body does not name: the dearest, as a hold.
    ("video-extend", "3.5", Pack.VIDEO),
    ("kolors-virtual-try-on", "20", Pack.IMAGE),  # 0.07 USD at 0.0035 a unit
)
IMAGES: tuple[tuple[str, str | None, str | None, bool | None, str], ...] = (
    # endpoint, model, resolution, with a reference image, units per image
    ("generations", "kling-v3", None, None, "8"),
    ("generations", "kling-v2-1", None, False, "4"),
    ("generations", "kling-v2-1", None, True, "8"),
    ("generations", "kling-v2", None, False, "4"),
    ("generations", "kling-v2", None, True, "8"),
    ("generations", "kling-v2-new", None, False, "4"),
    ("generations", "kling-v2-new", None, True, "8"),
    ("generations", "kling-v1-5", None, False, "4"),
    ("generations", "kling-v1-5", None, True, "8"),
    ("generations", "kling-v1", None, None, "1"),
    # No price is known of O1 in 4k.
    ("omni-image", "kling-image-o1", "1k", None, "8"),
    ("omni-image", "kling-image-o1", "2k", None, "8"),
    ("omni-image", "kling-v3-omni", "1k", None, "8"),
    ("omni-image", "kling-v3-omni", "2k", None, "8"),
    ("omni-image", "kling-v3-omni", "4k", None, "16"),
    ("multi-image2image", None, None, None, "16"),
    ("expand", None, None, None, "8"),
)


def _rows() -> Iterator[PriceRow]:
    for endpoint in ("text2video", "image2video"):
        for model, sound, voice, modes in VIDEO_PER_SECOND:
            yield from _seconds(endpoint, model, modes, sound=sound, voice=voice)
    for endpoint in ("text-to-video", "image-to-video"):
        for model, sound, voice, modes in VIDEO_PER_SECOND:
            yield from _new_seconds(endpoint, model, modes, sound=sound, voice=voice)
        yield from _seconds(endpoint, "kling-3.0-turbo", {"720p": "0.8", "1080p": "1.0"})
    for model, sound, video_input, modes in OMNI_PER_SECOND:
        yield from _seconds("omni-video", model, modes, sound=sound, video_input=video_input)
        yield from _new_seconds(
            "2.0-omni-video", model, modes, sound=sound, video_input=video_input
        )
    for model, modes in MOTION_PER_SECOND:
        yield from _seconds("motion-control", model, modes)
        yield from _new_seconds("2.0-motion-control", model, modes)
    yield from _seconds("avatar", None, {"std": "0.4", "pro": "0.8"})
    # 0.5 units per 5 seconds.
    yield from _seconds("lip-sync", None, {None: "0.1"})
    yield from _seconds("advanced-lip-sync", None, {None: "0.1"})
    yield from _clips()
    for endpoint, units, pack in CALLS:
        yield PriceRow(
            endpoint=endpoint, per=Per.TASK, units=Decimal(units), pack=pack, source=SOURCE
        )
    for endpoint, image_model, resolution, with_image, units in IMAGES:
        yield PriceRow(
            endpoint=endpoint,
            model=image_model,
            mode=resolution,
            video_input=with_image,
            per=Per.IMAGE,
            units=Decimal(units),
            pack=Pack.IMAGE,
            source=SOURCE,
        )


def _seconds(
    endpoint: str,
    model: str | None,
    modes: Modes,
    *,
    sound: bool | None = None,
    voice: bool | None = None,
    video_input: bool | None = None,
) -> Iterator[PriceRow]:
    for mode, units in modes.items():
        yield PriceRow(
            endpoint=endpoint,
            model=model,
            mode=mode,
            sound=sound,
            voice=voice,
            video_input=video_input,
            units=Decimal(units),
            source=SOURCE,
        )


def _new_seconds(
    endpoint: str,
    model: str,
    modes: Modes,
    *,
    sound: bool | None = None,
    voice: bool | None = None,
    video_input: bool | None = None,
) -> Iterator[PriceRow]:
    yield from _seconds(
        endpoint,
        NEW_MODELS[model],
        {NEW_MODES[str(mode)]: units for mode, units in modes.items()},
        sound=sound,
        voice=voice,
        video_input=video_input,
    )


def _clips() -> Iterator[PriceRow]:
    for endpoints, model, mode, lengths in CLIPS:
        for endpoint in endpoints:
            for seconds, units in zip((5, 10), lengths, strict=True):
                yield PriceRow(
                    endpoint=endpoint,
                    model=model,
                    mode=mode,
                    duration_s=seconds,
                    per=Per.TASK,
                    units=Decimal(units),
                    source=SOURCE,
                )


OFFICIAL: tuple[PriceRow, ...] = tuple(_rows())


def _words() -> Iterator[tuple[str, Words]]:
    for endpoint in dict.fromkeys(row.endpoint for row in OFFICIAL):
        named = words_of(row for row in OFFICIAL if row.endpoint == endpoint)
        models = dict.fromkeys((*named.models, *UNPRICED.get(endpoint, ())))
        modes = dict.fromkeys((*named.modes, *UNPRICED_MODES.get(endpoint, ())))
        yield (
            endpoint,
            msgspec.structs.replace(named, models=tuple(models), modes=tuple(modes)),
        )


OFFICIAL_WORDS: dict[str, Words] = dict(_words())
"""By endpoint: the models and modes that Kling is known to have there."""

KLINGS_MODELS = frozenset(name for words in OFFICIAL_WORDS.values() for name in words.models)
"""Every name that Kling is known to have for a model, at any endpoint."""
