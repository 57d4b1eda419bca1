"""A tenant's request body on its way to Kling: fields keep their bytes (promise T1)."""

import codecs
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from relay.errors import BadRequest, InvalidParameter
from relay.kling.endpoints import Endpoint, Field
from relay.kling.wire import Fields

_fields = msgspec.json.Decoder(Fields)
_any = msgspec.json.Decoder()

EXTERNAL_ID_CHARS_MAX = 512
"""Kling documents no limit; ours keeps the index entry small."""
CALLBACK_URL_CHARS_MAX = 1024
"""As the solutions page says (kling-api.md section 6)."""
SECONDS_MAX = 3600

HALF_SURROGATES_MAX = 1000
_STAND_IN = rb"\ufffd"
_HALF_SURROGATE = re.compile(
    rb"(?s:[^\\]++"
    rb"|\\(?!u[dD][89a-fA-F])."
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb")*+(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""From a place outside an escape to the next half pair. Possessive: time grows with the length."""

_VOICE_REFERENCE = re.compile(r"<<<\s*voice_\d+\s*>>>")


class Wanted(msgspec.Struct, frozen=True):
    """What a task is priced by, read as leniently as Kling reads it."""

    endpoint: str
    model: str | None = None
    mode: str | None = None
    sound: bool | None = None
    voice: bool | None = None
    video_input: bool | None = None
    seconds: int | None = None
    """None if Kling decides the length."""
    seconds_max: int = 10

    def __str__(self) -> str:
        """Spell it as `relay price missing` shows it and `relay price set` takes it."""
        words = {"model": self.model, "mode": self.mode}
        switches = {"sound": self.sound, "voice": self.voice, "video-input": self.video_input}
        words |= {
            name: None if flag is None else ("on" if flag else "off")
            for name, flag in switches.items()
        }
        words["duration"] = "open" if self.seconds is None else str(self.seconds)
        named = [f"{name}={word}" for name, word in words.items() if word is not None]
        return " ".join([self.endpoint, *named])


class Utf8Check:
    """Checks UTF-8 while chunks arrive, so that a large body is never decoded as a whole."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, chunk: bytes | bytearray | memoryview, *, is_last: bool = False) -> None:
        """Raise BadRequest at the first broken byte."""
        try:
            self._decoder.decode(bytes(chunk), final=is_last)
        except UnicodeDecodeError as error:
            raise BadRequest("The request body is not valid UTF-8") from error


def read_fields(body: bytes | bytearray) -> Fields:
    """Split a body into its top-level fields, each in the tenant's own bytes.

    Raises:
        BadRequest: not JSON, or not an object.
    """
    try:
        try:
            return _fields.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            fields = _decode_around_half_surrogates(body)
            if fields is None:
                raise
            return fields
    except msgspec.ValidationError as error:
        raise BadRequest("The request body must be a JSON object") from error
    except msgspec.DecodeError as error:
        raise BadRequest(f"The request body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise BadRequest("The request body is nested too deeply") from error


def _decode_around_half_surrogates(body: bytes | bytearray) -> Fields | None:
    """Read a body that escapes half a surrogate pair, or None if that is not what is wrong.

    A client that cuts its prompt in the middle of an emoji sends one; JSON allows it and msgspec
    does not. Each is hidden behind an escape of the same length while the body is split; the fields
    are views of one buffer, so they hold the tenant's own bytes again afterwards.
    """
    hidden: list[tuple[int, bytes]] = []
    buffer = bytearray(body)
    found = _HALF_SURROGATE.match(buffer)
    while found is not None:
        if len(hidden) == HALF_SURROGATES_MAX:
            return None
        hidden.append((found.start(1), found[1]))
        found = _HALF_SURROGATE.match(buffer, found.end())
    if not hidden:
        return None
    for start, escape in hidden:
        buffer[start : start + len(escape)] = _STAND_IN
    fields = _fields.decode(buffer)
    if any("\ufffd" in name for name in fields):
        return None  # it may have stood in a name, which is not a view
    for start, escape in hidden:
        buffer[start : start + len(escape)] = escape
    return fields


def join_fields(fields: Fields) -> list[bytes | memoryview]:
    """Spell the object again, as parts that share memory with the body they came from."""
    parts: list[bytes | memoryview] = []
    separator = b"{"
    for name, raw in fields.items():
        parts.append(separator + msgspec.json.encode(name) + b":")
        parts.append(memoryview(raw))
        separator = b","
    parts.append(b"}" if fields else b"{}")
    return parts


def put_text(fields: Fields, path: tuple[str, ...], text: str) -> None:
    """Set a text field, making the objects on the way to it."""
    name, *rest = path
    if not rest:
        fields[name] = msgspec.Raw(msgspec.json.encode(text))
        return
    inner = _fields.decode(fields.get(name, b"{}"))
    put_text(inner, tuple(rest), text)
    fields[name] = msgspec.Raw(msgspec.json.encode(inner))


def take_text(fields: Fields, path: tuple[str, ...], *, chars_max: int) -> str | None:
    """Take a text field out; absent, null and "" are None.

    Raises:
        InvalidParameter: not a string, too long, or with characters that no id or URL has.
    """
    name, *rest = path
    if rest:
        if name not in fields:
            return None
        try:
            inner = _fields.decode(fields[name])
        except msgspec.MsgspecError as error:
            raise InvalidParameter(name, "must be an object") from error
        taken = take_text(inner, tuple(rest), chars_max=chars_max)
        fields[name] = msgspec.Raw(msgspec.json.encode(inner))
        return taken
    raw = fields.pop(name, None)
    if raw is None:
        return None
    value = _decoded(name, raw)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidParameter(name, "must be a string")
    if len(value) > chars_max:
        raise InvalidParameter(name, f"must be at most {chars_max} characters")
    if "\x00" in value:
        raise InvalidParameter(name, "must not contain a NUL character")
    return value


def read_wanted(endpoint: Endpoint, fields: Fields) -> Wanted:
    """Read what prices the task.

    Raises:
        InvalidParameter: a field that prices it cannot be read; the message names the field.
    """
    pricing = endpoint.pricing
    videos = _list(fields, pricing.video_list)
    return Wanted(
        endpoint=endpoint.name,
        model=_word(fields, pricing.model),
        mode=_word(fields, pricing.mode),
        sound=_switch(fields, pricing.sound),
        voice=_has_voice_control(fields, pricing.voice_list) if pricing.voice_list else None,
        video_input=bool(videos) if pricing.video_list else None,
        seconds=None if _follows_a_video(videos) else _whole_seconds(fields, pricing.duration),
        seconds_max=pricing.seconds_max,
    )


def _decoded(name: str, raw: msgspec.Raw) -> Any:
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter(name, "cannot be read") from error


def _value(fields: Fields, name: str) -> Any:
    raw = fields.get(name)
    return None if raw is None else _decoded(name, raw)


def _word(fields: Fields, field: Field | None) -> str | None:
    if field is None:
        return None
    value = _value(fields, field.name)
    if value is None or value == "":
        return field.default
    if not isinstance(value, str) or len(value) > 128 or "\x00" in value:  # noqa: PLR2004
        raise InvalidParameter(field.name, "must be a short string")
    return value


def _switch(fields: Fields, field: Field | None) -> bool | None:
    if field is None:
        return None
    value = _value(fields, field.name)
    if value is None or value == "":
        value = field.default
    words = {"on": True, "true": True, "native": True, "off": False, "false": False}
    switched = value if isinstance(value, bool) else words.get(str(value).lower())
    if switched is None:
        raise InvalidParameter(field.name, "must be on or off")
    return switched


def _whole_seconds(fields: Fields, field: Field | None) -> int | None:
    """Read 5, "5" and 5.0 alike, as Kling does."""
    if field is None:
        return None
    value = _value(fields, field.name)
    if value is None or value == "":
        value = field.default
    try:
        seconds = None if isinstance(value, bool) else Decimal(str(value).strip())
    except InvalidOperation:
        seconds = None
    if seconds is None or not seconds.is_finite():  # NaN has no order: comparing it raises
        seconds = Decimal(0)
    if not 0 < seconds <= SECONDS_MAX or seconds != int(seconds):
        raise InvalidParameter(field.name, "must be a whole number of seconds")
    return int(seconds)


def _list(fields: Fields, name: str | None) -> list[Any]:
    value = _value(fields, name) if name else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidParameter(str(name), "must be a list")
    return value


def _has_voice_control(fields: Fields, name: str) -> bool:
    """Voices are billed when the list is set and a prompt refers to it (kling-api.md 10)."""
    if not _list(fields, name):
        return False
    prompts = [_value(fields, "prompt")]
    prompts += [
        shot.get("prompt") for shot in _list(fields, "multi_prompt") if isinstance(shot, dict)
    ]
    return any(isinstance(text, str) and _VOICE_REFERENCE.search(text) for text in prompts)


def _follows_a_video(videos: list[Any]) -> bool:
    """A base video gives the result its length; `base` is Kling's default (kling-api.md 4.4)."""
    return any(
        isinstance(video, dict) and video.get("refer_type", "base") in ("base", None)
        for video in videos
    )
