"""Rules of the image endpoints (docs/kling-api.md 4.11 to 4.14)."""

from decimal import Decimal

from relay.kling.lint.given import Given, Unclear
from relay.kling.lint.rules import (
    Broken,
    Count,
    Length,
    Needed,
    Number,
    Own,
    Picture,
    Rule,
    Word,
)

ASPECTS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
MATERIALS_MAX = 10
AREA_MAX = 3
SIDES = ("up", "down", "left", "right")


def _is_series(given: Given) -> bool:
    return given.word("result_type", "single", "series") == "series"


def _is_single(given: Given) -> bool:
    return not _is_series(given)


def _too_many(images: str) -> Own:
    """Images and elements together."""

    def judge(given: Given) -> Broken | None:
        pictures = given.count(images) if images.endswith("_list") else int(given.has(images))
        if pictures + given.count("element_list") <= MATERIALS_MAX:
            return None
        return Broken("element_list", f"must be at most {MATERIALS_MAX} together with {images}")

    return Own(judge=judge, source="4.12" if images == "image" else "4.13")


def _area(given: Given) -> Broken | None:
    ratios = [given.number(f"{side}_expansion_ratio") for side in SIDES]
    up, down, left, right = (_known(ratio) for ratio in ratios)
    if (1 + up + down) * (1 + left + right) <= AREA_MAX:
        return None
    return Broken(
        "up_expansion_ratio", f"makes more than {AREA_MAX} times the area with the others"
    )


def _known(value: Decimal | None) -> Decimal:
    if value is None:
        raise Unclear
    return value


_COUNT = Number(path="n", least="1", most="9", is_whole=True, source="4.12")

IMAGES: dict[str, tuple[Rule, ...]] = {
    "image-recognize": (
        Needed(path="image", source="4.14"),
        Picture(path="image", source="12"),
    ),
    "generations": (
        Needed(path="prompt", source="4.12"),
        Length(path="prompt", most=2500, source="4.12"),
        Picture(path="image", source="12"),
        Word(path="image_reference", words=("subject", "face"), source="4.12"),
        _too_many("image"),
        Word(path="resolution", words=("1k", "2k"), source="4.12"),
        _COUNT,
        Word(path="aspect_ratio", words=ASPECTS, source="4.12"),
    ),
    "omni-image": (
        Needed(path="prompt", source="4.13"),
        Needed(path="image_list[].image", source="4.13"),
        Picture(path="image_list[].image", source="12"),
        _too_many("image_list"),
        Word(path="resolution", words=("1k", "2k", "4k"), source="4.13"),
        Word(path="result_type", words=("single", "series"), source="4.13"),
        Number(path="n", least="1", most="9", is_whole=True, when=_is_single, source="4.13"),
        Number(
            path="series_amount",
            least="2",
            most="9",
            is_whole=True,
            also=("auto",),
            when=_is_series,
            source="4.13",
        ),
        Word(path="aspect_ratio", words=(*ASPECTS, "auto"), source="4.13"),
    ),
    "multi-image2image": (
        Needed(path="subject_image_list", source="4.14"),
        Count(path="subject_image_list", most=4, source="4.14"),
        Needed(path="subject_image_list[].subject_image", source="4.14"),
        Picture(path="subject_image_list[].subject_image", source="12"),
        Picture(path="scene_image", source="12"),
        Picture(path="style_image", source="12"),
    ),
    "expand": (
        Needed(path="image", source="4.14"),
        Picture(path="image", source="12"),
        *(Needed(path=f"{side}_expansion_ratio", source="4.14") for side in SIDES),
        *(
            Number(path=f"{side}_expansion_ratio", least="0", most="2", source="4.14")
            for side in SIDES
        ),
        Own(judge=_area, source="4.14"),
    ),
    "kolors-virtual-try-on": (
        Needed(path="human_image", source="4.14"),
        Picture(path="human_image", source="12"),
        Picture(path="cloth_image", source="12"),
    ),
    "ai-multi-shot": (
        Needed(path="element_frontal_image", source="4.14"),
        Picture(path="element_frontal_image", source="12"),
    ),
}
