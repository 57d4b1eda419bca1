"""Which bytes of a file a request asks for (RFC 9110, 14)."""

import re

_ONE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
DIGITS_MAX = 18


class Unsatisfiable(Exception):
    """It asks for bytes that the file does not have."""


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read the first and the last byte that are asked for; None is the whole file.

    So is what we do not read: other units, several ranges at once, and what is no range.

    Raises:
        Unsatisfiable
    """
    found = None if header is None else _ONE.fullmatch(header.strip())
    if found is None or found[0] == "bytes=-" or max(map(len, found.groups())) > DIGITS_MAX:
        return None
    if not found[1]:
        wanted = min(int(found[2]), size)
        if wanted == 0:
            raise Unsatisfiable
        return size - wanted, size - 1
    first, last = int(found[1]), int(found[2] or size - 1)
    if found[2] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, min(last, size - 1)
