"""When a stream ends. On sockets: `tests/server/test_streams_on_sockets.py`."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from relay.pages.streams import Pieces, until_stopping
from tests.waiting import PATIENCE_S, play_dead, settle_for


class Source:
    """Events that come when they are put, or without end; and whether they were closed."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[int | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def events(self) -> AsyncGenerator[int, None]:
        try:
            while (event := await self.waiting.get()) is not None:
                yield event
            raise RuntimeError("the source broke")
        finally:
            await asyncio.sleep(0)  # as what closes a session waits
            self.closed.set()

    async def counted(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(10**9):
                yield number
        finally:
            self.closed.set()


async def test_events_end_when_the_process_stops_though_none_comes() -> None:
    """Those before it have passed; the source is closed."""
    source, stopping = Source(), asyncio.Event()
    source.waiting.put_nowait(1)
    seen = []

    async def read() -> None:
        seen.extend([event async for event in until_stopping(source.events(), stopping)])

    reading = asyncio.create_task(read())
    await settle_for(0.01, because="it would have ended by then")
    still_reads = not reading.done()
    stopping.set()
    async with asyncio.timeout(PATIENCE_S):
        await reading
        await source.closed.wait()

    assert still_reads
    assert seen == [1]


async def test_events_that_come_without_a_pause_end_too() -> None:
    """Nothing of them waits, so nothing but a look at the signal ends them."""
    source, stopping = Source(), asyncio.Event()

    async with asyncio.timeout(PATIENCE_S):
        async for event in until_stopping(source.counted(), stopping):
            if event == 5:
                stopping.set()
        await source.closed.wait()


async def test_a_stream_of_a_stopping_process_has_no_events() -> None:
    """It was asked for a moment too late; its source never begins."""
    stopping = asyncio.Event()
    stopping.set()

    events = [event async for event in until_stopping(Source().counted(), stopping)]

    assert events == []


async def test_what_has_an_end_ends() -> None:
    """Before the process stops."""

    async def three() -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number

    assert [event async for event in until_stopping(three(), asyncio.Event())] == [0, 1, 2]


async def test_a_failure_of_the_source_is_a_failure_of_the_stream() -> None:
    """Not an end in good order."""
    source = Source()
    source.waiting.put_nowait(1)
    source.waiting.put_nowait(None)
    events = until_stopping(source.events(), asyncio.Event())

    first = await anext(events)
    with pytest.raises(RuntimeError, match="the source broke"):
        await anext(events)

    assert first == 1


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_reader_that_is_cancelled_closes_the_source(*, is_waiting: bool) -> None:
    """While it waits for an event, and while it does something with one."""
    source, had_one = Source(), asyncio.Event()
    source.waiting.put_nowait(1)

    async def read() -> None:
        async for _ in until_stopping(source.events(), asyncio.Event()):
            had_one.set()
            if not is_waiting:
                await play_dead()

    reading = asyncio.create_task(read())
    await had_one.wait()
    await asyncio.sleep(0)
    reading.cancel()

    async with asyncio.timeout(PATIENCE_S):
        await source.closed.wait()


async def test_pieces_close_their_generator_when_their_reader_has_ended() -> None:
    """It still holds them, in the middle, as the frames of an exception do."""
    source, kept = Source(), []

    async def read() -> None:
        pieces = Pieces(source.counted())
        kept.append(pieces)
        async for piece in pieces:
            if piece == 2:
                return

    await asyncio.create_task(read())

    async with asyncio.timeout(PATIENCE_S):
        await source.closed.wait()
