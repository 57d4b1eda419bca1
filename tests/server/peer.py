"""A server on a real socket and one client of it: uvicorn's own, keep-alive shortened."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from relay.server.bounded_request import BoundedRequest
from tests.waiting import PATIENCE_S, play_slow, wait_until

KEEP_ALIVE_S = 0.4
LARGE = b"x" * 8 * 1024 * 1024
"""More than the sockets of both sides hold."""


class Served:
    """How a test's requests are answered; the fixture `each_exchange` sets it."""

    as_pages = False

    @classmethod
    def protocol(cls, protocol: type[BoundedRequest]) -> type[BoundedRequest]:
        return type("Page", (protocol,), {"is_page": lambda *_: True}) if cls.as_pages else protocol


class Recorded:
    """A transport that notes each write that reaches the socket."""

    def __init__(self, transport: asyncio.Transport, writes: list[bytes]) -> None:
        self._transport = transport
        self._writes = writes

    def write(self, data: bytes) -> None:
        self._writes.append(bytes(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Peer:
    """A server whose application answers a path with its name, when `may_answer` is set."""

    def __init__(self, *, keep_alive_s: float, unread_s: float) -> None:
        self.keep_alive_s = keep_alive_s
        self.unread_s = unread_s
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.protocols: list[BoundedRequest] = []
        self.received = 0
        """Bytes that the server has taken from its sockets."""
        self.writes: list[bytes] = []
        self.waiting: list[int] = []
        """Requests of the connection that had arrived and not begun, at each that began."""
        self.listening: asyncio.Task[Any] | None = None
        """What an application hears that listens behind its request."""
        self.port = 0

    def protocol(self) -> type[BoundedRequest]:
        peer = self

        class Watched(BoundedRequest):
            unread_s = peer.unread_s

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
                self.timeout_keep_alive = peer.keep_alive_s  # type: ignore[assignment]  # uvicorn's settings are whole seconds
                super().connection_made(Recorded(transport, peer.writes))  # type: ignore[arg-type]  # what is used of one
                peer.protocols.append(self)

            def data_received(self, data: bytes) -> None:
                peer.received += len(data)
                super().data_received(data)

        return Served.protocol(Watched)

    @property
    def heads(self) -> list[bytes]:
        """The answers of which something was written; a page's body is a write of its own."""
        return [write for write in self.writes if write.startswith(b"HTTP/1.1 ")]

    async def has_refused(self) -> None:
        """Wait until a fault was seen behind what is still to be answered."""
        await wait_until(lambda: self.protocols and self.protocols[0]._is_refused)  # noqa: SLF001 (no event tells)

    async def has_begun(self) -> None:
        """Wait until an unfinished request has its clock."""
        await wait_until(lambda: self.protocols and self.protocols[0]._timer)  # noqa: SLF001 (no event tells)

    async def has_another_waiting(self) -> None:
        """Wait until a request stands behind an unanswered one."""
        await wait_until(lambda: self.protocols and self.protocols[0].pipeline)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: C901 (a path a line)
        path = scope["path"]
        read = await read_all(receive) if path in ("/read", "/listen") else b""
        if path == "/listen":
            self.listening = asyncio.create_task(receive())
            await asyncio.sleep(0)
        self.waiting.append(len(self.protocols[0].pipeline))
        if path == "/tick":
            await play_slow(0.005)
        if path != "/unread":
            await self.may_answer.wait()
        body = LARGE if path.startswith("/large") else path.encode()
        if path == "/read":
            body += b" %d" % len(read)
        length = len(body) + {"/long": -1, "/short": 1}.get(path, 0)
        headers = [(b"content-length", b"%d" % length)]
        if path.startswith("/split"):
            line_break = {"/split": b"\r\n", "/split-n": b"\n", "/split-r": b"\r"}[path]
            headers.append((b"x-name", b"a" + line_break + b"planted: b"))
        if path == "/nothing":
            return
        if path == "/no-content":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
            return
        if path != "/headless":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "/parts":
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await send({"type": "http.response.body", "body": body})
        if path == "/twice":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        if path.endswith("then-fail"):
            raise RuntimeError("behind its answer")


async def read_all(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, path: str, more: str = "", *, method: str = "GET") -> None:
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: r\r\n{more}\r\n".encode())

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)

    async def answer(self) -> bytes:
        head = await self.head()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        return await asyncio.wait_for(self.reader.readexactly(length), PATIENCE_S)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE_S)

    def reset(self) -> None:
        """Go away without a goodbye, so that the server sees an error."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Watchable(dict[str, Any]):
    """A scope that can be referred to weakly."""


async def until_gone(protocol: BoundedRequest) -> None:
    await wait_until(lambda: not protocol.connections)


@contextlib.asynccontextmanager
async def connected(
    *, keep_alive_s: float = 60.0, unread_s: float = 75.0
) -> AsyncIterator[tuple[Peer, Client]]:
    """Serve, and connect one client."""
    peer = Peer(keep_alive_s=keep_alive_s, unread_s=unread_s)
    config = uvicorn.Config(
        peer.app,
        http=peer.protocol(),
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer.port = listener.getsockname()[1]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        try:
            yield peer, Client(reader, writer)
        finally:
            writer.transport.abort()
            peer.may_answer.set()
            server.should_exit = True
            await asyncio.wait_for(running, PATIENCE_S)
