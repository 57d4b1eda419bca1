"""Fields of a body under every name that Kling may take for theirs, and all of equal names.

How lenient Kling is about names nobody has documented, and bodies pass on as they are. So what a
price is read from is looked for under its own name and under those that differ by case, `_`, `-`
and the like; and inside a value, of two fields with equal names both are kept.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from relay.errors import InvalidParameter
from relay.kling.surrogates import mended
from relay.kling.wire import Fields

Pairs = list[tuple[str, Raw]]
"""An object's fields in their order, also those with equal names."""

REMEMBERED_CHARS_MAX = 64
UNLIKE_MAX = 200
_UNLIKE: dict[str, set[str]] = {}
"""By the names that are looked for inside of values: others that are not like them."""
COUNTED_BYTES_MAX = 64 * 1024
_NAME_ENDS = re.compile(rb'"[ \t\r\n]+:')
_DROPPED = re.compile(r"[\W_]+")
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]', re.DOTALL)

_object = msgspec.json.Decoder(Fields)
_objects = msgspec.json.Decoder(list[Fields])
_list = msgspec.json.Decoder(list[Raw])
_name = msgspec.json.Decoder(str)
_any = msgspec.json.Decoder()


def folded(text: str) -> str:
    """Reduce a name or a word to what it has in common with those that may be taken for it."""
    return _folded(text) if len(text) <= REMEMBERED_CHARS_MAX else _DROPPED.sub("", text.casefold())


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    return _DROPPED.sub("", text.casefold())


class Found(NamedTuple):
    """Values that may be meant by one name."""

    exact: list[Raw]
    """Under the very name; several if it stands there several times."""
    alike: list[Raw]

    @property
    def all(self) -> list[Raw]:
        return self.exact + self.alike


NOTHING = Found([], [])


class Reading:
    """A body that notes which of its fields are looked at.

    It has nothing but these ways to look: all that a price is read from is noted, and the type
    checker refuses any other access.
    """

    __slots__ = ("_fields", "_inside", "_spelt", "has_alike", "names")

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._spelt: dict[str, list[str]] = {}
        for name in fields:
            self._spelt.setdefault(folded(name), []).append(name)
        self._inside: dict[str, tuple[list[Pairs], list[Pairs]]] = {}
        self.names: dict[str, None] = {}
        """Of the fields looked at, in the order of the first look."""
        self.has_alike = False
        """Whether one of them stands there under another spelling."""

    def field(self, name: str) -> Found:
        """Look at one top-level field; null is absent.

        Of equal names at the top only the last is there, and passes on.
        """
        self.names[name] = None
        spelt = self._spelt.get(folded(name))
        if spelt is None:
            return NOTHING
        if spelt == [name]:
            raw = self._fields[name]
            return Found([raw], []) if _is_there(raw) else NOTHING
        self.has_alike = True
        found = {other: self._fields[other] for other in spelt if _is_there(self._fields[other])}
        exact = [found.pop(name)] if name in found else []
        return Found(exact, list(found.values()))

    def find(self, path: str) -> Found:
        """Look at what a dotted path leads to, `a` or `a.b`; null is absent.

        Raises:
            InvalidParameter: `a` is no object.
        """
        name, _, inner = path.partition(".")
        if not inner:
            return self.field(name)
        if name not in self._inside:
            self._inside[name] = _split_all(self.field(name), name)
        exact, alike = self._inside[name]
        if len(exact) == 1 and not alike:
            return pick(exact[0], inner)
        found = [pick(pairs, inner) for pairs in exact]
        return Found(
            [value for one in found for value in one.exact],
            [value for one in found for value in one.alike]
            + [value for pairs in alike for value in pick(pairs, inner).all],
        )


def _split_all(found: Found, name: str) -> tuple[list[Pairs], list[Pairs]]:
    try:
        exact = [pairs_of(raw) for raw in found.exact]
    except msgspec.MsgspecError as error:
        raise InvalidParameter(name, "must be an object") from error
    return exact, [pairs_of(raw) for raw in found.alike if _starts(raw, b"{")]


def names_alike(names: Iterable[str], fields: Mapping[str, Raw]) -> list[str]:
    """List fields that are none of `names`, and may be taken for one of them."""
    known = set(names)
    spelt = {folded(name) for name in known}
    return [field for field in fields if field not in known and folded(field) in spelt]


