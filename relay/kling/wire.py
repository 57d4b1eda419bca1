"""Kling's bodies, read as they are: values, and the shell of a reply.

`task_object.py` reads what stands in the shell, and `verdicts.py` concludes from it.

Bodies are read as `dict[str, msgspec.Raw]`, so that values pass on in Kling's own bytes. What
decides is a code, an id and a status word, read leniently: a number for a text, a text for a
number, null or a list where an object is expected hide nothing that stands beside them.

`mend.py` has seen to the bytes. Source: docs/kling-api.md 5.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from relay.kling.codes import NOT_FOUND
from relay.kling.transport import Reply

Fields = dict[str, Raw]

_any = msgspec.json.Decoder()
_NUMBER_STARTS = tuple(b"%c" % byte for byte in b"-0123456789")
_object = msgspec.json.Decoder(Fields)
_list = msgspec.json.Decoder(list[Raw])
TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
"""A text of a JSON body, in its quotes."""


def text_of(raw: Raw | UnsetType | None) -> str:
    """Read a text, or a number as the digits that stand there; whatever else is none, ""."""
    if not isinstance(raw, Raw):
        return ""
    if bytes(memoryview(raw)[:1]) in _NUMBER_STARTS:
        return bytes(raw).decode()
    value = value_of(raw)
    return value if isinstance(value, str) else ""


def value_of(raw: Raw | UnsetType | None) -> Any:
    """Decode one value; what no Python type holds, such as 1e400, is None."""
    try:
        return _any.decode(raw) if isinstance(raw, Raw) else None
    except (msgspec.DecodeError, RecursionError):
        return None


def read_any(raw: bytes | Raw) -> Any:
    """Decode all of a value of Kling's, also with numbers that no Python type holds.

    msgspec refuses 1e400 and half surrogates wherever they stand; ids beside them still count. In
    such a value every number is text.

    Raises:
        ValueError: not JSON, or nested too deeply.
    """
    try:
        try:
            return _any.decode(raw)
        except msgspec.DecodeError:
            return json.loads(bytes(raw), parse_int=str, parse_float=str)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def fields_of(raw: Raw | UnsetType | None) -> Fields:
    try:
        return _object.decode(raw) if isinstance(raw, Raw) else {}
    except msgspec.DecodeError:
        return {}


def rewrite_texts(body: bytes, rewrite: Callable[[str], str]) -> bytes:
    """Rewrite the texts of a JSON body, names too, as they read without JSON's escapes.

    What `rewrite` leaves alone keeps its bytes.
    """

    def spell(found: re.Match[bytes]) -> bytes:
        text = value_of(Raw(found[0]))
        if not isinstance(text, str):
            return found[0]
        rewritten = rewrite(text)
        return found[0] if rewritten == text else msgspec.json.encode(rewritten)

    return TEXT.sub(spell, body)


def items_of(raw: Raw | UnsetType) -> list[Raw]:
    try:
        return _list.decode(raw) if isinstance(raw, Raw) else []
    except msgspec.DecodeError:
        return []


class Envelope(msgspec.Struct):
    """The shell of a reply (docs/kling-api.md 5.1 and 5.6)."""

    code: int
    message: str = ""
    request_id: str = ""
    data: Raw | UnsetType = UNSET


_envelope = msgspec.json.Decoder(Envelope)
_CODE_MAX = 10**9


def read_envelope(reply: Reply) -> Envelope | None:
    """Read the shell, or None if the body is not one of Kling's: no object with a code."""
    try:
        try:
            return _envelope.decode(reply.body)
        except msgspec.ValidationError:
            fields = _object.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    code = _code(text_of(fields.get("code")))
    if code is None:
        return None
    return Envelope(
        code=code,
        message=text_of(fields.get("message")),
        request_id=text_of(fields.get("request_id")),
        data=fields.get("data", UNSET),
    )


def _code(text: str) -> int | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    is_code = number.is_finite() and abs(number) < _CODE_MAX and number == number.to_integral()
    return int(number) if is_code else None


def says_not_found(reply: Reply) -> bool:
    """Tell whether Kling says that it has no such task (docs/kling-api.md 5.5 and 5.6).

    400/1201 "Task not found", and of 2.0 an empty list with code 0.
    """
    envelope = read_envelope(reply)
    if envelope is None or reply.status >= 500:  # noqa: PLR2004
        return False
    if envelope.code == 0:
        return isinstance(envelope.data, Raw) and _is_empty_list(envelope.data)
    return envelope.code in NOT_FOUND and "not found" in envelope.message.lower()


def _is_empty_list(raw: Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"[" and not items_of(raw)
