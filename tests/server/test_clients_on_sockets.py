"""On sockets: clients that ask too much, read too little, vanish, or speak no HTTP."""

import asyncio
import contextlib
import gc
import json
import logging
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from relay.server.bounded_request import PIPELINED_MAX
from relay.server.head import HEAD_BYTES_MAX, HEADERS_MAX, INVALID, TOO_LONG, TOO_MANY
from tests.server.peer import (
    KEEP_ALIVE_S,
    LARGE,
    Peer,
    Watchable,
    connected,
    until_gone,
)
from tests.waiting import PATIENCE_S, play_slow, settle_for, wait_until

pytestmark = pytest.mark.usefixtures("each_exchange")


@pytest.fixture
def warnings() -> Iterator[list[logging.LogRecord]]:
    """What the server warns of, whatever other tests' servers did to its logger."""
    records: list[logging.LogRecord] = []
    logger = logging.getLogger("uvicorn.error")

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler, level = Kept(logging.WARNING), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    yield records
    logger.setLevel(level)
    logger.removeHandler(handler)


async def test_a_client_that_asks_without_end_is_hung_up_on() -> None:
    """A quarter of a megabyte of requests before any is answered: so many are, and no more."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.writer.write(b"GET /many HTTP/1.1\r\n\r\n" * 10_000)
        await peer.has_refused()
        waiting = len(peer.protocols[0].pipeline)
        peer.may_answer.set()
        await until_gone(peer.protocols[0])

    assert waiting == PIPELINED_MAX
    assert [head[9:12] for head in peer.heads] == [b"200"] * (PIPELINED_MAX + 1) + [b"400"]


@pytest.mark.parametrize(
    "stray", ["\0", "\r\n\r\nno request", "POST /broken HTTP/1.1\r\nA b\r\n\r\n"]
)
async def test_what_arrived_whole_is_answered_before_a_fault_is_told(
    stray: str, warnings: list[logging.LogRecord]
) -> None:
    """Told 400 at once, the client would pay for a task of which it never hears."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/read", "Content-Length: 3\r\n", method="POST")
        client.writer.write(b"abc" + b"GET /tick HTTP/1.1\r\n\r\n" + stray.encode())
        await peer.has_refused()
        client.writer.write(b"and more, which nobody reads")
        await settle_for(0.05, because="it would be told by then")
        too_early = list(peer.writes)
        peer.may_answer.set()

        answers = [await client.answer(), await client.answer()]
        rest = await client.rest()

    assert too_early == []
    assert answers == [b"/read 3", b"/tick"]
    assert rest.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert [record.getMessage() for record in warnings] == [INVALID]


async def test_a_body_that_breaks_off_is_no_request() -> None:
    """It is not answered, though the one before it is; its application is told, if it began."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/first")
        client.ask("/read", "Transfer-Encoding: chunked\r\n", method="POST")
        client.writer.write(b"no length\r\n")
        await peer.has_refused()
        peer.may_answer.set()

        first = await client.answer()
        rest = await client.rest()

    assert first == b"/first"
    assert rest.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert len(peer.waiting) == 1


async def test_a_head_without_end_behind_a_request_takes_nothing_of_its_answer() -> None:
    """The request runs, and is paid for; the head is refused when it is answered."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/read", "Content-Length: 3\r\n", method="POST")
        client.writer.write(b"abc")
        await wait_until(lambda: peer.waiting)
        client.writer.write(b"GET /second HTTP/1.1\r\nA: " + b"a" * 3 * HEAD_BYTES_MAX)
        await peer.has_refused()
        peer.may_answer.set()

        answer = await client.answer()
        rest = await client.rest()

    assert answer == b"/read 3"
    assert rest.startswith(b"HTTP/1.1 400 Bad Request\r\n")