def pick(pairs: Pairs, name: str) -> Found:
    """Pick the values of a name, and of those alike, out of an object; null is absent."""
    exact: list[Raw] = []
    alike: list[Raw] = []
    unlike = _UNLIKE.setdefault(name, set())
    for other, value in pairs:
        if other == name:
            exact += [value] if _is_there(value) else []
        elif other not in unlike:
            if folded(other) == folded(name):
                alike += [value] if _is_there(value) else []
            elif len(other) <= REMEMBERED_CHARS_MAX and len(unlike) < UNLIKE_MAX:
                unlike.add(other)
    return Found(exact, alike)


def pairs_of(raw: Raw) -> Pairs:
    """Split an object into its fields.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    try:
        fields = _object.decode(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        raw = Raw(mended(bytes(raw)))  # a text that was cut in an emoji
        fields = _object.decode(raw)
    return list(fields.items()) if _has_each_once(raw, fields) else _split(bytes(raw))


def objects_of(raw: Raw) -> list[Pairs]:
    """Split a list of objects, or an object in place of one.

    Raises:
        msgspec.MsgspecError: it is neither.
    """
    if _starts(raw, b"{"):
        return [pairs_of(raw)]
    try:
        items = _objects.decode(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return [pairs_of(one) for one in _list.decode(mended(bytes(raw)))]
    if _have_each_once(raw, items):
        return [list(item.items()) for item in items]
    return [pairs_of(one) for one in _list.decode(raw)]


def objects_in(raw: Raw) -> list[Pairs]:
    """Split whatever objects there are in a list, or in place of one."""
    try:
        return objects_of(raw)
    except msgspec.MsgspecError:
        pairs: list[Pairs] = []
        with suppress(msgspec.MsgspecError):
            for one in _list.decode(raw):
                with suppress(msgspec.MsgspecError):
                    pairs.append(pairs_of(one))
        return pairs


def values_of(raws: Iterable[Raw]) -> list[Any]:
    """Decode values; what no Python type holds is None."""
    return [_value(raw) for raw in raws]


def _value(raw: Raw) -> Any:
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        with suppress(msgspec.DecodeError, RecursionError):
            return _any.decode(mended(bytes(raw)))
        return None


def _is_there(raw: Raw) -> bool:
    return not _starts(raw, b"null")


def _starts(raw: Raw, text: bytes) -> bool:
    return bytes(memoryview(raw)[: len(text)]) == text


def _has_each_once(raw: Raw, fields: Fields) -> bool:
    """Tell whether decoding dropped no field, of which there are two with one name."""
    size = len(memoryview(raw))
    if size == _compact_length(fields):
        return True
    if size <= COUNTED_BYTES_MAX and _has_names(raw, len(fields)):
        return True
    # By the quotes around names: inside of a value there is no name of ours.
    quotes = bytes(raw).count(b'"') - sum(bytes(value).count(b'"') for value in fields.values())
    return quotes == 2 * len(fields)


def _have_each_once(raw: Raw, items: list[Fields]) -> bool:
    """Tell it of a list, at once; False is a doubt. Large images may stand in it."""
    size = len(memoryview(raw))
    if size <= COUNTED_BYTES_MAX and _has_names(raw, sum(map(len, items))):
        return True
    return size == sum(map(_compact_length, items)) + max(len(items), 1) + 1


def _has_names(raw: Raw, count: int) -> bool:
    """Count what ends a name; a text may hold as much, and then there are more."""
    text = bytes(raw)
    return text.count(b'":') == count and _NAME_ENDS.search(text) is None


def _compact_length(fields: Fields) -> int:
    """Say how long an object of these fields is without white space and escapes in names."""
    lengths = [len(name) + len(memoryview(value)) + 4 for name, value in fields.items()]
    return sum(lengths) + 1 if lengths else 2


def _split(raw: bytes) -> Pairs:
    """Split an object that has equal names; it is known to be valid JSON."""
    pairs: Pairs = []
    depth, name, start = 0, "", 0
    for token in _TOKEN.finditer(raw):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif depth > 1:
            depth -= mark in (b"}", b"]")
        elif mark == b":":
            start = token.end()
        elif mark in (b",", b"}"):
            if start:
                pairs.append((name, Raw(raw[start : token.start()].strip())))
            start = 0
        elif not start:
            name = _name.decode(mark)
    return pairs
