"""Rules of API 2.0 (docs/kling-api.md 4.17). Of Kling 4.0 no page of the vendor's says any (17)."""

from relay.kling.lint.given import Given
from relay.kling.lint.rules import Broken, Length, Needed, Number, Own, Rule, Word
from relay.kling.lint.videos import ASPECTS

TURBO, V3, V2_6, V2_5 = "kling-3.0-turbo", "kling-3.0", "kling-2.6", "kling-2.5-turbo"
OMNI, O1 = "kling-3.0-omni", "kling-o1"
HD, UHD = ("720p", "1080p"), ("720p", "1080p", "4k")
TYPES = (
    *("prompt", "first_frame", "last_frame", "refer_image", "image"),
    *("video", "feature_video", "base_video", "element", "voice"),
)
"""Whatever one may be of, where it counts that it is none of another."""


def _count_of(given: Given, type_name: str) -> int:
    """Count the items of a type; Unclear if one may be, or not."""
    return [item.word("type", *TYPES) for item in given.objects("contents")].count(type_name)


def _at_most(type_name: str, most: int, *models: str) -> Own:
    def judge(given: Given) -> Broken | None:
        if _count_of(given, type_name) <= most:
            return None
        if most == 0:
            return Broken("contents", f"cannot have an item of type {type_name}")
        return Broken("contents", f"must have at most {most} of type {type_name}")

    return Own(judge=judge, models=models, source="4.17")


def _first_frame(given: Given) -> Broken | None:
    if _count_of(given, "first_frame"):
        return None
    return Broken("contents", "must have an item of type first_frame")


def _settings(given: Given) -> Given:
    return next(iter(given.objects("settings")), Given(()))


def _native_at_720p(given: Given) -> Broken | None:
    settings = _settings(given)
    is_native = settings.word("audio", "native", "off") == "native"
    if is_native and settings.word("resolution", *HD) in (None, "720p"):
        return Broken("settings.resolution", "must be 1080p with audio native")
    return None


def _has_no_base(given: Given) -> bool:
    return not _count_of(given, "base_video")


def _resolution(words: tuple[str, ...], *models: str) -> Word:
    return Word(path="settings.resolution", words=words, models=models, source="4.17")


def _audio(*words: str, models: tuple[str, ...]) -> Word:
    return Word(path="settings.audio", words=words, models=models, source="4.17")


def _seconds(least: str, most: str, *models: str) -> Number:
    return Number(
        path="settings.duration",
        least=least,
        most=most,
        is_whole=True,
        models=models,
        when=_has_no_base,
        source="4.17",
    )


def _five_or_ten(*models: str) -> Number:
    return Number(path="settings.duration", among=(5, 10), models=models, source="4.17")


def _prompt_of(most: int, *models: str) -> tuple[Rule, ...]:
    def is_prompt(item: Given) -> bool:
        return item.word("type", *TYPES) == "prompt"

    def judge(given: Given) -> Broken | None:
        for item in given.objects("contents"):
            (value,) = item.values("text")
            if is_prompt(item) and value.raw is not None:
                why = rule.why(value.raw)
                if why is not None:
                    return Broken(value.name, why)
        return None

    rule = Length(path="prompt", most=most, models=models, source="4.17")
    return (rule, Own(judge=judge, models=models, source="4.17"))


def _needs_prompt() -> Needed:
    return Needed(path="prompt", or_else=("contents",), source="3.2")


def _no_orientation(given: Given) -> Broken | None:
    if _settings(given).has("character_orientation"):
        return None
    return Broken("settings.character_orientation", "is required")


_ORIENTATION: tuple[Rule, ...] = (
    Own(judge=_no_orientation, source="4.17"),
    Word(path="settings.character_orientation", words=("image", "video"), source="4.17"),
)

NEW: dict[str, tuple[Rule, ...]] = {
    "text-to-video": (
        _needs_prompt(),
        *_prompt_of(3072, TURBO, V3),
        _resolution(HD, TURBO, V2_6, V2_5),
        _resolution(UHD, V3),
        _seconds("3", "15", TURBO, V3),
        _five_or_ten(V2_6, V2_5),
        Word(path="settings.aspect_ratio", words=ASPECTS, models=(TURBO, V3), source="4.17"),
        Word(path="settings.aspect_ratio", words=ASPECTS, models=(V2_6, V2_5), source="11"),
        _audio("off", "native", models=(V3, V2_6)),
        Own(judge=_native_at_720p, models=(V2_6,), source="4.17"),
    ),
    "image-to-video": (
        Needed(path="contents", source="3.2"),
        Own(judge=_first_frame, models=(V3,), source="4.17"),
        _at_most("last_frame", 0, TURBO),
        _at_most("element", 3, V3),
        _at_most("voice", 2, V2_6),
        _resolution(HD, TURBO, V2_6, V2_5),
        _resolution(UHD, V3),
        _seconds("3", "15", TURBO, V3),
        _five_or_ten(V2_6, V2_5),
        _audio("off", "native", models=(V3, V2_6)),
        Own(judge=_native_at_720p, models=(V2_6,), source="4.17"),
    ),
    "2.0-omni-video": (
        Needed(path="contents", source="3.2"),
        _resolution(UHD, OMNI),
        _resolution(HD, O1),
        _seconds("3", "15", OMNI),
        _seconds("3", "10", O1),
        Word(
            path="settings.aspect_ratio",
            words=ASPECTS,
            models=(OMNI, O1),
            when=_has_no_base,
            source="11",
        ),
        _audio("native", "original", "off", models=(OMNI,)),
        _audio("original", "off", models=(O1,)),
    ),
    "2.0-motion-control": (
        Needed(path="contents", source="3.2"),
        *_ORIENTATION,
        _at_most("element", 1, V3),
        _resolution(HD, V3, V2_6),
        _audio("original", "off", models=(V3, V2_6)),
    ),
}
