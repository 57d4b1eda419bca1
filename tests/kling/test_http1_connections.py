"""When our own client uses a connection again, and when never; on both event loops."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, suppress

import pytest
import uvloop

from relay.kling.http1_transport import Http1Transport
from relay.kling.transport import MaybeSent, Transport
from tests.kling.transport_peer import OK, Connection, answer_all, hang, listen, post
from tests.waiting import PATIENCE_S, block_for, play_dead, play_slow, settle_for


async def get(transport: Transport, url: str) -> bytes:
    return (await transport.send("GET", url, bearer="b", timeout_s=PATIENCE_S)).body


async def a_connection_with_bytes_after_the_reply_is_left() -> None:
    """A second reply in the same read, unasked for, is not the next call's."""
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"

    async def say_too_much(connection: Connection) -> None:
        while True:
            await connection.receive()
            await connection.answer(OK + stray)

    async with listen(say_too_much) as peer, aclosing(Http1Transport()) as transport:
        bodies = [(await post(transport, peer.url)).body for _ in range(3)]

    assert bodies == [b"{}"] * 3
    assert peer.connections == 3


async def a_connection_that_spoke_while_idle_is_left() -> None:
    """As a server does that says 408 before it closes."""
    is_left = asyncio.Event()

    async def speak_up(connection: Connection) -> None:
        await connection.receive()
        await connection.answer()
        await play_slow(0.02)
        await connection.answer(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        with suppress(ConnectionError):
            await connection.reader.read()
        is_left.set()

    async with listen(speak_up) as peer, aclosing(Http1Transport()) as transport:
        await post(transport, peer.url)
        await is_left.wait()
        reply = await post(transport, peer.url)

    assert (reply.status, peer.connections) == (200, 2)


async def a_connection_the_peer_wants_closed_is_left() -> None:
    """`Connection: close`, or HTTP/1.0 that does not ask to keep it, from a peer that lingers."""
    for raw in (OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), OK.replace(b"1.1", b"1.0")):

        async def answer_and_linger(connection: Connection, raw: bytes = raw) -> None:
            while True:
                await connection.receive()
                await connection.answer(raw)

        async with listen(answer_and_linger) as peer, aclosing(Http1Transport()) as transport:
            for _ in range(2):
                await post(transport, peer.url)

        assert peer.connections == 2


