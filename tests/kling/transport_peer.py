"""A peer on a real socket that does to its connections what a test tells it to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256

from relay.kling.http1_transport import Http1Transport
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import Reply, Transport
from tests.waiting import PATIENCE_S, play_dead

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Kind = Callable[..., Http1Transport | HttpxTransport]
Script = Callable[["Connection"], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    line: str
    headers: list[tuple[str, str]]
    size: int
    digest: bytes


@dataclass
class Peer:
    url: str = ""
    port: int = 0
    connections: int = 0
    requests: list[Received] = field(default_factory=list)
    """Whole requests, heads and bodies, in the order they ended."""
    open: int = 0
    """Connections that it has not closed."""


class Connection:
    """One accepted connection; `number` counts from 1."""

    def __init__(
        self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._peer = peer
        self.reader = reader
        self.writer = writer
        self.number = peer.connections
        self.last_path = ""

    async def receive(self) -> None:
        """Read one request to its end and count it."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.rstrip("\r\n").split("\r\n")
        headers = [(name, value) for name, _, value in (item.partition(": ") for item in lines)]
        size = int({name.lower(): value for name, value in headers}.get("content-length", 0))
        digest, left = sha256(), size
        while left:
            chunk = await self.reader.read(min(left, 65536))
            if not chunk:
                raise asyncio.IncompleteReadError(b"", left)
            digest.update(chunk)
            left -= len(chunk)
        self._peer.requests.append(Received(line, headers, size, digest.digest()))
        self.last_path = line.split(" ")[1]

    async def answer(self, raw: bytes = OK) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    def abort(self) -> None:
        """Close with a reset instead of an orderly end."""
        self.writer.transport.abort()


@asynccontextmanager
async def listen(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Run `script` on each connection and close it when the script returns."""
    peer = Peer()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        peer.connections += 1
        peer.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await script(Connection(peer, reader, writer))
        finally:
            running.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()
            peer.open -= 1

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    peer.url = f"{'https' if tls else 'http'}://127.0.0.1:{peer.port}"
    try:
        yield peer
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


async def answer_all(connection: Connection) -> None:
    """Answer every request of a connection with 200 and an empty object."""
    while True:
        await connection.receive()
        await connection.answer()


async def hang(connection: Connection) -> None:
    """Read one request and say nothing."""
    await connection.receive()
    await play_dead()


async def answer(raw: bytes, connection: Connection) -> None:
    """Answer one request with `raw` and close."""
    await connection.receive()
    await connection.answer(raw)


async def post(transport: Transport, url: str, *, timeout_s: float = PATIENCE_S) -> Reply:
    return await transport.send("POST", url, bearer="b", body=b"{}", timeout_s=timeout_s)
