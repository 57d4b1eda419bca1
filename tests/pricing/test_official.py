"""The official table, held against docs/kling-api.md 10, copied here by hand a second time."""

from decimal import Decimal

import pytest

from relay.kling.wanted import Wanted
from relay.pricing.book import PriceBook
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import UnitPrices, quote

BOOK = PriceBook([], OFFICIAL)
USD = UnitPrices(video_micros=140_000, image_micros=3_500)

# model, mode, sound, voice, seconds, units of the whole task
TEXT_AND_IMAGE = [
    ("kling-v3", "std", False, False, 5, "3"),
    ("kling-v3", "pro", False, False, 10, "8"),
    ("kling-v3", "4k", False, False, 3, "9"),
    ("kling-v3", "std", True, False, 15, "13.5"),
    ("kling-v3", "pro", True, False, 5, "6"),
    ("kling-v3", "4k", True, False, 5, "15"),
    ("kling-v2-6", "std", False, False, 5, "1.5"),
    ("kling-v2-6", "pro", False, False, 10, "5"),
    ("kling-v2-6", "pro", True, False, 5, "5"),
    ("kling-v2-6", "pro", True, True, 5, "6"),
    ("kling-v2-5-turbo", "std", False, False, 5, "1.5"),
    ("kling-v2-5-turbo", "pro", False, False, 10, "5"),
    ("kling-v1", "std", False, False, 5, "1"),
    ("kling-v1", "std", False, False, 10, "2"),
    ("kling-v1", "pro", False, False, 5, "3.5"),
    ("kling-v1-5", "std", False, False, 10, "4"),
    ("kling-v1-6", "std", False, False, 5, "2"),
    ("kling-v1-6", "pro", False, False, 10, "7"),
    ("kling-v2-1", "pro", False, False, 5, "3.5"),
    ("kling-v2-master", "std", False, False, 5, "10"),
    ("kling-v2-master", "pro", False, False, 10, "20"),
    ("kling-v2-1-master", "pro", False, False, 5, "10"),
]

# model, mode, sound, video input, seconds, units of the whole task
OMNI = [
    ("kling-v3-omni", "std", False, False, 5, "3"),
    ("kling-v3-omni", "pro", False, False, 15, "12"),
    ("kling-v3-omni", "4k", False, False, 5, "15"),
    ("kling-v3-omni", "std", True, False, 5, "4"),
    ("kling-v3-omni", "pro", True, False, 10, "10"),
    ("kling-v3-omni", "4k", True, False, 5, "15"),
    ("kling-v3-omni", "std", False, True, 5, "4.5"),
    ("kling-v3-omni", "pro", False, True, 10, "12"),
    ("kling-video-o1", "std", False, False, 5, "3"),
    ("kling-video-o1", "pro", False, False, 10, "8"),
    ("kling-video-o1", "std", False, True, 5, "4.5"),
    ("kling-video-o1", "pro", False, True, 5, "6"),
]

UNPRICED = [
    Wanted("text2video", model="kling-v9", mode="std", sound=False, voice=False, seconds=5),
    Wanted("text2video", model="kling-v2-6", mode="std", sound=True, voice=False, seconds=5),
    Wanted("text2video", model="kling-v2-6", mode="4k", sound=False, voice=False, seconds=5),
    Wanted("text2video", model="kling-v2-5-turbo", mode="pro", sound=True, seconds=5),
    Wanted("text2video", model="kling-v3", mode="std", sound=True, voice=True, seconds=5),
    Wanted("text2video", model="kling-v1-6", mode="std", sound=False, seconds=7),
    Wanted(
        "omni-video", model="kling-v3-omni", mode="std", sound=True, video_input=True, seconds=5
    ),
    Wanted("omni-video", model="kling-video-o1", mode="4k", sound=False, seconds=5),
    Wanted("multi-image2video", model="kling-v3", mode="std", seconds=5),
    Wanted("effects"),
]
"""What the table has no figure for."""


def units(wanted: Wanted) -> Decimal:
    row = BOOK.find(wanted)
    assert row is not None, wanted
    held = quote(row, wanted, prices=USD, tenant_multiplier=Decimal(1)).hold_micros
    return Decimal(held) / 140_000


@pytest.mark.parametrize("endpoint", ["text2video", "image2video"])
@pytest.mark.parametrize(("model", "mode", "sound", "voice", "seconds", "cost"), TEXT_AND_IMAGE)
def test_videos_from_text_and_image_cost_what_kling_lists(
    *, endpoint: str, model: str, mode: str, sound: bool, voice: bool, seconds: int, cost: str
) -> None:
    """Both endpoints have one table."""
    wanted = Wanted(endpoint, model=model, mode=mode, sound=sound, voice=voice, seconds=seconds)

    assert units(wanted) == Decimal(cost)


@pytest.mark.parametrize(("model", "mode", "sound", "video", "seconds", "cost"), OMNI)
def test_omni_videos_cost_what_kling_lists(
    *, model: str, mode: str, sound: bool, video: bool, seconds: int, cost: str
) -> None:
    """Video input costs more than sound does."""
    wanted = Wanted(
        "omni-video", model=model, mode=mode, sound=sound, video_input=video, seconds=seconds
    )

    assert units(wanted) == Decimal(cost)


@pytest.mark.parametrize(
    ("mode", "seconds", "cost"), [("std", 5, "2"), ("std", 10, "4"), ("pro", 5, "3.5")]
)
def test_videos_from_several_images_cost_what_kling_lists(
    mode: str, seconds: int, cost: str
) -> None:
    """V1.6 is the one model that has them."""
    wanted = Wanted("multi-image2video", model="kling-v1-6", mode=mode, seconds=seconds)

    assert units(wanted) == Decimal(cost)


@pytest.mark.parametrize("wanted", UNPRICED, ids=str)
def test_what_kling_does_not_list_has_no_price(wanted: Wanted) -> None:
    """Not a guess from a row nearby: the operator sets a price, or the task is refused."""
    assert BOOK.find(wanted) is None


def test_no_two_official_rows_compete() -> None:
    """Each kind of task fits one row at most, so that their order never matters."""
    keys = [
        (row.endpoint, row.model, row.mode, row.sound, row.voice, row.video_input, row.duration_s)
        for row in OFFICIAL
    ]

    assert len(set(keys)) == len(keys)
    for row in OFFICIAL:
        wanted = Wanted(
            row.endpoint,
            model=row.model,
            mode=row.mode or "std",
            sound=row.sound,
            voice=row.voice,
            video_input=row.video_input,
            seconds=row.duration_s or 5,
        )
        assert [other for other in OFFICIAL if other.fits(wanted)] == [row]
