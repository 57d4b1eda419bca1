"""Which sockets this process makes and where it connects them, as the interpreter itself says."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_watchers: list[list[str]] = []


def _note(event: str, _arguments: tuple[object, ...]) -> None:
    if event in ("socket.__new__", "socket.connect"):
        for seen in _watchers:
            seen.append(event)


sys.addaudithook(_note)  # cannot be taken out again, so there is one for all tests


@contextmanager
def watched_sockets() -> Iterator[list[str]]:
    """Collect every socket made and every connect called inside."""
    seen: list[str] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)
