"""Blocking calls in threads that nobody has to wait for, and chunks handed to one of them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")
STOP_MAX_S = 2.0
"""A process that ends has a few seconds; what still hangs then ends with it."""


async def in_thread(work: Callable[[], Result]) -> Result:
    """Run it beside the loop, in a thread that keeps no process from ending."""
    return await _started(work)


def _started(work: Callable[[], Result]) -> "asyncio.Future[Result]":
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(settled: Callable[[Any], None], value: object) -> None:
        if not done.done():
            settled(value)

    def run() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = (done.set_result, work())
        except BaseException as error:  # noqa: BLE001 (raised by who awaits it)
            outcome = (done.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, daemon=True, name="bucket").start()
    return done


class Handed:
    """Hands what a loop makes to a thread that reads it, chunk by chunk."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._loop = asyncio.get_running_loop()
        self._asked: Future[bytes | None] | None = None
        self._is_stopped = False
        self.read = 0
        """Bytes."""

    async def read_by(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a thread, which iterates over this; whoever cancels waits for its end."""
        running = _started(work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._is_stopped = True
            if self._asked is not None:
                self._asked.cancel()
            running.add_done_callback(lambda ended: ended.exception())  # nobody asks for it
            await asyncio.wait({running}, timeout=STOP_MAX_S)
            raise

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._next()) is not None:
            self.read += len(chunk)
            yield chunk

    def _next(self) -> bytes | None:
        async def read() -> bytes | None:
            return await anext(self._chunks, None)

        self._asked = asyncio.run_coroutine_threadsafe(read(), self._loop)
        chunk = self._asked.result()
        if self._is_stopped:  # else where it was cut off would look like its end
            raise InterruptedError("it was told to stop")
        return chunk
