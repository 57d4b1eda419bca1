"""What a task is priced by, read from its body as leniently as Kling reads it."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from relay.errors import InvalidParameter
from relay.kling.body import decode_field
from relay.kling.endpoint import Endpoint, Field, Pricing
from relay.kling.surrogates import mended
from relay.kling.wire import Fields

_fields = msgspec.json.Decoder(Fields)
_items = msgspec.json.Decoder(list[Fields])

SECONDS_MAX = 3600
COUNT_MAX = 100
SERIES_DEFAULT, SERIES_MAX = 4, 9
"""Of `series_amount`; `auto` may be as many as the most (docs/kling-api.md 4.13)."""

_VOICE_REFERENCE = re.compile(r"<<<\s*voice_\d+\s*>>>")
_INPUT_TYPES = frozenset({"base_video", "feature_video", "video"})
_SWITCH_WORDS = {
    **dict.fromkeys(("on", "true", "native"), True),
    # `original` keeps the input's sound and is not billed as sound (docs/kling-api.md 10).
    **dict.fromkeys(("off", "false", "original"), False),
}


class Reading:
    """A body that notes which of its fields are looked at.

    It has nothing but the one way to look: all that a price is read from is noted, and the type
    checker refuses any other access.
    """

    __slots__ = ("_fields", "names")

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.names: dict[str, None] = {}
        """Of the fields looked at, in the order of the first look."""

    def field(self, name: str) -> msgspec.Raw | None:
        """Look at one top-level field; None if it is absent."""
        self.names[name] = None
        return self._fields.get(name)


class Wanted(msgspec.Struct, frozen=True):
    """What a task is priced by; frozen with its quote, and kept where no price was found."""

    endpoint: str
    model: str | None = None
    mode: str | None = None
    sound: bool | None = None
    voice: bool | None = None
    video_input: bool | None = None
    """With a video, or for images a reference image, where that changes the price."""
    seconds: int | None = None
    """None if Kling decides the length, or there is none."""
    is_open: bool = False
    """Kling decides the length."""
    count: int = 1
    """Images asked for."""
    seconds_max: int = 10
    is_image: bool = False
    """Made of image units, as far as the endpoint tells."""
    version: int = 1
    """Of these fields. One that changes its meaning raises it, so that old quotes stay readable."""

    def __str__(self) -> str:
        """Spell it for people; nothing reads it back."""
        words = {"model": self.model, "mode": self.mode}
        switches = {"sound": self.sound, "voice": self.voice, "video-input": self.video_input}
        words |= {
            name: None if flag is None else ("on" if flag else "off")
            for name, flag in switches.items()
        }
        length = "none" if self.seconds is None else str(self.seconds)
        words["duration"] = "open" if self.is_open else length
        named = [f"{name}={word}" for name, word in words.items() if word is not None]
        return " ".join([self.endpoint, *named])


def read_wanted(endpoint: Endpoint, body: Reading, *, model: str | None = None) -> Wanted:
    """Read what prices the task; `model` is the one in the path, where it stands there.

    Raises:
        InvalidParameter: a field that prices it cannot be read; the message names the field.
    """
    pricing = endpoint.pricing
    contents = _contents(body, pricing)
    videos = _videos(body, pricing)
    is_open = pricing.is_open or _follows_a_video(videos) or "base_video" in contents
    return Wanted(
        endpoint=endpoint.name,
        model=model or _word(body, pricing.model),
        mode=_word(body, pricing.mode),
        sound=_switch(body, pricing.sound),
        voice=_voice(body, pricing, contents),
        video_input=_has_input(body, pricing, contents),
        seconds=None if is_open else _whole(body, pricing.duration, largest=SECONDS_MAX),
        is_open=is_open,
        count=_count(body, pricing),
        seconds_max=pricing.seconds_max,
        is_image=pricing.count is not None,
    )


def _raw(body: Reading, path: str) -> msgspec.Raw | None:
    """Find a field by its dotted path; null is absent."""
    name, _, inner_path = path.partition(".")
    return _inside(body.field(name), name, inner_path)


def _inside(raw: msgspec.Raw | None, name: str, path: str) -> msgspec.Raw | None:
    """Find what a dotted path leads to inside the field `name`."""
    if raw is None or bytes(memoryview(raw)[:5]) == b"null":
        return None
    if not path:
        return raw
    try:
        inner = _fields.decode(raw)
    except msgspec.MsgspecError as error:
        raise InvalidParameter(name, "must be an object") from error
    inner_name, _, rest = path.partition(".")
    return _inside(inner.get(inner_name), inner_name, rest)


def _value(body: Reading, path: str) -> Any:
    raw = _raw(body, path)
    return None if raw is None else decode_field(path, raw)


def _is_set(body: Reading, path: str) -> bool:
    """Tell whether a field holds anything, undecoded, since it may be a large image."""
    raw = _raw(body, path)
    return raw is not None and bytes(memoryview(raw)[:3]) not in (b'""', b"[]", b"{}")


def _word(body: Reading, field: Field | None) -> str | None:
    if field is None:
        return None
    value = _value(body, field.name)
    if value is None or value == "":
        return field.default
    if not isinstance(value, str) or len(value) > 128 or "\x00" in value:  # noqa: PLR2004
        raise InvalidParameter(field.name, "must be a short string")
    return value


def _switch(body: Reading, field: Field | None) -> bool | None:
    if field is None:
        return None
    value = _value(body, field.name)
    if value is None or value == "":
        value = field.default
    switched = value if isinstance(value, bool) else _SWITCH_WORDS.get(str(value).lower())
    if switched is None:
        raise InvalidParameter(field.name, "must be on or off")
    return switched


def _whole(body: Reading, field: Field | None, *, largest: int) -> int | None:
    """Read 5, "5" and 5.0 alike, as Kling does."""
    if field is None:
        return None
    value = _value(body, field.name)
    if value is None or value == "":
        value = field.default
    try:
        number = None if isinstance(value, bool) else Decimal(str(value).strip())
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():  # NaN has no order: comparing it raises
        number = Decimal(0)
    if not 0 < number <= largest or number != int(number):
        what = "a whole number of seconds" if largest == SECONDS_MAX else "a whole number"
        raise InvalidParameter(field.name, f"must be {what}")
    return int(number)


def _count(body: Reading, pricing: Pricing) -> int:
    if pricing.count is None:
        return 1
    if _value(body, "result_type") == "series":
        amount = _value(body, "series_amount")
        if amount == "auto":
            return SERIES_MAX
        return _whole(body, Field("series_amount", str(SERIES_DEFAULT)), largest=COUNT_MAX) or 1
    return _whole(body, pricing.count, largest=COUNT_MAX) or 1


def _list(body: Reading, name: str) -> list[Any]:
    value = _value(body, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidParameter(name, "must be a list")
    return value


def _videos(body: Reading, pricing: Pricing) -> list[Any]:
    return _list(body, "video_list") if "video_list" in pricing.inputs else []


def _contents(body: Reading, pricing: Pricing) -> set[str]:
    """Collect the types of a 2.0 body's items; their images are not decoded."""
    raw = _raw(body, pricing.contents) if pricing.contents else None
    if raw is None:
        return set()
    try:
        try:
            items = _items.decode(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            items = _items.decode(mended(bytes(raw)))  # a prompt that was cut in an emoji
    except msgspec.MsgspecError as error:
        raise InvalidParameter(str(pricing.contents), "must be a list of objects") from error
    types = (decode_field("type", item["type"]) for item in items if "type" in item)
    return {kind for kind in types if isinstance(kind, str)}


def _voice(body: Reading, pricing: Pricing, contents: set[str]) -> bool | None:
    """Tell whether a voice is billed: a listed one that a prompt refers to (docs/kling-api.md 10).

    2.0 refers by names that the items give themselves; a voice there is taken as referred to.
    """
    if pricing.contents is not None:
        return "voice" in contents
    if pricing.voice_list is None:
        return None
    if not _list(body, pricing.voice_list):
        return False
    prompts = [_value(body, "prompt")]
    prompts += [
        shot.get("prompt") for shot in _list(body, "multi_prompt") if isinstance(shot, dict)
    ]
    return any(isinstance(text, str) and _VOICE_REFERENCE.search(text) for text in prompts)


def _has_input(body: Reading, pricing: Pricing, contents: set[str]) -> bool | None:
    if pricing.contents is not None:
        return bool(contents & _INPUT_TYPES)
    if not pricing.inputs:
        return None
    return any(_is_set(body, name) for name in pricing.inputs)


def _follows_a_video(videos: list[Any]) -> bool:
    """Find a base video, which lends its length; `base` is the default (docs/kling-api.md 4.4)."""
    return any(
        isinstance(video, dict) and video.get("refer_type") in ("base", None, "")
        for video in videos
    )
