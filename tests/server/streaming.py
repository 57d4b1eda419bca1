"""A Litestar application whose pages stream, served by our protocol on a real socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.response import File, ServerSentEvent, Stream

from relay.pages.ranged_file import ranged_file
from relay.pages.streams import Pieces, until_stopping
from relay.server.bounded_request import BoundedRequest
from relay.stopping import Stopping
from tests.server.peer import Client
from tests.waiting import PATIENCE_S

PIECE = bytes(range(256)) * 1024
PIECES = 200
"""50 MB of 256 KB each."""


class Told:
    """What the pages of one application did, and what they are told to do."""

    def __init__(self, drain_s: float = 30.0) -> None:
        self.stopping = Stopping(drain_s)
        self.to_send: asyncio.Queue[str] = asyncio.Queue()
        self.ended: list[str] = []
        self.pieces = 0
        """That the large page has made so far."""
        self.file = Path()


async def events_of(told: Told) -> AsyncGenerator[str, None]:
    try:
        while True:
            yield await told.to_send.get()
    finally:
        told.ended.append("events")


@get("/events", sync_to_thread=False)
def events(state: State) -> ServerSentEvent:
    """Each event when it comes."""
    return ServerSentEvent(until_stopping(events_of(state.told), state.told.stopping))


async def pieces_of(told: Told) -> AsyncGenerator[bytes, None]:
    try:
        for _ in range(PIECES):
            told.pieces += 1
            yield PIECE
    finally:
        told.ended.append("large")


@get("/large", sync_to_thread=False)
def large(state: State) -> Stream:
    """50 MB, made as they are sent."""
    return Stream(Pieces(pieces_of(state.told)), media_type="text/csv")


@get("/in-one-piece", sync_to_thread=False)
def in_one_piece() -> Stream:
    """8 MB at once, and one byte."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"x" * 8 * 1024 * 1024
        yield b"y"

    return Stream(pieces(), media_type="text/csv")


@get("/breaks", sync_to_thread=False)
def breaks() -> Stream:
    """One piece, and a failure."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"first"
        raise RuntimeError("in the middle")

    return Stream(pieces(), media_type="text/csv")


@get("/fails", sync_to_thread=False)
def fails() -> str:
    raise RuntimeError("before anything was said")


@get("/file")
async def part_of_a_file(state: State, request: Request[Any, Any, State]) -> Response[Any]:
    return await ranged_file(request, state.told.file, media_type="video/mp4")


@get("/whole-file", sync_to_thread=False)
def whole_file(state: State) -> File:
    return File(state.told.file, media_type="video/mp4")


@get("/plain", media_type=MediaType.TEXT, sync_to_thread=False)
def plain() -> str:
    return "plain"


@post("/body", media_type=MediaType.TEXT)
async def body(request: Request[Any, Any, State]) -> str:
    return str(len(await request.body()))


def streaming_app(told: Told) -> Litestar:
    pages = [events, large, in_one_piece, breaks, fails, part_of_a_file, whole_file, plain, body]
    return Litestar(pages, state=State({"told": told}), openapi_config=None, logging_config=None)


class Served:
    """The application, its server, and a way to it."""

    def __init__(self, port: int) -> None:
        self.told = Told()
        self.port = port
        self.protocols: list[BoundedRequest] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """Connect a client, whose socket takes little that is not read."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.setblocking(False)  # noqa: FBT003 (the name of the method says it)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(*, unread_s: float = 75.0, keep_alive_s: float = 60.0) -> AsyncIterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Else loopback takes megabytes, and leaves room for more of them a megabyte at a time.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        served = Served(listener.getsockname()[1])

        class Protocol(BoundedRequest):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
                self.timeout_keep_alive = keep_alive_s  # type: ignore[assignment]  # uvicorn's settings are whole seconds
                super().connection_made(transport)
                served.protocols.append(self)

            @staticmethod
            def is_page(raw_path: bytes) -> bool:
                return raw_path != b"/plain"  # which is answered as Kling's paths are

        Protocol.unread_s = unread_s
        server = uvicorn.Server(
            uvicorn.Config(
                streaming_app(served.told),
                http=Protocol,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield served
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, PATIENCE_S)
