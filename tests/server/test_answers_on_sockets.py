"""On sockets: an answer is one write, nothing is held back, and idle connections are closed.

Each server is uvicorn's own, with keep-alive shortened; waits have lower bounds only.
"""

import asyncio
import contextlib
import gc
import socket
import struct
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from relay.server import exchange
from relay.server.bounded_request import PIPELINED_MAX, BoundedRequest

PATIENCE_S = 5.0
KEEP_ALIVE_S = 0.4
LARGE = b"x" * 8 * 1024 * 1024
"""More than the sockets of both sides hold."""


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

    def __init__(self, *, keep_alive_s: float) -> None:
        self.keep_alive_s = keep_alive_s
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.protocols: list[BoundedRequest] = []
        self.writes: list[bytes] = []
        self.waiting: list[int] = []
        """Requests of the connection that had arrived and not begun, at each that began."""
        self.port = 0

    def protocol(self) -> type[BoundedRequest]:
        peer = self

        class Watched(BoundedRequest):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
                self.timeout_keep_alive = peer.keep_alive_s  # type: ignore[assignment]  # uvicorn's settings are whole seconds
                super().connection_made(Recorded(transport, peer.writes))  # type: ignore[arg-type]  # what is used of one
                peer.protocols.append(self)

        return Watched

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        read = await read_all(receive) if path == "/read" else b""
        self.waiting.append(len(self.protocols[0].pipeline))
        if path == "/tick":
            await asyncio.sleep(0.005)
        if path != "/unread":
            await self.may_answer.wait()
        body = LARGE if path == "/large" else path.encode()
        if path == "/read":
            body += b" %d" % len(read)
        length = len(body) + {"/long": -1, "/short": 1}.get(path, 0)
        headers = [(b"content-length", b"%d" % length)]
        if path.startswith("/split"):
            line_break = {"/split": b"\r\n", "/split-n": b"\n", "/split-r": b"\r"}[path]
            headers.append((b"x-name", b"a" + line_break + b"planted: b"))
        if path == "/nothing":
            return
        if path != "/headless":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "/parts":
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await send({"type": "http.response.body", "body": body})
        if path == "/twice":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        if path == "/then-fail":
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
    async with asyncio.timeout(PATIENCE_S):
        while protocol.connections:  # noqa: ASYNC110 (it happens in the server)
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def connected(*, keep_alive_s: float = 60.0) -> AsyncIterator[tuple[Peer, Client]]:
    """Serve, and connect one client."""
    peer = Peer(keep_alive_s=keep_alive_s)
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
            await asyncio.wait_for(running, 10)


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
async def test_an_answers_head_and_body_are_one_write(more: str) -> None:
    """Two answers, two writes; also where the connection is closed behind it."""
    async with connected() as (peer, client):
        client.ask("/one")
        first = await client.answer()
        client.ask("/two", more)
        second = await client.answer()

        assert (first, second) == (b"/one", b"/two")
        assert [write.rpartition(b"\r\n\r\n")[2] for write in peer.writes] == [b"/one", b"/two"]
        assert all(write.startswith(b"HTTP/1.1 200 OK\r\n") for write in peer.writes)


@pytest.mark.parametrize(
    "path",
    ["/parts", "/long", "/short", "/split", "/split-n", "/split-r", "/nothing", "/headless"],
)
async def test_an_answer_that_would_break_the_connection_is_a_500(path: str) -> None:
    """In parts, of another length than it tells, with a line break in a header, or none at all."""
    async with connected() as (_, client):
        client.ask("/first")
        first = await client.answer()
        client.ask(path)

        text = await client.rest()

    head, _, body = text.partition(b"\r\n\r\n")
    assert first == b"/first"
    assert (head[:12], body) == (b"HTTP/1.1 500", b"Internal Server Error")
    assert b"\r\nconnection: close" in head
    assert b"planted" not in head


@pytest.mark.parametrize("path", ["/then-fail", "/twice"])
async def test_a_failure_behind_an_answer_closes_the_connection(path: str) -> None:
    """The answer arrives, once; whether the application is still sound, nobody knows."""
    async with connected() as (_, client):
        client.ask(path)

        text = await client.rest()

    assert text.startswith(b"HTTP/1.1 200 OK\r\n")
    assert text.endswith(f"\r\n\r\n{path}".encode())
    assert text.count(b"HTTP/1.1") == 1


