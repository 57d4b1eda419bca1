"""A client that never finishes its request is hung up on; one that may be slow is not.

Each server is uvicorn's own on a socket, with one bound shortened and the others left at a minute.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from relay.body_budget import BodyBudget
from relay.proxy.body import ClientGone, declared_length, read_body
from relay.server.bounded_request import BoundedRequest
from tests.server.peer import Served
from tests.waiting import PATIENCE_S, play_slow, settle_for

pytestmark = pytest.mark.usefixtures("each_exchange")

BIG = 8 * 1024 * 1024
"""More than the sockets of both sides hold."""


class Silence(BoundedRequest):
    silence_s = 0.1


class LongerSilence(BoundedRequest):
    """For clients that are not to be cut, between whose writes the machine may be busy."""

    silence_s = 0.4


class Head(BoundedRequest):
    head_s = 0.2


class Whole(BoundedRequest):
    def body_limit_s(self) -> float:
        return 0.2


class All(Silence, Head, Whole):
    """Every bound is short."""


class Peer:
    """A server whose application reads each body when `may_read` is set, and a client of it."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.gone: list[str] = []
        self.port = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        length = b"-"
        if scope["path"] != "/unread":
            await self.may_read.wait()
            declared = declared_length(scope["headers"])
            try:
                body = await read_body(
                    receive,
                    declared=declared,
                    budget=BodyBudget(BIG * 2),
                    account_id=1,
                    limit_bytes=BIG,
                )
            except ClientGone:
                self.gone.append(scope["path"])
                return
            length = b"%d" % len(body.content)
        answer = scope["path"].encode() + b" " + length
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator["Client"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, *parts: bytes) -> None:
        self._writer.write(b"".join(parts))

    async def answer(self) -> str:
        """The path that was answered and the bytes of its body; "100" for 100 Continue."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100"):
                return "100"
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            return (await self._reader.readexactly(length)).decode()

    async def hung_up_on(self) -> bool:
        """Wait for the server to close, without an answer."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self._reader.read(), PATIENCE_S) == b""
        return True

    async def dribble(self, every_s: float) -> None:
        """Send a byte every so often, until the server has closed."""
        async with asyncio.timeout(PATIENCE_S):
            while not (
                self._reader.at_eof() or self._reader.exception()
            ):  # a reset, if one is late
                self.send(b"a")
                await play_slow(every_s)


