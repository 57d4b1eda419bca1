"""Ids of things that live on one Kling account: where requests name them, where replies make them.

Source: kling-api.md sections 4 and 5.3.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from relay.errors import InvalidParameter
from relay.kling.endpoint import Endpoint, Reference, Resource
from relay.kling.wire import Fields

NAMED_MAX = 100
"""Ids in one request; Kling's own limits are far below."""
ID_CHARS_MAX = 256

_fields = msgspec.json.Decoder(Fields)
_items = msgspec.json.Decoder(list[Fields])


class Named(msgspec.Struct, frozen=True):
    """One resource that a request names, or a reply makes."""

    kind: Resource
    id: str
    field: str = ""
    """Where it stands in the request."""


def read_named(endpoint: Endpoint, fields: Fields) -> list[Named]:
    """List what a request names; values that are not an id are left for Kling to refuse.

    Raises:
        InvalidParameter: more than anybody needs.
    """
    named = [
        Named(reference.kind, found, field=reference.path.replace("[]", ""))
        for reference in endpoint.references
        for found in _find(fields, reference)
    ]
    if len(named) > NAMED_MAX:
        raise InvalidParameter(named[0].field, f"must name at most {NAMED_MAX} ids")
    return named


def _find(fields: Fields, reference: Reference) -> Iterator[str]:
    head, _, rest = reference.path.partition(".")
    raw = fields.get(head.removesuffix("[]"))
    if raw is None:
        return
    if not rest:
        found = _id(raw)
        if found is not None:
            yield found
        return
    try:
        inner = _items.decode(raw) if head.endswith("[]") else [_fields.decode(raw)]
    except msgspec.MsgspecError:
        return
    for item in inner:
        yield from _find(item, Reference(reference.kind, rest))


def _id(raw: msgspec.Raw) -> str | None:
    """Read a string, or an integer digit by digit: element ids are beyond what a float holds."""
    text = bytes(memoryview(raw)[: ID_CHARS_MAX + 2]).decode(errors="replace").strip()
    if text.startswith('"'):
        try:
            text = msgspec.json.decode(raw, type=str)
        except msgspec.MsgspecError:
            return None
    elif not text.lstrip("-").isdigit():
        return None
    return text if 0 < len(text) <= ID_CHARS_MAX and "\x00" not in text else None


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


def read_made(raw: bytes | msgspec.Raw) -> list[Named]:
    """List what a reply's `data` or a callback's body made; [] if it is no such object."""
    try:
        data = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
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


def _made(item: dict[str, Any], places: tuple[tuple[Resource, str], ...]) -> Iterator[Named]:
    for kind, name in places:
        value = item.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            yield Named(kind, str(value)[:ID_CHARS_MAX].replace("\x00", ""))


def _dicts(items: object) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
