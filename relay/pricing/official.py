"""Kling's own price list, in units, as it stood on 2026-09-20.

Source: kling-api.md section 10 (kling.ai/document-api/pricing/base/video, fetched 2026-09-20;
retired models from public clients). Rows of endpoints that the catalogue lacks come with them.
"""

from collections.abc import Iterator
from decimal import Decimal

from relay.pricing.book import Per, PriceRow

SOURCE = "Kling's list of 2026-09-20"

_PER_SECOND: tuple[tuple[str, bool | None, bool | None, bool | None, dict[str, str]], ...] = (
    # model, sound, voice control, video input, units per second by mode
    ("kling-v3", False, None, None, {"std": "0.6", "pro": "0.8", "4k": "3.0"}),
    ("kling-v3", True, False, None, {"std": "0.9", "pro": "1.2", "4k": "3.0"}),
    ("kling-v2-6", False, None, None, {"std": "0.3", "pro": "0.5"}),
    ("kling-v2-6", True, False, None, {"pro": "1.0"}),
    ("kling-v2-6", True, True, None, {"pro": "1.2"}),
    ("kling-v2-5-turbo", False, None, None, {"std": "0.3", "pro": "0.5"}),
)
_OMNI_PER_SECOND: tuple[tuple[str, bool | None, bool | None, dict[str, str]], ...] = (
    # model, sound, video input, units per second by mode
    ("kling-v3-omni", False, False, {"std": "0.6", "pro": "0.8", "4k": "3.0"}),
    ("kling-v3-omni", True, False, {"std": "0.8", "pro": "1.0", "4k": "3.0"}),
    ("kling-v3-omni", False, True, {"std": "0.9", "pro": "1.2", "4k": "3.0"}),
    ("kling-video-o1", False, False, {"std": "0.6", "pro": "0.8"}),
    ("kling-video-o1", False, True, {"std": "0.9", "pro": "1.2"}),
)
_PER_CLIP: tuple[tuple[str, str | None, tuple[str, str]], ...] = (
    # model, mode, units of a clip of 5 and of 10 seconds; retired on 2026-09-15, see section 1
    ("kling-v1", "std", ("1", "2")),
    ("kling-v1", "pro", ("3.5", "7")),
    ("kling-v1-5", "std", ("2", "4")),
    ("kling-v1-5", "pro", ("3.5", "7")),
    ("kling-v1-6", "std", ("2", "4")),
    ("kling-v1-6", "pro", ("3.5", "7")),
    ("kling-v2-1", "std", ("2", "4")),
    ("kling-v2-1", "pro", ("3.5", "7")),
    ("kling-v2-master", None, ("10", "20")),
    ("kling-v2-1-master", None, ("10", "20")),
)


def _rows() -> Iterator[PriceRow]:
    for endpoint in ("text2video", "image2video"):
        for model, sound, voice, video_input, by_mode in _PER_SECOND:
            for mode, units in by_mode.items():
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
        for model, mode_or_any, clips in _PER_CLIP:
            yield from _clips(endpoint, model, mode_or_any, clips)
    for model, sound, video_input, by_mode in _OMNI_PER_SECOND:
        for mode, units in by_mode.items():
            yield PriceRow(
                endpoint="omni-video",
                model=model,
                mode=mode,
                sound=sound,
                video_input=video_input,
                units=Decimal(units),
                source=SOURCE,
            )
    yield from _clips("multi-image2video", "kling-v1-6", "std", ("2", "4"))
    yield from _clips("multi-image2video", "kling-v1-6", "pro", ("3.5", "7"))


def _clips(
    endpoint: str, model: str, mode: str | None, clips: tuple[str, str]
) -> Iterator[PriceRow]:
    for seconds, units in zip((5, 10), clips, strict=True):
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