async def a_connection_with_unsent_bytes_is_left() -> None:
    """The reply came while bytes of a body that is one write were still in our own buffer."""

    async def answer_the_head(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.answer()
        await play_dead()

    body = bytes(20_000_000)  # as a small one to a slow peer: the kernel would take 256 KB whole
    async with (
        listen(answer_the_head) as peer,
        aclosing(Http1Transport(join_bytes_max=1 << 30)) as transport,
    ):
        for _ in range(2):
            await transport.send("POST", peer.url, bearer="b", body=body, timeout_s=PATIENCE_S)

    assert peer.connections == 2


class Noted(list[bytes]):
    """Parts of a body, of which the last reading is counted."""

    read = 0

    def __iter__(self) -> Iterator[bytes]:
        self.read = 0
        for part in super().__iter__():
            self.read += 1
            yield part


async def an_early_reply_ends_the_upload() -> None:
    """A 413 in the middle of 20 MB, from a peer that reads no further, is the answer at once."""

    async def refuse(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.answer(OK.replace(b"200 OK", b"413 Too Large"))
        await play_dead()

    body = Noted([bytes(200_000)] * 100)
    async with listen(refuse) as peer, aclosing(Http1Transport()) as transport:
        for _ in range(2):
            reply = await transport.send(
                "POST", peer.url, bearer="b", body=body, timeout_s=PATIENCE_S
            )
            assert (reply.status, reply.body) == (413, b"{}")
            assert 0 < body.read < 100

    assert peer.connections == 2


async def a_get_on_a_broken_kept_connection_is_repeated_once() -> None:
    """The kept one breaks, the fresh one serves; were that one to break too, it is over."""

    async def serve_once(connection: Connection) -> None:
        await connection.receive()
        if connection.number < 3:
            await connection.answer()
            await connection.receive()

    async with listen(serve_once) as peer, aclosing(Http1Transport()) as transport:
        first = [await get(transport, peer.url), await get(transport, peer.url)]
        with pytest.raises(MaybeSent):
            await get(transport, peer.url)

    assert first == [b"{}", b"{}"]
    assert (peer.connections, len(peer.requests)) == (3, 5)


async def a_get_is_repeated_on_a_fresh_connection() -> None:
    """Of two kept ones that both broke, the second one is no better than the first."""
    both = asyncio.Barrier(2)

    async def break_when_kept(connection: Connection) -> None:
        await connection.receive()
        if connection.number < 3:
            await both.wait()
        await connection.answer()
        await connection.receive()

    async with listen(break_when_kept) as peer, aclosing(Http1Transport()) as transport:
        await asyncio.gather(get(transport, peer.url), get(transport, peer.url))
        body = await get(transport, peer.url)

    assert (body, peer.connections) == (b"{}", 3)


async def a_get_is_not_repeated_once_a_reply_began() -> None:
    """Then the peer has acted; what it said first must not be hidden by a second answer."""

    async def begin_to_answer(connection: Connection) -> None:
        await connection.receive()
        await connection.answer()
        await connection.receive()
        await connection.answer(b"HTTP/1.1 200")

    async with listen(begin_to_answer) as peer, aclosing(Http1Transport()) as transport:
        await get(transport, peer.url)
        with pytest.raises(MaybeSent):
            await get(transport, peer.url)

    assert peer.connections == 1


async def a_get_whose_repetition_cannot_connect_may_have_been_sent() -> None:
    """The second try was not sent, the first may have been."""
    leaving = asyncio.Event()

    async def leave(connection: Connection) -> None:
        await connection.receive()
        await connection.answer()
        await connection.receive()
        leaving.set()
        await play_dead()

    async with aclosing(Http1Transport(connect_timeout_s=0.5)) as transport:
        async with listen(leave) as peer:
            await get(transport, peer.url)
            call = asyncio.create_task(get(transport, peer.url))
            await leaving.wait()
        with pytest.raises(MaybeSent):
            await call


async def a_cancelled_call_closes_its_connection() -> None:
    """Else its late reply would be the next call's."""
    asked, closed = asyncio.Event(), asyncio.Event()

    async def answer_late(connection: Connection) -> None:
        await connection.receive()
        if connection.number > 1:
            await connection.answer()
            return
        asked.set()
        assert await connection.reader.read() == b""
        closed.set()

    async with listen(answer_late) as peer, aclosing(Http1Transport()) as transport:
        call = asyncio.create_task(post(transport, peer.url))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await closed.wait()
        reply = await post(transport, peer.url)

    assert (reply.status, peer.connections) == (200, 2)


async def an_idle_connection_is_closed_in_time() -> None:
    """After 0.2 s without a call the peer sees the end, though nobody calls again."""
    took_s = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    async def wait_for_the_end(connection: Connection) -> None:
        await connection.receive()
        await connection.answer()
        start = loop.time()
        await connection.reader.read()
        took_s.set_result(loop.time() - start)

    async with (
        listen(wait_for_the_end) as peer,
        aclosing(Http1Transport(keepalive_s=0.2)) as transport,
    ):
        await post(transport, peer.url)

        assert await took_s > 0.1


async def an_aged_connection_is_not_taken_before_its_alarm() -> None:
    """The process stood still for longer than the keepalive: the peer may have gone meanwhile."""
    async with listen(answer_all) as peer, aclosing(Http1Transport(keepalive_s=0.1)) as transport:
        await post(transport, peer.url)
        block_for(0.2, because="the process stood still")
        await post(transport, peer.url)

    assert peer.connections == 2


async def a_head_without_end_is_maybe_sent() -> None:
    """A peer that sends headers for ever is left at about 64 KB, long before the timeout."""

    async def send_headers(connection: Connection) -> None:
        await connection.receive()
        await connection.answer(b"HTTP/1.1 200 OK\r\n")
        while True:
            await connection.answer(b"X-Filler: " + b"y" * 4000 + b"\r\n")

    async with listen(send_headers) as peer, aclosing(Http1Transport()) as transport:
        with pytest.raises(MaybeSent, match="headers above"):
            await post(transport, peer.url)


async def a_protocol_switch_is_maybe_sent() -> None:
    """Nobody asked for another protocol: a 101 is no answer."""

    async def switch(connection: Connection) -> None:
        await connection.receive()
        await connection.answer(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        )
        await play_dead()

    async with listen(switch) as peer, aclosing(Http1Transport()) as transport:
        with pytest.raises(MaybeSent):
            await post(transport, peer.url)


async def a_head_request_expects_no_body() -> None:
    """Its reply names the length of a body that does not come."""

    async def answer_head(connection: Connection) -> None:
        await connection.receive()
        await connection.answer(OK.removesuffix(b"{}"))
        await play_dead()

    async with listen(answer_head) as peer, aclosing(Http1Transport()) as transport:
        reply = await transport.send("HEAD", peer.url, bearer="b", timeout_s=PATIENCE_S)

    assert (reply.status, reply.body) == (200, b"")


async def each_call_ends_at_its_own_time() -> None:
    """One timer serves all: a short call behind a long one, and a long one behind a short."""
    loop = asyncio.get_running_loop()

    async def fail_after(transport: Transport, url: str, timeout_s: float) -> float:
        start_s = loop.time()
        with pytest.raises(MaybeSent, match="TimeoutError"):
            await post(transport, url, timeout_s=timeout_s)
        return loop.time() - start_s

    async def has_ended_in_time(transport: Transport, url: str, timeout_s: float) -> bool:
        call = asyncio.create_task(fail_after(transport, url, timeout_s))
        await asyncio.sleep(0)  # it has begun
        await settle_for(timeout_s + 0.15, because="a busy loop is late for this timer too")
        for _ in range(10):
            await asyncio.sleep(0)
        return call.done() and await call > timeout_s - 0.01

    async with listen(hang) as peer, aclosing(Http1Transport()) as transport:
        ended = await asyncio.gather(
            *(has_ended_in_time(transport, peer.url, t) for t in (0.6, 0.2, 0.4))
        )

    assert ended == [True] * 3


RULES: list[Callable[[], Awaitable[None]]] = [
    a_connection_with_bytes_after_the_reply_is_left,
    a_connection_that_spoke_while_idle_is_left,
    a_connection_the_peer_wants_closed_is_left,
    a_connection_with_unsent_bytes_is_left,
    an_early_reply_ends_the_upload,
    a_get_on_a_broken_kept_connection_is_repeated_once,
    a_get_is_repeated_on_a_fresh_connection,
    a_get_is_not_repeated_once_a_reply_began,
    a_get_whose_repetition_cannot_connect_may_have_been_sent,
    a_cancelled_call_closes_its_connection,
    an_idle_connection_is_closed_in_time,
    an_aged_connection_is_not_taken_before_its_alarm,
    a_head_without_end_is_maybe_sent,
    a_protocol_switch_is_maybe_sent,
    a_head_request_expects_no_body,
    each_call_ends_at_its_own_time,
]


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
@pytest.mark.parametrize("rule", RULES)
def test_on_both_loops(
    rule: Callable[[], Awaitable[None]], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The rules above, over sockets of uvloop, which production has, and of asyncio."""

    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await rule()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
