"""JSON as the bytes it is spelt in, read by a parser that shares nothing with the relay's."""

import re

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(rb'[^\s,\]}"]+')
_SPACE = re.compile(rb"[\s,:]*")


def leaves(text: bytes) -> dict[str, bytes]:
    """Every value that holds no other, by its path (`.data.task_info`), in its own bytes.

    An empty object or list is a value; of a name that stands twice the last one counts.
    """
    found: dict[str, bytes] = {}
    end = _read(text, _skip(text, 0), "", found)
    assert not text[end:].strip(), text[end:]
    return found


def _skip(text: bytes, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _read(text: bytes, place: int, path: str, found: dict[str, bytes]) -> int:
    kind = text[place : place + 1]
    if kind not in {b"{", b"["}:
        match = (_STRING if kind == b'"' else _WORD).match(text, place)
        assert match, text[place : place + 40]
        found[path] = match[0]
        return match.end()
    end = b"}" if kind == b"{" else b"]"
    place, number = _skip(text, place + 1), 0
    while text[place : place + 1] != end:
        name = str(number)
        if kind == b"{":
            match = _STRING.match(text, place)
            assert match, text[place : place + 40]
            name, place = match[0].decode()[1:-1], _skip(text, match.end())
        place, number = _skip(text, _read(text, place, f"{path}.{name}", found)), number + 1
    if not number:
        found[path] = kind + end
    return place + 1


def under(found: dict[str, bytes], path: str) -> dict[str, bytes]:
    """The values below one path, by what follows it."""
    return {
        name.removeprefix(path): value
        for name, value in found.items()
        if name == path or name.startswith(f"{path}.")
    }


def differences(expected: dict[str, bytes], got: dict[str, bytes]) -> list[str]:
    """Say field by field what is not the same."""
    return [
        f"{name}: {expected.get(name, b'(absent)')!r} became {got.get(name, b'(absent)')!r}"
        for name in sorted(expected.keys() | got.keys())
        if expected.get(name) != got.get(name)
    ]
