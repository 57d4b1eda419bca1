"""Each field that prices a task, in every way in which Kling may read it.

Each function lists what a field may mean, what the documents say first; one meaning is the rule.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from relay.errors import InvalidParameter
from relay.kling.alike import Pairs, Reading, objects_in, objects_of, pick, values_of
from relay.kling.body import decode_field
from relay.kling.endpoint import Endpoint, Field, Pricing
from relay.kling.models import Model, is_retired
from relay.kling.words import Words, meant_by

T = TypeVar("T")

SECONDS_MAX = 3600
COUNT_MAX = 100
IMAGES_MAX = 9
"""Of `n` and `series_amount`; `auto` may be as many as the most (docs/kling-api.md 4.12, 4.13)."""
WORD_CHARS_MAX = 128
DIGITS_MAX = 9

_VOICE_REFERENCE = re.compile(r"<<<\s*voice_\d+\s*>>>")
_SWITCH_WORDS = {
    **dict.fromkeys(("on", "true", "native"), True),
    # `original` keeps the input's sound and is not billed as sound (docs/kling-api.md 10).
    **dict.fromkeys(("off", "false", "original"), False),
}
_INPUT_TYPES = frozenset({"base_video", "feature_video", "video"})
_TYPES = _INPUT_TYPES | {
    *("prompt", "first_frame", "middle_frame", "last_frame"),
    *("refer_image", "image", "element", "voice"),
}
_DEAREST_TYPES = frozenset({"base_video", "voice"})
"""What an item of an unknown type may be at the worst."""

NOTHING_IN_IT = (b'""', b"[]", b"{}")
NO, YES, UNCLEAR, NOT_ASKED = (False,), (True,), (False, True), (None,)
Switched = tuple[bool | None, ...]


class Contents(NamedTuple):
    """Types of the items of a 2.0 body."""

    sure: frozenset[str]
    maybe: frozenset[str]
    """What odd items may be beside that."""
    items: tuple[frozenset[str], ...]
    """What each item may be."""

    def has(self, types: Iterable[str]) -> Switched:
        if not self.sure.isdisjoint(types):
            return YES
        return NO if self.maybe.isdisjoint(types) else UNCLEAR

    def input_seconds(self, seconds: Mapping[str, int]) -> int:
        """Add up what the items last at the most; `seconds` by their types."""
        return sum(max((seconds.get(one, 0) for one in item), default=0) for item in self.items)


NO_CONTENTS = Contents(frozenset(), frozenset(), ())


def read_contents(body: Reading, pricing: Pricing) -> Contents:
    """Collect the types; images are not decoded.

    Raises:
        InvalidParameter: it is no list of objects.
    """
    if pricing.contents is None:
        return NO_CONTENTS
    found = body.find(pricing.contents)
    exact = [_types(item) for item in _items(found.exact, pricing.contents)]
    alike: list[set[str]] = []
    for raw in found.alike:
        with suppress(msgspec.MsgspecError):
            alike += map(_types, objects_of(raw))
    clear = [types for types in exact if _is_clear(types)]
    odd = [_worst(types) for types in exact if not _is_clear(types)] + [*map(_worst, alike)]
    return Contents(
        frozenset[str]().union(*clear),
        frozenset[str]().union(*odd),
        tuple(map(frozenset, clear + odd)),
    )


def _items(lists: list[Raw], name: str) -> list[Pairs]:
    try:
        return [item for raw in lists for item in objects_of(raw)]
    except msgspec.MsgspecError as error:
        raise InvalidParameter(name, "must be a list of objects") from error


def _types(item: Pairs) -> set[str]:
    """Read the type of an item, or all that it may have; "" stands for what is no text."""
    values = values_of(pick(item, "type").all) or [None]
    return {value if isinstance(value, str) else "" for value in values}


def _is_clear(types: set[str]) -> bool:
    return len(types) == 1 and types <= _TYPES


def _worst(types: set[str]) -> set[str]:
    return types & _TYPES if types <= _TYPES else (types & _TYPES) | _DEAREST_TYPES


def words(body: Reading, field: Field | None, known: tuple[str, ...]) -> tuple[str | None, ...]:
    """Read a mode or a model. An odd spelling of a known one may be that, or go for nothing."""
    if field is None:
        return NOT_ASKED
    literal, *others = _read_all(body, field, _word)
    if not others and (literal in known or literal == field.default):
        return (literal,)
    meanings = [literal]
    for word in (literal, *others):
        meant = meant_by(word, known) if word else []
        meanings += [*meant, *([] if word in meant else [field.default] if meant else [])]
    return tuple(dict.fromkeys(meanings))


class Models(NamedTuple):
    """What the body says of the model."""

    meanings: tuple[str | None, ...]
    is_named: bool
    """Under whatever spelling of the field."""


def models(body: Reading, endpoint: Endpoint, known: Words) -> Models:
    """Read the model. None named may be any that Kling still has: its default is what changes."""
    field = endpoint.pricing.model
    if field is None:
        return Models(NOT_ASKED, is_named=True)
    found = words(body, field, known.models)
    if any(bytes(memoryview(raw)[:3]) != b'""' for raw in body.find(field.name).all):
        return Models(found, is_named=True)
    old = words(body, Field("model"), known.models)
    live = [model for model in known.models if not is_retired(endpoint.name, model)]
    meanings = dict.fromkeys([*found, *live, *(one for one in old if one in known.models)])
    return Models(tuple(meanings), is_named=False)


def switched(body: Reading, field: Field | None) -> Switched:
    """Read whether sound is asked for; a word that is not known may be either."""
    if field is None:
        return NOT_ASKED
    meanings = [one for both in _read_all(body, field, _switch) for one in both]
    return tuple(dict.fromkeys(meanings))


def voices(body: Reading, pricing: Pricing, contents: Contents) -> Switched:
    """Tell whether a voice is billed: a listed one that a prompt refers to (docs/kling-api.md 10).

    2.0 refers by names that the items give themselves; a voice there is taken as referred to.
    """
    if pricing.contents is not None:
        return contents.has({"voice"})
    if pricing.voice_list is None:
        return NOT_ASKED
    found = body.find(pricing.voice_list)
    if not _any_set(found.all):
        return NO
    prompts, shots = body.find("prompt"), body.find("multi_prompt")
    exact = [*prompts.exact, *_in_shots(shots.exact, "prompt")]
    texts = values_of(exact)
    if _any_set(found.exact) and any(_refers(text) for text in texts):
        return YES
    texts += values_of([*prompts.alike, *_in_shots(shots.alike, "prompt")])
    # What cannot be decoded may refer to one; and so may what only looks like a reference.
    is_unclear = any(text is None or (isinstance(text, str) and "<<<" in text) for text in texts)
    return UNCLEAR if is_unclear else NO


def _refers(text: object) -> bool:
    return isinstance(text, str) and _VOICE_REFERENCE.search(text) is not None


def inputs(
    body: Reading, pricing: Pricing, contents: Contents, model: Model | None = None
) -> Switched:
    """Tell whether a video, or for images a reference image, is put in."""
    if pricing.contents is not None:
        has_video = contents.has(_INPUT_TYPES)
        if has_video == NO and model is not None and contents.input_seconds(model.input_seconds):
            return UNCLEAR  # an element may be one
        return has_video
    if not pricing.inputs:
        return NOT_ASKED
    found = [body.find(name) for name in pricing.inputs]
    if any(_any_set(one.exact) for one in found):
        return YES
    return UNCLEAR if any(_any_set(one.alike) for one in found) else NO


def lengths(
    body: Reading, pricing: Pricing, contents: Contents, known: Words, longest: int
) -> tuple[int | None, ...]:
    """Read the seconds; None where Kling decides them, or there are none.

    `longest`: what a length is taken for that cannot be read.
    """
    if pricing.duration is None:
        return NOT_ASKED
    follows = contents.has({"base_video"}) if pricing.contents else _follows_video(body, pricing)
    if follows == YES:
        return (None,)
    literal, *others = _read_all(body, pricing.duration, _whole(SECONDS_MAX, longest, "seconds"))
    if pricing.shots is not None:
        shots = body.find(pricing.shots).all
        if shots:
            seconds = sum(map(_seconds_of_shot, values_of(_in_shots(shots, "duration"))))
            others.append(min(seconds, SECONDS_MAX))
    if follows == NO and not others:
        return (literal,)
    most = max([literal, *others])
    # Of the shorter ones those that have a price of their own, which may be dearer.
    meanings = [literal, *(one for one in others if one in known.lengths), most]
    return (*dict.fromkeys(meanings), *(() if follows == NO else (None,)))


def _follows_video(body: Reading, pricing: Pricing) -> Switched:
    """Find a base video, which lends its length; `base` is the default (docs/kling-api.md 4.4)."""
    if "video_list" not in pricing.inputs:
        return NO
    found = body.find("video_list")
    items = _items(found.exact, "video_list")
    kinds = [set(values_of(pick(item, "refer_type").all) or [None]) for item in items]
    base = {"base", None, ""}
    if any(kind <= base for kind in kinds):
        return YES
    return NO if all(kind == {"feature"} for kind in kinds) and not found.alike else UNCLEAR


def _seconds_of_shot(value: object) -> int:
    read = _whole(SECONDS_MAX, 0, "seconds")
    try:
        return read(Field("duration"), value)
    except InvalidParameter:
        return 0


def count(body: Reading, pricing: Pricing) -> int:
    """Read how many images there may be at most."""
    if pricing.count is None:
        return 1
    read = _whole(COUNT_MAX, IMAGES_MAX, "images")
    most = max(_read_all(body, pricing.count, read))
    kinds = set(_read_all(body, Field("result_type", "single"), _word))
    if kinds == {"single"}:
        return most
    series = max(_read_all(body, Field("series_amount", "4"), read))
    return series if kinds == {"series"} else max(most, series)


def _read_all(body: Reading, field: Field, read: Callable[[Field, Any], T]) -> list[T]:
    """Read a field under each of its names, the documented one first.

    Raises:
        InvalidParameter: what stands under the documented name cannot be read.
    """
    found = body.find(field.name)
    if not found.alike and len(found.exact) < 2:  # noqa: PLR2004 (the rule, at less cost)
        return [read(field, decode_field(field.name, found.exact[0]) if found.exact else None)]
    values = [decode_field(field.name, raw) for raw in found.exact]
    meanings = [read(field, value) for value in values or [None]]
    for value in values_of(found.alike):
        with suppress(InvalidParameter):
            meanings.append(read(field, value))
    return meanings


def _word(field: Field, value: Any) -> str | None:
    if value is None or value == "":
        return field.default
    if not isinstance(value, str) or len(value) > WORD_CHARS_MAX or "\x00" in value:
        raise InvalidParameter(field.name, "must be a short string")
    return value


def _switch(field: Field, value: Any) -> Switched:
    if value is None or value == "":
        value = field.default
    known = _SWITCH_WORDS.get(str(_scalar(field, value)).lower())
    return UNCLEAR if known is None else (known,)


def _whole(largest: int, otherwise: int, unit: str) -> Callable[[Field, Any], int]:
    """Make a reader of 5, "5" and 5.0 alike; what is no number of something is `otherwise`."""

    def read(field: Field, value: Any) -> int:
        if value is None or value == "":
            value = field.default
        if isinstance(value, str) and value.isdecimal() and len(value) < DIGITS_MAX:
            value = int(value)
        if type(value) is int and 0 < value <= largest:
            return value
        try:
            number = Decimal(str(_scalar(field, value)).strip())
        except InvalidOperation:
            return otherwise
        if number.is_nan() or number <= 0:
            return otherwise
        if number > largest:
            raise InvalidParameter(field.name, f"must be at most {largest} {unit}")
        return int(number.to_integral_value(ROUND_CEILING))

    return read


def _scalar(field: Field, value: Any) -> Any:
    if isinstance(value, dict | list):
        raise InvalidParameter(field.name, "must be a text or a number")
    return value


def _any_set(raws: list[Raw]) -> bool:
    """Tell whether a field holds anything, undecoded, since it may be a large image."""
    return any(bytes(memoryview(raw)[:3]) not in NOTHING_IN_IT for raw in raws)


def _in_shots(lists: list[Raw], name: str) -> list[Raw]:
    """Collect a field of all shots; one that is no object has none."""
    return [value for raw in lists for shot in objects_in(raw) for value in pick(shot, name).all]
