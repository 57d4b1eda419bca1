"""A body as its rules read it: leniently, and not at all where it can be read in two ways.

Numbers and booleans may be texts, and null, "", [] and {} are the same as an absent field.
"""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from relay.kling.alike import Pairs, folded, objects_of, pairs_of, values_of
from relay.kling.wire import Fields

NOTHING_BYTES_MAX = 16
"""Of what may hold nothing, with the white space in it."""
_NOTHING = (b"null", b'""', b"[]", b"{}")
_WHITE = b" \t\r\n"
_FLAGS = {"true": True, "false": False}
TEXT_START_BYTES = 64

_list = msgspec.json.Decoder(list[Raw])


class Unclear(Exception):
    """Kling may read it in more ways than one, or nobody knows how: no rule applies."""


class Value(NamedTuple):
    """What stands at a path, or None."""

    name: str
    """Of the very field, with the numbers of items, as a refusal says it."""
    raw: Raw | None


class Given:
    """One object of a body."""

    __slots__ = ("_fields", "_spelt", "_where")

    def __init__(self, pairs: Iterable[tuple[str, Raw]], where: str = "") -> None:
        pairs = list(pairs)
        self._fields = dict(pairs)
        self._spelt = Counter(folded(name) for name, _ in pairs)
        self._where = where

    def raw(self, name: str) -> Raw | None:
        """Look at a field of this object.

        Raises:
            Unclear: it stands there twice, or under another spelling.
        """
        times = self._spelt.get(folded(name), 0)
        if times == 0:
            return None
        if times > 1 or name not in self._fields:
            raise Unclear
        raw = self._fields[name]
        return None if _holds_nothing(raw) else raw

    def has(self, path: str) -> bool:
        return any(value.raw is not None for value in self.values(path))

    def values(self, path: str) -> list[Value]:
        """Look at what a path leads to: `a.b` goes into objects, `a[].b` into the items of lists.

        Empty if what it goes through is not there.

        Raises:
            Unclear: as `raw` does, or it goes through what is no object, or no list of objects.
        """
        head, _, rest = path.partition(".")
        name = head.removesuffix("[]")
        raw = self.raw(name)
        if not rest:
            if name == head:
                return [Value(self._where + name, raw)]
            return [
                Value(f"{self._where}{name}[{number}]", item)
                for number, item in enumerate(items_in(raw))
            ]
        return [value for inner in self._objects(name, raw) for value in inner.values(rest)]

    def objects(self, name: str) -> "list[Given]":
        """Split a list of objects, or one object; [] if absent.

        Raises:
            Unclear: it is neither, or stands there in two ways.
        """
        return self._objects(name, self.raw(name))

    def _objects(self, name: str, raw: Raw | None) -> "list[Given]":
        if raw is None:
            return []
        try:
            if _starts(raw, b"{"):
                return [Given(pairs_of(raw), f"{self._where}{name}.")]
            items: list[Pairs] = objects_of(raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Unclear from error
        return [Given(item, f"{self._where}{name}[{number}].") for number, item in enumerate(items)]

    def text(self, name: str) -> str | None:
        """Read a text; None if absent.

        Raises:
            Unclear: it is none.
        """
        raw = self.raw(name)
        return None if raw is None else text_in(raw)

    def word(self, name: str, *known: str) -> str | None:
        """Read one of these words; None if absent.

        Raises:
            Unclear: it is another one, which may be an odd spelling.
        """
        word = self.text(name)
        if word is not None and word not in known:
            raise Unclear
        return word

    def number(self, name: str) -> Decimal | None:
        """Read a number; None if absent, and if it is a text that is none."""
        raw = self.raw(name)
        return None if raw is None else number_in(raw)

    def flag(self, name: str) -> bool:
        """Read a boolean, False if absent.

        Raises:
            Unclear: it is none.
        """
        raw = self.raw(name)
        if raw is None:
            return False
        (value,) = values_of([raw])
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _FLAGS:
            return _FLAGS[value.lower()]
        raise Unclear

    def count(self, name: str) -> int:
        """Count the items of a list, or one object in place of it; 0 if absent."""
        return len(items_in(self.raw(name)))


def given_in(fields: Fields) -> Given:
    return Given(fields.items())


def items_in(raw: Raw | None) -> list[Raw]:
    """Split a list, whatever is in it, or an object in place of one.

    Raises:
        Unclear: it is neither.
    """
    if raw is None:
        return []
    if _starts(raw, b"{"):
        return [raw]
    if not _starts(raw, b"["):
        raise Unclear
    try:
        return _list.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unclear from error


def text_in(raw: Raw) -> str:
    value = _value_in(raw)
    if not isinstance(value, str):
        raise Unclear
    return value


def number_in(raw: Raw) -> Decimal | None:
    """Read 5, 5.0, "5" and " 5 " alike; None if it is a text that is no number.

    Raises:
        Unclear: it is neither, or no number that a computer counts with.
    """
    value = _value_in(raw)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unclear
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not number.is_finite():
        raise Unclear
    return number


def start_of(raw: Raw) -> str:
    """Read how a text begins, undecoded, since it may be megabytes of base64; "" if it is none.

    JSON may escape a slash, and the rest is left as it stands.
    """
    start = bytes(memoryview(raw)[:TEXT_START_BYTES])
    if not start.startswith(b'"'):
        return ""
    return start[1:].replace(b"\\/", b"/").decode(errors="replace").lstrip().casefold()


def size_of(raw: Raw) -> int:
    """Say of how many bytes it is, quotes included."""
    return len(memoryview(raw))


def _value_in(raw: Raw) -> Any:
    (value,) = values_of([raw])
    if value is None:
        raise Unclear
    return value


def _starts(raw: Raw, text: bytes) -> bool:
    return bytes(memoryview(raw)[: len(text)]) == text


def _holds_nothing(raw: Raw) -> bool:
    if len(memoryview(raw)) > NOTHING_BYTES_MAX:
        return False
    return bytes(raw).translate(None, _WHITE) in _NOTHING
