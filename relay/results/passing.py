"""A file of Kling's passed on to whoever asks for it: piece by piece, few at once, to its end.

Nothing of it is kept here, in memory or on disk: a piece is read once the one before it was taken.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import structlog

from relay.counts import elsewhere
from relay.results.files import File, Files, FileUnreachable

log = structlog.get_logger()

EACH_MAX, IN_ALL_MAX = 8, 200
"""Files that are passed on at once, to each tenant or operator and to all of them."""
ASKED = frozenset({b"range", b"if-range"})
"""Headers of a request that are the file's host's to answer."""
PASSED = ("content-length", "content-range", "accept-ranges", "etag", "last-modified")
"""Headers of its answer that are the client's."""

Headers = list[tuple[bytes, bytes]]


class TooManyFiles(Exception):
    """As many as may be are under way."""


class Opened(NamedTuple):
    """A file whose place is kept; whoever has it passes it on, which ends both."""

    file: File
    let_go: Callable[[], None]


class Passing:
    """Opens files for whoever they are passed on to, and knows who has which under way."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._open: Counter[Hashable] = Counter()
        self.may_open = files.may_open

    async def open(
        self,
        url: str,
        *,
        sandbox_url: str | None,
        whose: Hashable,
        headers: Iterable[tuple[bytes, bytes]],
    ) -> Opened:
        """Open a file that `may_open` allowed; `headers`: of the request, as ASGI has them.

        Raises:
            TooManyFiles, FileGone, FileUnreachable: no place is kept.
        """
        asked = {name.decode(): value.decode("latin-1") for name, value in headers if name in ASKED}
        let_go = self._take_place(whose)
        try:
            file = await self._files.open(url, sandbox_url=sandbox_url, headers=asked)
        except BaseException:
            let_go()
            raise
        return Opened(file, let_go)

    def _take_place(self, whose: Hashable) -> Callable[[], None]:
        if self._open[whose] >= EACH_MAX or self._open.total() >= IN_ALL_MAX:
            raise TooManyFiles
        self._open[whose] += 1

        def let_go() -> None:
            self._open[whose] -= 1
            self._open += Counter()  # drops those of whom nothing is open

        return let_go


def headers_passed(file: File) -> Headers:
    """Spell what its host says of the file, but for what it is and what it is called."""
    return [
        (name.encode(), value.encode("latin-1", "replace"))
        for name in PASSED
        if (value := file.header(name)) is not None
    ]


async def pass_on(
    send: Any,
    receive: Any,
    opened: Opened,
    headers: Headers,
    *,
    is_head: bool = False,
    **told: str,
) -> None:
    """Write a file as it comes, and close it; a client that has gone ends the reading of it.

    One that breaks off is left unfinished: the connection closes before the length that was told.
    `send` and `receive` are ASGI's; `told`: what the log says of one that broke off.
    """
    file = opened.file
    watch = asyncio.create_task(_until_gone(receive))
    watch.add_done_callback(lambda _: file.close())
    try:
        with elsewhere():
            await send({"type": "http.response.start", "status": file.status, "headers": headers})
            if not is_head:
                async for piece in file.pieces():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except FileUnreachable as error:
        if not watch.done():
            log.warning("content.broken_off", reason=str(error), **told)
    finally:
        watch.cancel()
        file.close()
        opened.let_go()


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
