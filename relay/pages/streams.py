"""What a page is streamed from, and when that ends: with its client, or with the process.

An export: `Stream(Pieces(rows()), media_type="text/csv")`. Events, which have no end of their own:
`ServerSentEvent(until_stopping(events(), stopping))`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

Piece = TypeVar("Piece")

_closing: set["asyncio.Future[None]"] = set()
"""Generators that are being closed; the loop itself would forget them."""


class Pieces(AsyncIterator[Piece]):
    """A generator that is closed when whoever sends its pieces has ended.

    Where a client hangs up, Litestar leaves the generator to the garbage collector, which runs
    rarely here (`relay/cli/serve.py`): until then a file or a session would stay open.
    """

    def __init__(self, pieces: AsyncGenerator[Piece, None]) -> None:
        self._pieces = pieces
        self._reader: asyncio.Task[object] | None = None

    async def __anext__(self) -> Piece:
        if self._reader is None:
            self._reader = asyncio.current_task()
            assert self._reader is not None, "this is a coroutine"
            self._reader.add_done_callback(self._close)
        return await anext(self._pieces)

    def _close(self, _reader: object) -> None:
        closing = asyncio.ensure_future(self._pieces.aclose())
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


def until_stopping(
    events: AsyncGenerator[Piece, None], stopping: asyncio.Event
) -> AsyncIterator[Piece]:
    """Pass events on until the process stops; then end at once, also while none comes.

    Not for what has an end, such as an export: cut short in good order it would look whole. That
    goes on while the process drains, and what is left then is cut so that its client sees it.
    """
    return Pieces(_until_stopping(events, stopping))


async def _until_stopping(
    events: AsyncGenerator[Piece, None], stopping: asyncio.Event
) -> AsyncGenerator[Piece, None]:
    stops = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[Piece] | None = None
    try:
        while not stopping.is_set():
            coming = asyncio.ensure_future(anext(events))
            await asyncio.wait((coming, stops), return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return
                yield event
    finally:
        stops.cancel()
        # Where the client hung up, Litestar cancels us again and again until we have ended.
        await asyncio.shield(_close(events, coming))


async def _close(
    events: AsyncGenerator[Piece, None], coming: "asyncio.Future[Piece] | None"
) -> None:
    if coming is not None and not coming.done():
        coming.cancel()
        await asyncio.wait((coming,))
    await events.aclose()