def post(path: str, length: int, more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: r\r\nContent-Length: {length}\r\n{more}\r\n".encode()


@contextlib.asynccontextmanager
async def serving(protocol: type[BoundedRequest]) -> AsyncIterator[Peer]:
    peer = Peer()
    config = uvicorn.Config(
        peer.app,
        http=Served.protocol(protocol),
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer.port = listener.getsockname()[1]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield peer
        finally:
            peer.may_read.set()
            server.should_exit = True
            await asyncio.wait_for(running, PATIENCE_S)


@pytest.mark.parametrize("before", [b"", post("/first", 2) + b"{}"])
async def test_a_client_that_falls_silent_in_its_head_is_hung_up_on(before: bytes) -> None:
    """On a fresh connection, and on one that has made a request; no application is asked."""
    async with serving(Silence) as peer, peer.connected() as client:
        client.send(before)
        if before:
            assert await client.answer() == "/first 2"

        client.send(post("/silent", 2)[:20])

        assert await client.hung_up_on()
    assert peer.gone == []


@pytest.mark.parametrize("size", [0, 10, 100_000])
async def test_a_client_that_falls_silent_in_its_body_has_gone(size: int) -> None:
    """Before its first byte, in a small body and in a large one: the reader learns of it."""
    async with serving(Silence) as peer, peer.connected() as client:
        client.send(post("/silent", size * 2 + 1), b"a" * size)

        assert await client.hung_up_on()
    assert peer.gone == ["/silent"]


async def test_a_chunked_body_that_falls_silent_later_has_gone() -> None:
    """Its length is unknown, and the silence begins with its last byte."""
    async with serving(Silence) as peer, peer.connected() as client:
        client.send(b"POST /silent HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{")
        await play_slow(0.05)
        client.send(b"}")

        assert await client.hung_up_on()
    assert peer.gone == ["/silent"]


async def test_a_client_that_falls_silent_in_a_body_that_nobody_reads_is_hung_up_on() -> None:
    """Answered early, as by 401, it may not keep its connection with an unfinished body."""
    async with serving(Silence) as peer, peer.connected() as client:
        client.send(post("/unread", 10), b"a")

        assert await client.answer() == "/unread -"
        assert await client.hung_up_on()


async def test_a_head_that_dribbles_is_cut() -> None:
    """A byte each 20 ms is not silence, and yet the head has its time as a whole."""
    async with serving(Head) as peer, peer.connected() as client:
        client.send(b"GET /")

        await client.dribble(0.02)

    assert peer.gone == []


async def test_a_body_that_dribbles_is_cut() -> None:
    """A byte each 20 ms is not silence, and yet the request has its time as a whole."""
    async with serving(Whole) as peer, peer.connected() as client:
        client.send(post("/slow", 10_000))

        await client.dribble(0.02)

    assert peer.gone == ["/slow"]


@pytest.mark.parametrize(
    ("header", "limit_s"),
    [
        ((b"content-length", b"5000000"), 140.0),
        ((b"transfer-encoding", b"chunked"), 160.0),
        ((b"content-length", b"5000000000"), 160.0),
    ],
)
def test_a_request_may_take_two_minutes_and_250_kb_a_second(
    header: tuple[bytes, bytes], limit_s: float
) -> None:
    """Of the declared length; unknown or beyond the limit, which is 10 MB here, of the limit."""

    class Limited(BoundedRequest):
        body_bytes_max = 10_000_000

    protocol = Limited(uvicorn.Config(Peer().app), ServerState(), {}, asyncio.new_event_loop())
    protocol.scope = {"headers": [header]}  # type: ignore[typeddict-item]  # all it looks at
    protocol.loop.close()

    assert protocol.body_limit_s() == limit_s


async def test_a_client_that_we_do_not_read_is_not_silent() -> None:
    """Its body waits for the budget, three times as long as it might be silent."""
    async with serving(Silence) as peer, peer.connected() as client:
        peer.may_read.clear()
        client.send(post("/large", BIG), b"a" * BIG)
        await settle_for(0.3, because="it is silent for three times as long as a request may be")

        peer.may_read.set()

        assert await client.answer() == f"/large {BIG}"


async def test_silence_counts_from_when_we_read_again() -> None:
    """Unread for 0.7 s and then silent for 0.7: neither is the second that would be too long."""

    class Second(BoundedRequest):
        silence_s = 1.0

    async with serving(Second) as peer, peer.connected() as client:
        peer.may_read.clear()
        client.send(post("/large", 200_000), b"a" * 100_000)
        await settle_for(0.7, because="together they are too long, alone neither is")
        peer.may_read.set()
        await settle_for(0.7, because="together they are too long, alone neither is")

        client.send(b"a" * 100_000)

        assert await client.answer() == "/large 200000"


async def test_a_body_that_we_do_not_read_has_its_time_as_a_whole() -> None:
    """The wait for the budget counts: a place in line does not outlive the request."""
    async with serving(Whole) as peer, peer.connected() as client:
        peer.may_read.clear()
        client.send(post("/large", BIG), b"a" * BIG)

        assert await client.hung_up_on()
        peer.may_read.set()
    assert peer.gone == ["/large"]


async def test_a_client_that_waits_for_100_continue_is_not_silent() -> None:
    """It sends nothing until it is asked to, three times as long as it might be silent."""
    async with serving(Silence) as peer, peer.connected() as client:
        peer.may_read.clear()
        client.send(post("/asked", 2, "Expect: 100-continue\r\n"))
        await settle_for(0.3, because="it is silent for three times as long as a request may be")

        peer.may_read.set()
        asked = await client.answer()
        client.send(b"{}")

        assert (asked, await client.answer()) == ("100", "/asked 2")


async def test_an_idle_connection_is_kept() -> None:
    """After a request that came in two pieces, and so had its clock; the next is answered."""
    async with serving(LongerSilence) as peer, peer.connected() as client:
        client.send(post("/first", 2), b"{")
        await play_slow(0.02)
        client.send(b"}")
        first = await client.answer()
        await settle_for(0.5, because="it is silent for longer than a request may be")

        client.send(post("/second", 2), b"{}")

        assert [first, await client.answer()] == ["/first 2", "/second 2"]


async def test_a_request_in_one_piece_has_no_clock() -> None:
    """Nor has the next on its connection; one in two pieces has."""
    watched: list[int] = []

    class Counted(BoundedRequest):
        def _watch(self, data: bytes) -> None:
            watched.append(len(data))
            super()._watch(data)

    async with serving(Counted) as peer, peer.connected() as client:
        client.send(post("/whole", 2), b"{}")
        await client.answer()
        client.send(b"GET /whole HTTP/1.1\r\n\r\n")
        await client.answer()
        before = list(watched)
        client.send(b"GET /cut HTTP/1.1\r\n")
        await play_slow(0.02)
        client.send(b"\r\n")

        assert await client.answer() == "/cut 0"
    assert (before, watched) == ([], [19])


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Three in one write, while the first one is read late."""
    async with serving(Silence) as peer, peer.connected() as client:
        peer.may_read.clear()
        client.send(*(post(path, 2) + b"{}" for path in ("/1", "/2", "/3")))
        await settle_for(0.3, because="it is silent for three times as long as a request may be")

        peer.may_read.set()

        assert [await client.answer() for _ in range(3)] == ["/1 2", "/2 2", "/3 2"]


@pytest.mark.parametrize("cut", [-1, -5, -20])
async def test_half_a_request_behind_an_unanswered_one_loses_no_answer(cut: int) -> None:
    """Cut in its body and in its head; its clock stands until it is its turn."""
    second = post("/second", 4) + b"bbbb"
    async with serving(All) as peer, peer.connected() as client:
        peer.may_read.clear()
        client.send(post("/first", 2), b"{}", second[:cut])
        await settle_for(0.3, because="it is silent for three times as long as a request may be")

        peer.may_read.set()
        first = await client.answer()
        client.send(second[cut:])

        assert [first, await client.answer()] == ["/first 2", "/second 4"]


async def test_half_a_request_is_bounded_when_its_turn_has_come() -> None:
    """It was spared while another was answered, and not for ever."""
    async with serving(Silence) as peer, peer.connected() as client:
        peer.may_read.clear()
        client.send(post("/first", 2), b"{}", post("/second", 2))
        await settle_for(0.2, because="its clock would have ended it, were it its turn")

        peer.may_read.set()

        assert await client.answer() == "/first 2"
        assert await client.hung_up_on()
    assert peer.gone == ["/second"]


async def test_an_upgrade_that_nobody_offers_is_an_ordinary_request() -> None:
    """As some clients ask for HTTP/2; the request has no clock left."""
    async with serving(LongerSilence) as peer, peer.connected() as client:
        client.send(b"GET /up HTTP/1.1\r\nConnection: Upgrade\r\nUpgr")
        await play_slow(0.02)
        peer.may_read.clear()
        client.send(b"ade: h2c\r\n\r\n")
        await settle_for(0.5, because="it is silent for longer than a request may be")

        peer.may_read.set()

        assert await client.answer() == "/up 0"