async def test_a_client_that_asks_without_end_is_hung_up_on() -> None:
    """A quarter of a megabyte of requests, before any is answered."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.writer.write(b"GET /many HTTP/1.1\r\n\r\n" * 10_000)
        async with asyncio.timeout(PATIENCE_S):
            while not peer.writes:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.01)
        waiting = len(peer.protocols[0].pipeline)
        await until_gone(peer.protocols[0])

    assert peer.writes[0].startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert waiting <= PIPELINED_MAX


async def test_more_is_read_only_when_all_that_waited_began() -> None:
    """Each answer would let another quarter of a megabyte of requests in."""
    async with connected() as (peer, client):
        for _ in range(2):
            client.writer.write(b"GET /tick HTTP/1.1\r\n\r\n" * 10)
            await asyncio.sleep(0.01)
        answers = [await client.answer() for _ in range(20)]

    assert answers == [b"/tick"] * 20
    assert max(peer.waiting) == 9


@pytest.mark.parametrize("is_at_once", [True, False])
@pytest.mark.parametrize("is_chunked", [True, False])
@pytest.mark.parametrize("connection", ["Upgrade, HTTP2-Settings", "close, Upgrade"])
async def test_an_upgrade_that_is_offered_is_passed_over(
    connection: str, *, is_at_once: bool, is_chunked: bool
) -> None:
    """Java's client offers h2c with every first request; its body is a body, and no request."""
    length = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 25"
    body = b"GET /planted HTTP/1.1\r\n\r\n"
    async with connected() as (_, client):
        client.ask(
            "/read",
            f"{length}\r\nConnection: {connection}\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n",
            method="POST",
        )
        if not is_at_once:
            await asyncio.sleep(0.05)
        client.writer.write(b"19\r\n%b\r\n0\r\n\r\n" % body if is_chunked else body)
        first = await client.answer()
        client.ask("/next", "Connection: close\r\n")
        text = await client.rest()

    assert first == b"/read 25"
    assert text.endswith(b"/next") == (connection != "close, Upgrade")
    assert b"/planted" not in text


async def test_a_client_that_stops_reading_its_answer_is_let_go() -> None:
    """After two looks of the keep-alive clock between which nothing left; not a slow reader."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.ask("/large")
        await asyncio.sleep(KEEP_ALIVE_S * 1.5)
        (protocol,) = peer.protocols
        kept = protocol in protocol.connections

        await until_gone(protocol)

    assert kept


async def test_a_client_that_stops_reading_between_two_answers_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second waits for the first to leave, and not for ever."""
    monkeypatch.setattr(exchange, "DRAINED_S", 0.2)
    async with connected() as (peer, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.ask("/large")
        client.ask("/large")
        await asyncio.sleep(0.05)
        (protocol,) = peer.protocols

        await until_gone(protocol)

    assert len(peer.writes) == 1


async def test_an_answer_waits_until_the_one_before_has_left() -> None:
    """A client that asks on and does not read holds two answers of ours, not all."""
    async with connected() as (peer, client):
        for _ in range(4):
            client.ask("/large")
        await asyncio.sleep(0.2)
        written = len(peer.writes)

        answers = [await client.answer() for _ in range(4)]

    assert written == 1
    assert answers == [LARGE] * 4


async def test_a_client_that_asks_on_is_not_read_until_it_is_answered() -> None:
    """Its requests wait in its socket, not in our memory."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/first")
        client.ask("/second")
        async with asyncio.timeout(PATIENCE_S):
            while not (peer.protocols and peer.protocols[0].flow.read_paused):  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.01)
        client.ask("/third")
        await asyncio.sleep(0.05)
        waiting = len(peer.protocols[0].pipeline)
        peer.may_answer.set()

        assert [await client.answer() for _ in range(3)] == [b"/first", b"/second", b"/third"]
        assert waiting == 1


async def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    """Its request ends all the same; the answer has nowhere to go."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/slow")
        await asyncio.sleep(0.05)
        client.reset()
        (protocol,) = peer.protocols
        await until_gone(protocol)
        peer.may_answer.set()
        async with asyncio.timeout(PATIENCE_S):
            while protocol.tasks:  # noqa: ASYNC110 (it happens in the server)
                await asyncio.sleep(0.01)

        assert peer.writes == []


