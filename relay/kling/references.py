"""Ids of things that live on one Kling account: where requests name them, where replies make them.

Source: docs/kling-api.md 4 and 5.3.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from relay.errors import InvalidParameter
from relay.kling.endpoint import Endpoint, Reference, Resource
from relay.kling.surrogates import mended
from relay.kling.wire import Fields, read_any

NAMED_MAX = 100
"""Ids in one request; Kling's own limits are far below."""
ID_CHARS_MAX = 256
ABSENT = (b"null", b'""')
"""What Kling takes as no value."""

_INTEGER = re.compile(r"-?[0-9]+")

_fields = msgspec.json.Decoder(Fields)
_items = msgspec.json.Decoder(list[Raw])


class NamedResource(msgspec.Struct, frozen=True):
    """One resource that a request names, or a reply makes."""

    kind: Resource
    id: str
    is_documented: bool = True
    """Whether it stands where Kling's pages have it; elsewhere it may name nothing."""


def read_named(endpoint: Endpoint, fields: Fields) -> list[NamedResource]:
    """List what a request names where Kling's pages have it.

    What stands where an id may stand and cannot be read as one is refused, not left for Kling: it
    may read 829836802793406551.0, or an id beside a null, as an id all the same, and nobody would
    have looked whose it is (T4).

    Raises:
        InvalidParameter: of another shape than Kling documents, or more than anybody needs.
    """
    named = [
        NamedResource(reference.kind, found)
        for reference in endpoint.references
        for found in _find(fields, reference, reference.path)
    ]
    if len(named) > NAMED_MAX:
        field = _spelt(endpoint.references[0])
        raise InvalidParameter(field, f"must name at most {NAMED_MAX} ids")
    return named


def _find(fields: Fields, reference: Reference, path: str) -> Iterator[str]:
    head, _, rest = path.partition(".")
    raw = fields.get(head.removesuffix("[]"))
    if raw is None or bytes(memoryview(raw)[:4]) in ABSENT:
        return
    if not rest:
        yield _id(raw, reference)
        return
    is_list = head.endswith("[]")
    try:
        objects = _objects(raw, is_list=is_list)
    except (msgspec.MsgspecError, RecursionError) as error:
        what = "a list of objects" if is_list else "an object"
        raise InvalidParameter(_spelt(reference).partition(".")[0], f"must be {what}") from error
    for one in objects:
        yield from _find(one, reference, rest)


def _objects(raw: Raw, *, is_list: bool) -> list[Fields]:
    try:
        return _decoded(raw, is_list=is_list)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # A text beside the ids may end in half an emoji.
        return _decoded(mended(bytes(raw)), is_list=is_list)


def _decoded(raw: Raw | bytes, *, is_list: bool) -> list[Fields]:
    items = _items.decode(raw) if is_list else [raw]
    return [_fields.decode(item) for item in items if bytes(item) != b"null"]


def _id(raw: Raw, reference: Reference) -> str:
    """Read a string, or an integer digit by digit: element ids are beyond what a float holds."""
    start = bytes(memoryview(raw)[: ID_CHARS_MAX + 2])
    try:
        text = msgspec.json.decode(raw, type=str) if start[:1] == b'"' else start.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = ""
    is_id = start[:1] == b'"' or _INTEGER.fullmatch(text)
    if not is_id or not 0 < len(text) <= ID_CHARS_MAX or "\x00" in text:
        raise InvalidParameter(_spelt(reference), "must be an id")
    return text


def _spelt(reference: Reference) -> str:
    return reference.path.replace("[]", "")


_MADE_IN_RESULT = {
    "videos": ((Resource.VIDEO, "id"), (Resource.SESSION, "session_id")),
    "audios": (
        (Resource.AUDIO, "id"),
        (Resource.AUDIO, "audio_id"),
        (Resource.VIDEO, "video_id"),
    ),
    "elements": ((Resource.ELEMENT, "element_id"),),
    "voices": ((Resource.VOICE, "voice_id"),),
}
_MADE_BY_TYPE = {
    "video": (Resource.VIDEO, "id"),
    "audio": (Resource.AUDIO, "id"),
    "voice": (Resource.VOICE, "voice_id"),
    "element": (Resource.ELEMENT, "element_id"),
}
_MADE_AT_TOP = ((Resource.SESSION, "session_id"), (Resource.ELEMENT, "element_id"))


_MADE_MARKS = (b"task_result", b"outputs", b"session_id", b"element_id", rb"\u")
"""Without one of these, nothing is made: the names of `_made` and an escape that may spell one."""


def read_made(raw: bytes | Raw) -> list[NamedResource]:
    """List what a reply's `data` or a callback's body made; [] if it is no such object."""
    text = bytes(raw)
    if not any(mark in text for mark in _MADE_MARKS):
        return []
    try:
        data = read_any(raw)
    except ValueError:
        return []
    if not isinstance(data, dict):
        return []
    made = list(_made(data, _MADE_AT_TOP))
    result = data.get("task_result")
    if isinstance(result, dict):
        for name, places in _MADE_IN_RESULT.items():
            for item in _dicts(result.get(name)):
                made += _made(item, places)
    for item in _dicts(data.get("outputs")):
        place = _MADE_BY_TYPE.get(str(item.get("type")))
        if place is not None:
            made += _made(item, (place, (place[0], "id")))
    return list(dict.fromkeys(made))


def _made(
    item: dict[str, Any], places: tuple[tuple[Resource, str], ...]
) -> Iterator[NamedResource]:
    for kind, name in places:
        value = item.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            text = str(value)[:ID_CHARS_MAX].replace("\x00", "")
            yield NamedResource(kind, text.encode(errors="replace").decode())  # no half surrogates


def _dicts(items: object) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