LONG = b"a" * (HEAD_BYTES_MAX - 100)
HEADS = {
    "as many headers as may be": (b"A: b\r\n" * HEADERS_MAX, ""),
    "one more": (b"A: b\r\n" * (HEADERS_MAX + 1), TOO_MANY),
    "thousands, of the fewest bytes": (b"a:\r\n" * 15_000, TOO_MANY),
    "as long as may be": (b"A: " + LONG + b"\r\n", ""),
    "longer, by one header": (b"A: " + LONG + b"a" * 100 + b"\r\n", TOO_LONG),
    "longer, by several": (b"A: %b\r\n" % LONG[: HEAD_BYTES_MAX // 2] * 3, TOO_LONG),
    "three times as long": (b"A: " + LONG * 3 + b"\r\n", TOO_LONG),
}


def has_come(peer: Peer, size: int) -> bool:
    return peer.received >= size or bool(peer.writes)


@pytest.mark.parametrize("pieces", [1, 2, 7])
@pytest.mark.parametrize("head", HEADS)
async def test_a_head_is_bounded_in_bytes_and_headers(head: str, pieces: int) -> None:
    """However it is cut: the next request is answered, or 400 is said in Kling's envelope."""
    headers, fault = HEADS[head]
    request = b"GET /first HTTP/1.1\r\n" + headers + b"\r\n"
    size = len(request) // pieces + 1
    async with connected() as (peer, client):
        for end in range(size, len(request) + size, size):
            if not peer.writes:
                client.writer.write(request[end - size : end])
                await wait_until(partial(has_come, peer, min(end, len(request))))
        if not fault:
            client.ask("/next")
            assert [await client.answer(), await client.answer()] == [b"/first", b"/next"]
            return
        (refusal,) = peer.writes  # a client that is still sending may lose it by a reset

    assert refusal.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    head_said, _, body = refusal.partition(b"\r\n\r\n")
    told = json.loads(body)
    assert (told["code"], told["message"]) == (1200, fault)
    assert f"x-request-id: {told['request_id']}".encode() in head_said
    assert peer.waiting == []


async def test_many_requests_at_once_are_no_long_head() -> None:
    """Sixty of 2 KB arrive in one piece, and with them a half one: all are answered."""
    request = b"GET /many HTTP/1.1\r\nA: %b\r\n\r\n" % (b"a" * 2000)
    async with connected() as (_, client):
        client.writer.write(request * 60 + request[:500])
        answers = [await client.answer() for _ in range(60)]
        client.writer.write(request[500:])

        assert [*answers, await client.answer()] == [b"/many"] * 61


@pytest.mark.parametrize("path", ["/read", "/unread"])
async def test_trailers_are_bounded_in_number_too(path: str) -> None:
    """Two hundred are read past; more end the connection, whether it was answered or not."""
    async with connected() as (peer, client):
        client.ask(path, "Transfer-Encoding: chunked\r\n", method="POST")
        client.writer.write(b"3\r\nabc\r\n0\r\n" + b"a:\r\n" * HEADERS_MAX + b"\r\n")
        first = await client.answer()
        (protocol,) = peer.protocols
        protocol.silence_s = 10 * PATIENCE_S  # it is not the clock that ends it
        client.ask(path, "Transfer-Encoding: chunked\r\n", method="POST")
        # The parser tells of one when the next begins.
        client.writer.write(b"3\r\nabc\r\n0\r\n" + b"a:\r\n" * (HEADERS_MAX + 2))

        await until_gone(protocol)

    assert first == (b"/read 3" if path == "/read" else b"/unread")


async def test_what_comes_behind_a_fault_is_read_and_dropped() -> None:
    """Left in the socket, it would make a reset of the close, and the client might lose both."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/first")
        client.ask("/read", "Transfer-Encoding: chunked\r\n", method="POST")
        client.writer.write(b"no length\r\n" + b"x" * 3_000_000)
        await wait_until(lambda: peer.received > 3_000_000)
        peer.may_answer.set()

        answer = await client.answer()
        rest = await client.rest()

    assert answer == b"/first"
    assert rest.startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_the_clock_of_a_refused_request_takes_nothing_of_the_answer_before_it() -> None:
    """It began before the fault was seen, and would end before the answer."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/first")
        client.writer.write(b"POST /read HTTP/1.1\r\nTransfer-Enc")
        await peer.has_begun()
        (protocol,) = peer.protocols
        protocol.head_s = protocol.silence_s = 0.2
        client.writer.write(b"oding: chunked\r\n\r\nno length\r\n")
        await peer.has_refused()
        protocol._look()  # noqa: SLF001 (its timer was set for a minute)
        await settle_for(0.3, because="its clock would have ended it by then")
        protocol._look()  # noqa: SLF001 (the same)
        peer.may_answer.set()

        answer = await client.answer()

    assert answer == b"/first"


@pytest.mark.parametrize("path", ["/unread", "/read"])
async def test_trailers_without_end_are_not_kept(path: str) -> None:
    """Nor one of any length; whether the request was answered before its end or not."""
    for trailers in (b"a:b\r\n" * 1000, b"a" * 4000):
        async with connected() as (peer, client):
            client.ask(path, "Transfer-Encoding: chunked\r\n", method="POST")
            client.writer.write(b"3\r\nabc\r\n0\r\na:")
            sent = 0
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(PATIENCE_S):
                    while sent < 20 * HEAD_BYTES_MAX and not client.reader.at_eof():
                        client.writer.write(trailers)
                        await client.writer.drain()
                        sent += len(trailers)
                        await asyncio.sleep(0)
            (protocol,) = peer.protocols
            await until_gone(protocol)

        assert sent < 20 * HEAD_BYTES_MAX


async def test_a_body_in_the_smallest_pieces_has_as_many_bytes_as_it_likes() -> None:
    """Six bytes of a chunk bring one of the body: that is no head."""
    pieces = HEAD_BYTES_MAX // 4
    async with connected() as (_, client):
        client.ask("/read", "Transfer-Encoding: chunked\r\n", method="POST")
        client.writer.write(b"1\r\na\r\n" * pieces + b"0\r\n\r\n")

        answer = await client.answer()

    assert answer == b"/read %d" % pieces


async def test_more_is_read_only_when_all_that_waited_began() -> None:
    """Each answer would let another quarter of a megabyte of requests in."""
    async with connected() as (peer, client):
        for _ in range(2):
            client.writer.write(b"GET /tick HTTP/1.1\r\n\r\n" * 10)
            await play_slow(0.01)
        answers = [await client.answer() for _ in range(20)]

    assert answers == [b"/tick"] * 20
    assert max(peer.waiting) == 9


async def test_a_client_that_stops_reading_its_answer_is_let_go() -> None:
    """After two looks of the keep-alive clock between which nothing left; not a slow reader."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.ask("/large")
        await wait_until(lambda: peer.protocols and peer.protocols[0]._left)  # noqa: SLF001 (the first look)
        (protocol,) = peer.protocols
        kept = protocol in protocol.connections

        await until_gone(protocol)

    assert kept


@pytest.mark.parametrize(
    ("more", "behind"), [("Connection: close\r\n", ""), ("", "GET no\r\n\r\n")]
)
async def test_so_is_one_whose_connection_was_to_be_closed(more: str, behind: str) -> None:
    """The answer is the last thing, or only a refusal comes behind it."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.ask("/large", more)
        await wait_until(lambda: peer.heads)
        client.writer.write(behind.encode())
        (protocol,) = peer.protocols
        kept = protocol in protocol.connections

        await until_gone(protocol)

    assert kept


@pytest.mark.parametrize(
    "behind",
    [
        b"POST /read HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",
        b"POST /read HTTP/1.1\r\nContent-Le",
        b"GET /slow HTTP/1.1\r\n\r\n",
    ],
)
async def test_so_is_one_that_half_closes_and_reads_nothing(behind: bytes) -> None:
    """Nothing more comes from it, so no clock of a request or an idle connection runs."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.ask("/large")
        client.writer.write(behind)
        await wait_until(lambda: peer.heads)
        await settle_for(0.05, because="what is behind may begin, and is not to be answered")
        peer.may_answer.clear()
        client.writer.write_eof()
        (protocol,) = peer.protocols

        await until_gone(protocol)
        peer.may_answer.set()
        await wait_until(lambda: not protocol.tasks)


async def test_so_is_one_whose_connection_a_failure_closed() -> None:
    """The application failed behind an answer, and the next request had begun."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.writer.write(b"GET /large-then-fail HTTP/1.1\r\n\r\nGET /tick HTTP/1.1\r\n\r\n")
        await wait_until(lambda: peer.writes)

        await until_gone(peer.protocols[0])

    assert len(peer.heads) == 1


async def test_a_failure_says_nothing_behind_a_refusal() -> None:
    """The body broke off, and then its application gave up: one request has one answer."""
    async with connected() as (peer, client):
        transport: Any = client.writer.transport
        client.ask("/large")
        await client.head()
        transport.pause_reading()
        peer.may_answer.clear()
        client.ask("/nothing", "Transfer-Encoding: chunked\r\n", method="POST")
        await wait_until(lambda: len(peer.waiting) > 1)
        client.writer.write(b"no length\r\n")
        await wait_until(lambda: peer.heads[-1].startswith(b"HTTP/1.1 400 "))
        peer.may_answer.set()
        await settle_for(0.05, because="its failure would be told by then")
        transport.resume_reading()

        rest = await client.rest()

    assert rest.removeprefix(LARGE).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert rest.count(b"HTTP/1.1 ") == 1


async def test_a_client_that_pauses_is_kept_whatever_it_left_of_an_earlier_answer() -> None:
    """The first look at an answer only notes how much of it is unread."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.ask("/first")
        await client.answer()
        peer.protocols[0]._left = 1  # noqa: SLF001 (as a look leaves it that came a byte too early)
        transport: Any = client.writer.transport
        transport.pause_reading()
        client.ask("/large")
        await wait_until(lambda: peer.protocols[0]._left > 1)  # noqa: SLF001 (the first look)
        transport.resume_reading()

        answer = await client.answer()

    assert answer == LARGE


async def test_a_client_that_stops_reading_between_two_answers_is_let_go() -> None:
    """The second waits for the first to leave, and not for ever."""
    async with connected(unread_s=0.2) as (peer, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.ask("/large")
        client.ask("/large")
        await wait_until(lambda: peer.protocols)
        (protocol,) = peer.protocols

        await until_gone(protocol)

    assert len(peer.heads) == 1


async def test_a_client_that_asks_on_is_not_read_until_it_is_answered() -> None:
    """Its requests wait in its socket, not in our memory."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/first")
        client.ask("/second")
        await peer.has_another_waiting()
        client.ask("/third")
        await settle_for(0.05, because="it would be read by then")
        waiting = len(peer.protocols[0].pipeline)
        peer.may_answer.set()

        assert [await client.answer() for _ in range(3)] == [b"/first", b"/second", b"/third"]
        assert waiting == 1


