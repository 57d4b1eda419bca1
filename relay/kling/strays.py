"""What stands in a request where no page of Kling's has it, or in a spelling that none has.

Kling may be more lenient than its pages: it may read `callbackUrl`, or an id one object deeper. So
callback and external-id fields are taken out in every spelling, and ids of things are found in
every spelling and at every depth. Texts above `TEXT_MAX` are stepped over, never decoded.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Raw

from relay.errors import BadRequest, InvalidParameter
from relay.kling.alike import folded
from relay.kling.endpoint import Endpoint, Resource
from relay.kling.references import ID_CHARS_MAX, NAMED_MAX, NamedResource, read_named
from relay.kling.surrogates import mended
from relay.kling.wire import Fields

OURS = frozenset({"callbackurl", "externaltaskid", "externalid"})
"""Fields of both generations that are ours alone, folded."""
CALLBACK, EXTERNAL = "callback", "external"
"""One of them is in each."""
OPTIONS = "options"
"""The object in which 2.0 and the solutions have them."""
TEXT_MAX = 1024

_fields = msgspec.json.Decoder(Fields)
_KINDS = "|".join(kind.value for kind in Resource)
_NAMES_A_THING = re.compile(rf"({_KINDS})s?ids?$", re.MULTILINE)
"""The end of a folded name: `video_id`, `refer_videoIds`, `Element-ID`."""
_MAY_NAME_A_THING = re.compile(rf'(?:{_KINDS})s?ids?"'.encode())
_ESCAPED = re.compile(rb"\\u00[2-7]")
_NESTED = b"{["


def drop_ours(fields: Fields) -> None:
    """Take out callback and external-id fields, in any spelling, at the top and in `options`.

    What the endpoint documents was taken before (`body.take_text`); what is left is not honoured.
    """
    names = "\n".join(map(folded, fields))
    if CALLBACK in names or EXTERNAL in names:
        for name in [name for name in fields if folded(name) in OURS]:
            del fields[name]
    if OPTIONS in names:
        for name in [name for name in fields if folded(name) == OPTIONS]:
            fields[name] = _without_ours(fields[name])


def _without_ours(options: Raw) -> Raw:
    text = bytes(options)
    spelt = _spelt(text)
    is_suspect = CALLBACK.encode() in spelt or EXTERNAL.encode() in spelt or _is_escaped(spelt)
    if not is_suspect or text[:1] != b"{":
        return options
    inner = _fields.decode(mended(text))
    kept = {name: value for name, value in inner.items() if folded(name) not in OURS}
    return options if len(kept) == len(inner) else Raw(msgspec.json.encode(kept))


def read_things(endpoint: Endpoint, fields: Fields) -> list[NamedResource]:
    """List what a request names: where Kling's pages have it, and wherever else it may.

    Raises:
        BadRequest: nested too deeply.
        InvalidParameter: of another shape than Kling documents, or more than anybody needs.
    """
    named = read_named(endpoint, fields)
    known = {(one.kind, one.id) for one in named}
    return named + [one for one in find_things(fields) if (one.kind, one.id) not in known]


def find_things(fields: Fields) -> list[NamedResource]:
    """List the ids that stand under a name of a thing's id, whatever the spelling and the depth.

    Each with the kind that its name says, and a number that is spelt otherwise also as its digits.

    Raises:
        BadRequest: nested too deeply.
        InvalidParameter: more than anybody needs.
    """
    found: dict[NamedResource, None] = {}
    names = "\n".join(map(folded, fields)) + "\n"
    may_be_named = "id\n" in names or "ids\n" in names
    try:
        for name, raw in fields.items():
            kind = _kind_of(name) if may_be_named else None
            if kind is not None:
                found |= dict.fromkeys(_ids(kind, _decoded(_shortened(bytes(raw)))))
            elif memoryview(raw)[0] in _NESTED:
                found |= dict.fromkeys(_things_in(raw))
    except RecursionError as error:
        raise BadRequest("The request body is nested too deeply") from error
    if len(found) > NAMED_MAX:
        raise InvalidParameter(f"{next(iter(found)).kind}_id", f"must be at most {NAMED_MAX} ids")
    return list(found)


def _things_in(raw: Raw) -> Iterator[NamedResource]:
    text = bytes(raw)
    if len(text) > TEXT_MAX:
        text = _shortened(text)
    spelt = _spelt(text)  # what a small body pays is this look at its bytes
    is_escaped = _is_escaped(spelt)
    may_name = b'id"' in spelt or b'ids"' in spelt
    if is_escaped or (may_name and _MAY_NAME_A_THING.search(spelt)):
        yield from _walk(_decoded(text))


def _spelt(text: bytes) -> bytes:
    """Fold a small piece of JSON as it stands; names that are spelt with escapes stay so."""
    return text.lower().translate(None, b"_-")


def _is_escaped(spelt: bytes) -> bool:
    """Tell whether a letter is escaped that needs none: names may be spelt so."""
    return b"\\u00" in spelt and _ESCAPED.search(spelt) is not None


class _Object(list[tuple[str, Any]]):
    """A JSON object as it is spelt: a name may stand in it twice."""


def _decoded(text: bytes) -> Any:
    return json.loads(text, object_pairs_hook=_Object, parse_float=str, parse_int=str)


def _walk(value: Any) -> Iterator[NamedResource]:
    if isinstance(value, _Object):
        for name, inner in value:
            kind = _kind_of(name)
            if kind is not None:
                yield from _ids(kind, inner)
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def _kind_of(name: str) -> Resource | None:
    found = _NAMES_A_THING.search(folded(name))
    return None if found is None else Resource(found[1])


def _ids(kind: Resource, value: Any) -> Iterator[NamedResource]:
    """List every text and number below a name that says what they are."""
    if isinstance(value, _Object):
        value = [inner for _, inner in value]
    if isinstance(value, list):
        for inner in value:
            yield from _ids(kind, inner)
    elif isinstance(value, str):
        for spelling in dict.fromkeys((value, value.strip(), _digits(value))):
            if 0 < len(spelling) <= ID_CHARS_MAX and "\x00" not in spelling:
                name = spelling.encode(errors="replace").decode()  # no half surrogates
                yield NamedResource(kind, name, is_documented=False)


def _digits(text: str) -> str:
    """Spell 829.0, 8.29e2 and 0829 as the whole number that they are; whatever else is ""."""
    try:
        number = Decimal(text.strip())
        is_id = number.is_finite() and number.adjusted() < ID_CHARS_MAX and number == int(number)
    except (InvalidOperation, ValueError):
        return ""
    return str(int(number)) if is_id else ""


def _shortened(text: bytes) -> bytes:
    """Empty every text above `TEXT_MAX`: they are images and prompts."""
    parts: list[bytes] = []
    copied = 0
    start = text.find(b'"')
    while start >= 0:
        end = _end_of_text(text, start + 1)
        if end < 0:
            break
        if end - start > TEXT_MAX:
            parts.append(text[copied : start + 1])
            copied = end
        start = text.find(b'"', end + 1)
    parts.append(text[copied:])
    return b"".join(parts)


def _end_of_text(text: bytes, at: int) -> int:
    """Find the quote that ends a text."""
    end = text.find(b'"', at)
    while end >= 0:
        backslashes = end
        while backslashes > at and text[backslashes - 1] == 0x5C:  # noqa: PLR2004 (a backslash)
            backslashes -= 1
        if (end - backslashes) % 2 == 0:
            return end
        end = text.find(b'"', end + 1)
    return end
