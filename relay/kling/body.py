"""A tenant's request body on its way to Kling: fields keep their bytes (promise T1)."""

import codecs
import itertools
from typing import Any

import msgspec

from relay.errors import BadRequest, InvalidParameter
from relay.kling.surrogates import STAND_IN, find_halves
from relay.kling.transport import JOIN_BYTES_MAX
from relay.kling.wire import Fields

_fields = msgspec.json.Decoder(Fields)
_any = msgspec.json.Decoder()

EXTERNAL_ID_CHARS_MAX = 512
"""Kling documents no limit; ours keeps the index entry small."""
CALLBACK_URL_CHARS_MAX = 1024
"""As the solutions page says (docs/kling-api.md 6)."""

HALF_SURROGATES_MAX = 1000
FIELDS_MAX = 500
"""At the top of a body, and in each object that we split; Kling's have some dozens."""
VALUES_MAX = 100_000
"""In one body; Kling's have some dozens. As a Python object each takes many times its bytes, which
the budget of bodies does not count."""


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
        BadRequest: not JSON, not an object, or of more fields or values than anybody needs.
    """
    # No value without one of these before it, and so none without a byte of its own. Base64 holds
    # none of them, and prompts a few.
    if len(body) > VALUES_MAX and sum(map(body.count, (b",", b"[", b"{"))) > VALUES_MAX:
        raise BadRequest("The request body has too many values")
    try:
        try:
            return _split(body)
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


def _split(raw: bytes | bytearray | msgspec.Raw) -> Fields:
    """Split one object, or raise what msgspec raises, or BadRequest of too many fields."""
    fields = _fields.decode(raw)
    if len(fields) > FIELDS_MAX:
        raise BadRequest(f"An object of the request body has more than {FIELDS_MAX} fields")
    return fields


def _decode_around_half_surrogates(body: bytes | bytearray) -> Fields | None:
    """Read a body that escapes half a surrogate pair, or None if that is not what is wrong.

    A client that cuts its prompt in the middle of an emoji sends one; JSON allows it and msgspec
    does not. Each is hidden behind an escape of the same length while the body is split; the fields
    are views of one buffer, so they hold the tenant's own bytes again afterwards.
    """
    hidden = list(itertools.islice(find_halves(body), HALF_SURROGATES_MAX + 1))
    if not 0 < len(hidden) <= HALF_SURROGATES_MAX:
        return None
    buffer = bytearray(body)
    for start, escape in hidden:
        buffer[start : start + len(escape)] = STAND_IN
    fields = _split(buffer)
    if any("\ufffd" in name for name in fields):
        return None  # it may have stood in a name, which is not a view
    for start, escape in hidden:
        buffer[start : start + len(escape)] = escape
    return fields


def join_fields(fields: Fields) -> bytes | list[bytes | memoryview]:
    """Spell the object again: a small one at once, else parts that share memory with its body."""
    if sum([len(memoryview(raw)) for raw in fields.values()]) <= JOIN_BYTES_MAX:
        return msgspec.json.encode(fields)
    parts: list[bytes | memoryview] = []
    separator = b"{"
    for name, raw in fields.items():
        parts.append(separator + msgspec.json.encode(name) + b":")
        parts.append(memoryview(raw))
        separator = b","
    parts.append(b"}")
    return parts


def put_text(fields: Fields, path: tuple[str, ...], text: str) -> None:
    """Set a text field, making the objects on the way to it."""
    name, *rest = path
    if not rest:
        fields[name] = msgspec.Raw(msgspec.json.encode(text))
        return
    inner = _split(fields.get(name, b"{}"))
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
            inner = _split(fields[name])
        except msgspec.MsgspecError as error:
            raise InvalidParameter(name, "must be an object") from error
        taken = take_text(inner, tuple(rest), chars_max=chars_max)
        fields[name] = msgspec.Raw(msgspec.json.encode(inner))
        return taken
    raw = fields.pop(name, None)
    if raw is None:
        return None
    value = decode_field(name, raw)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidParameter(name, "must be a string")
    if len(value) > chars_max:
        raise InvalidParameter(name, f"must be at most {chars_max} characters")
    if "\x00" in value:
        raise InvalidParameter(name, "must not contain a NUL character")
    return value


def decode_field(name: str, raw: msgspec.Raw) -> Any:
    """Decode one field, or raise InvalidParameter."""
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter(name, "cannot be read") from error