async def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    """Its request ends all the same; the answer has nowhere to go."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/slow")
        await wait_until(lambda: peer.waiting)
        client.reset()
        (protocol,) = peer.protocols
        await until_gone(protocol)
        peer.may_answer.set()
        await wait_until(lambda: not protocol.tasks)

        assert peer.writes == []


async def test_a_connection_that_is_closed_under_two_requests_is_no_failure(
    warnings: list[logging.LogRecord],
) -> None:
    """The first one's answer has nowhere to go either, though only the last one is told."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/first")
        client.ask("/second")
        await peer.has_another_waiting()
        (protocol,) = peer.protocols
        protocol.transport.abort()
        await until_gone(protocol)
        peer.may_answer.set()
        await wait_until(lambda: not protocol.tasks)

    assert peer.writes == []
    assert warnings == []


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
            await peer.has_another_waiting()
            (protocol,) = peer.protocols
            scope = Watchable(protocol.pipeline[0][0].scope)
            protocol.pipeline[0][0].scope = scope
            left = weakref.ref(scope)
            client.reset()  # noticed with the first answer, since nothing is read meanwhile
            peer.may_answer.set()
            await until_gone(protocol)
            peer.protocols.clear()
            del protocol, scope
            await wait_until(lambda: left() is None)
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
            await wait_until(lambda: left() is None)
    finally:
        gc.enable()


async def test_a_client_that_speaks_no_http_is_told_so() -> None:
    """400 in Kling's envelope arrives whole, behind an answer too; the connection is closed."""
    async with connected() as (_, client):
        client.ask("/first")
        first = await client.answer()
        client.writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")

        text = await client.rest()

    assert first == b"/first"
    assert text.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert json.loads(text.partition(b"\r\n\r\n")[2])["message"] == INVALID
