"""Escapes of half a surrogate pair, which JSON allows and msgspec does not read.

A client or a server that cuts a text in the middle of an emoji sends one.
"""

import re
from collections.abc import Iterator

STAND_IN = rb"\ufffd"
"""As long as what it stands for, so that nothing moves."""

_HALF = re.compile(
    rb"(?s:[^\\]++"
    rb"|\\(?!u[dD][89a-fA-F])."
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb")*+(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""From a place outside an escape to the next half pair. Possessive: time grows with the length."""


def find_halves(body: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
    """Find each half pair's place and bytes."""
    found = _HALF.match(body)
    while found is not None:
        yield found.start(1), found[1]
        found = _HALF.match(body, found.end())


def mended(body: bytes) -> bytes:
    """Put a stand-in for each half pair of a body; nearly always it is the body itself."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    halves = list(find_halves(body))
    if not halves:
        return body
    buffer = bytearray(body)
    for start, escape in halves:
        buffer[start : start + len(escape)] = STAND_IN
    return bytes(buffer)