async def test_a_request_that_never_began_leaves_nothing_for_the_garbage_collector() -> None:
    """It waited behind another, and its client went."""
    gc.collect()
    gc.disable()
    try:
        async with connected() as (peer, client):
            peer.may_answer.clear()
            client.ask("/first")
            client.ask("/waits", "Content-Length: 2\r\n", method="POST")
            client.writer.write(b"{}")
            await asyncio.sleep(0.05)
            (protocol,) = peer.protocols
            scope = Watchable(protocol.pipeline[0][0].scope)
            protocol.pipeline[0][0].scope = scope
            left = weakref.ref(scope)
            client.reset()  # noticed with the first answer, since nothing is read meanwhile
            peer.may_answer.set()
            await until_gone(protocol)
            peer.protocols.clear()
            del protocol, scope
            await asyncio.sleep(0.05)

            assert left() is None
    finally:
        gc.enable()


async def test_a_connection_leaves_nothing_for_the_garbage_collector() -> None:
    """It runs rarely here (`relay/cli/serve.py`), and a request may have held 60 MB."""
    gc.collect()
    gc.disable()
    try:
        async with connected() as (peer, client):
            client.ask("/first")
            await client.answer()
            cycle = peer.protocols[0].cycle
            scope = Watchable(cycle.scope)
            cycle.scope = scope
            left = weakref.ref(scope)
            client.reset()
            await until_gone(peer.protocols.pop())
            del cycle, scope
            await asyncio.sleep(0.05)

            assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
async def test_an_answer_without_a_body_is_not_held_back(more: str) -> None:
    """To HEAD, uvicorn writes a head and then nothing more."""
    async with connected() as (_, client):
        client.ask("/head", more, method="HEAD")

        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_answers_with_and_without_a_body_keep_their_order() -> None:
    """Five requests in one write; each answer is whole before the next begins."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/1")
        client.ask("/2", method="HEAD")
        client.ask("/3")
        client.ask("/4", method="HEAD")
        client.ask("/5", "Connection: close\r\n")
        await asyncio.sleep(0.05)

        peer.may_answer.set()
        text = await client.rest()

    assert [part[:2] for part in text.split(b"\r\n\r\n")[1:]] == [b"/1", b"HT", b"/3", b"HT", b"/5"]
    assert text.count(b"HTTP/1.1 200 OK") == 5


async def test_100_continue_is_said_before_there_is_an_answer() -> None:
    """It is no answer's head: nothing follows it until the client has sent its body."""
    async with connected() as (_, client):
        client.ask("/read", "Content-Length: 2\r\nExpect: 100-continue\r\n", method="POST")
        said = await client.head()
        client.writer.write(b"{}")

        assert (said, await client.answer()) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"/read 2")


async def test_a_body_behind_a_refusal_is_read_though_it_was_to_wait() -> None:
    """A client that did not wait for 100 Continue was answered at once, and asks on."""
    async with connected() as (_, client):
        client.ask("/unread", "Content-Length: 4\r\nExpect: 100-continue\r\n", method="POST")
        refused = await client.answer()
        client.writer.write(b"xx")
        await asyncio.sleep(0.05)
        client.writer.write(b"xx")
        client.ask("/next")

        assert (refused, await client.answer()) == (b"/unread", b"/next")


async def test_a_client_that_speaks_no_http_is_told_so() -> None:
    """uvicorn's own 400 arrives whole, behind an answer too, and the connection is closed."""
    async with connected() as (_, client):
        client.ask("/first")
        first = await client.answer()
        client.writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")

        text = await client.rest()

    assert first == b"/first"
    assert text.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert text.endswith(b"\r\n\r\nInvalid HTTP request received.")


async def test_a_connection_is_closed_after_the_whole_answer() -> None:
    """Of eight megabytes, which no socket takes at once."""
    async with connected() as (_, client):
        client.ask("/large", "Connection: close\r\n")

        head, _, body = (await client.rest()).partition(b"\r\n\r\n")

    assert b"connection: close" in head
    assert body == LARGE


