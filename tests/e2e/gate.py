"""A gate of the test's on the way to Kling: it can hold what comes back, or all that goes."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_S


class Gate:
    """Forwards bytes. Closed for replies, Kling gets the requests and nobody gets its answers."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._replies_pass = asyncio.Event()
        self._replies_pass.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.refusal: bytes | None = None
        """What connections are answered that are opened now; None: they are led on."""
        self.url = ""

    def hold_replies(self) -> None:
        self._replies_pass.clear()

    def let_replies_pass(self) -> None:
        self._replies_pass.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if self.refusal is not None:
            await _refuse(reader, writer, self.refusal)
            return
        with contextlib.suppress(OSError):
            kling_reader, kling_writer = await asyncio.open_connection(*self._target)
            self._writers.add(kling_writer)
            await asyncio.gather(
                _forward(reader, kling_writer, None),
                _forward(kling_reader, writer, self._replies_pass),
            )

    def cut(self) -> None:
        """Break off all that is under way; what comes next passes."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def close(self) -> None:
        self._replies_pass.set()
        self.cut()


async def _refuse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: bytes
) -> None:
    """Answer one request that Kling does not hear of."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(refusal)
        await writer.drain()
    writer.close()


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_pass: asyncio.Event | None
) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            if may_pass is not None:
                await may_pass.wait()
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def open_gate(target: str) -> AsyncIterator[Gate]:
    gate = Gate(target)
    server = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        gate.close()
        server.close()
        await asyncio.wait_for(server.wait_closed(), PATIENCE_S)


@contextlib.asynccontextmanager
async def silent_peer() -> AsyncIterator[str]:
    """A TLS address whose peer takes the connection and never says a word.

    Whoever calls it waits in the handshake, before the first byte of a request.
    """
    gone = asyncio.Event()

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        gone.set()
        server.close()
        await asyncio.wait_for(server.wait_closed(), PATIENCE_S)
