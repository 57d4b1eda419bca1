"""HTTP by hand over a socket, for what no client library does: hang up, wait for 100, reuse."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from tests.waiting import PATIENCE_S


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any
    """JSON, or None if there was no body."""


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    async def answer(self) -> Answer:
        """Read one answer, of a known length."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, json.loads(body) if body else None)


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Connect; hang up at the end, whatever is still under way."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), PATIENCE_S)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def post(path: str, *, bearer: str, length: int, more: str = "") -> bytes:
    """The head of a POST; `more` are whole header lines."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {bearer}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()