async def test_an_idle_connection_is_closed_and_not_early() -> None:
    """Keep-alive counts from the last request; its timer had begun with the first."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (_, client):
        client.ask("/first")
        await client.answer()
        await asyncio.sleep(KEEP_ALIVE_S / 2)
        asked_s = asyncio.get_running_loop().time()
        client.ask("/last")
        last = await client.answer()

        text = await client.rest()

    assert (last, text) == (b"/last", b"")
    assert asyncio.get_running_loop().time() - asked_s >= KEEP_ALIVE_S


async def test_a_connection_whose_requests_go_on_is_kept() -> None:
    """For twice keep-alive, on one connection."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        for _ in range(8):
            client.ask("/again")
            assert await client.answer() == b"/again"
            await asyncio.sleep(KEEP_ALIVE_S / 4)

    assert len(peer.protocols) == 1


async def test_a_request_under_way_is_never_idle() -> None:
    """Twice keep-alive, behind one that began the timer; idle again, it is closed."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.ask("/first")
        await client.answer()
        peer.may_answer.clear()
        client.ask("/slow")
        await asyncio.sleep(2 * KEEP_ALIVE_S)

        let_go_s = asyncio.get_running_loop().time()
        peer.may_answer.set()
        slow = await client.answer()
        text = await client.rest()

    assert (slow, text) == (b"/slow", b"")
    assert asyncio.get_running_loop().time() - let_go_s >= KEEP_ALIVE_S


async def test_one_timer_serves_all_requests_of_a_connection() -> None:
    """Nothing is started or cancelled per request."""
    async with connected() as (peer, client):
        client.ask("/first")
        await client.answer()
        timer = peer.protocols[0].timeout_keep_alive_task

        for _ in range(5):
            client.ask("/again")
            await client.answer()

        assert timer is not None
        assert peer.protocols[0].timeout_keep_alive_task is timer
        assert not timer.cancelled()


@pytest.mark.parametrize("is_reset", [False, True])
async def test_no_timer_outlives_its_connection(*, is_reset: bool) -> None:
    """Closed in order or reset, idle, with a head begun."""
    async with connected() as (peer, client):
        client.ask("/first")
        await client.answer()
        (protocol,) = peer.protocols
        timer = protocol.timeout_keep_alive_task
        client.writer.write(b"GET /half")
        async with asyncio.timeout(PATIENCE_S):
            while protocol._timer is None:  # noqa: ASYNC110, SLF001 (no event tells of its bytes)
                await asyncio.sleep(0.01)
        watch = protocol._timer  # noqa: SLF001 (what must not be left)

        if is_reset:
            client.reset()
        else:
            client.writer.close()
        await until_gone(protocol)

        assert timer is not None
        assert (timer.cancelled(), watch.cancelled()) == (True, True)


async def test_a_connection_that_says_nothing_is_closed() -> None:
    """Not even the first byte of a request."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (_, client):
        assert await client.rest() == b""


async def test_stray_bytes_between_requests_keep_no_connection() -> None:
    """Some clients end a body with a line break too many."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (_, client):
        client.ask("/a")
        await client.answer()
        client.writer.write(b"\r\n")

        assert await client.rest() == b""


async def test_a_body_that_ends_after_its_answer_leaves_an_idle_connection() -> None:
    """Refused before it was read, sent to its end all the same, and then nothing more."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (_, client):
        client.ask("/unread", "Content-Length: 10\r\n", method="POST")
        await client.answer()
        client.writer.write(b"x" * 10)

        assert await client.rest() == b""


async def test_a_second_request_that_began_before_the_first_answer_is_not_idle() -> None:
    """Its head arrives in two parts, on both sides of the first answer; its answer takes long."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        peer.may_answer.clear()
        client.ask("/a")
        client.writer.write(b"GET /b HTTP/1.1\r\n")
        await asyncio.sleep(0.05)
        peer.may_answer.set()
        first = await client.answer()
        peer.may_answer.clear()
        client.writer.write(b"Host: r\r\n\r\n")
        await asyncio.sleep(2 * KEEP_ALIVE_S)
        peer.may_answer.set()

        assert (first, await client.answer()) == (b"/a", b"/b")
