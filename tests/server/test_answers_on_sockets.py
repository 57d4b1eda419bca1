"""On sockets: an answer is one write, nothing is held back, and failures are answered."""

import asyncio

import pytest

from tests.server.peer import (
    LARGE,
    connected,
)
from tests.waiting import PATIENCE_S, play_slow, settle_for, wait_until


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


@pytest.mark.usefixtures("each_exchange")
@pytest.mark.parametrize("path", ["/then-fail", "/twice"])
async def test_a_failure_behind_an_answer_closes_the_connection(path: str) -> None:
    """The answer arrives, once; whether the application is still sound, nobody knows."""
    async with connected() as (_, client):
        client.ask(path)

        text = await client.rest()

    assert text.startswith(b"HTTP/1.1 200 OK\r\n")
    assert text.endswith(f"\r\n\r\n{path}".encode())
    assert text.count(b"HTTP/1.1") == 1


@pytest.mark.usefixtures("each_exchange")
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
            await play_slow(0.05)
        client.writer.write(b"19\r\n%b\r\n0\r\n\r\n" % body if is_chunked else body)
        first = await client.answer()
        client.ask("/next", "Connection: close\r\n")
        text = await client.rest()

    assert first == b"/read 25"
    assert text.endswith(b"/next") == (connection != "close, Upgrade")
    assert b"/planted" not in text


@pytest.mark.usefixtures("each_exchange")
async def test_an_answer_waits_until_the_one_before_has_left() -> None:
    """A client that asks on and does not read holds two answers of ours, not all."""
    async with connected() as (peer, client):
        for _ in range(4):
            client.ask("/large")
        await wait_until(lambda: peer.heads)
        await settle_for(0.1, because="more would have been written by then")
        written = len(peer.heads)

        answers = [await client.answer() for _ in range(4)]

    assert written == 1
    assert answers == [LARGE] * 4


@pytest.mark.usefixtures("each_exchange")
@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
async def test_an_answer_without_a_body_is_not_held_back(more: str) -> None:
    """To HEAD, uvicorn writes a head and then nothing more."""
    async with connected() as (_, client):
        client.ask("/head", more, method="HEAD")

        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.usefixtures("each_exchange")
async def test_answers_with_and_without_a_body_keep_their_order() -> None:
    """Five requests in one write; each answer is whole before the next begins."""
    async with connected() as (peer, client):
        peer.may_answer.clear()
        client.ask("/1")
        client.ask("/2", method="HEAD")
        client.ask("/3")
        client.ask("/4", method="HEAD")
        client.ask("/5", "Connection: close\r\n")
        await peer.has_another_waiting()

        peer.may_answer.set()
        text = await client.rest()

    assert [part[:2] for part in text.split(b"\r\n\r\n")[1:]] == [b"/1", b"HT", b"/3", b"HT", b"/5"]
    assert text.count(b"HTTP/1.1 200 OK") == 5


@pytest.mark.usefixtures("each_exchange")
async def test_100_continue_is_said_before_there_is_an_answer() -> None:
    """It is no answer's head: nothing follows it until the client has sent its body."""
    async with connected() as (_, client):
        client.ask("/read", "Content-Length: 2\r\nExpect: 100-continue\r\n", method="POST")
        said = await client.head()
        client.writer.write(b"{}")

        assert (said, await client.answer()) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"/read 2")


@pytest.mark.usefixtures("each_exchange")
async def test_a_body_behind_a_refusal_is_read_though_it_was_to_wait() -> None:
    """A client that did not wait for 100 Continue was answered at once, and asks on."""
    async with connected() as (_, client):
        client.ask("/unread", "Content-Length: 4\r\nExpect: 100-continue\r\n", method="POST")
        refused = await client.answer()
        client.writer.write(b"xx")
        await play_slow(0.05)
        client.writer.write(b"xx")
        client.ask("/next")

        assert (refused, await client.answer()) == (b"/unread", b"/next")


@pytest.mark.usefixtures("each_exchange")
async def test_a_connection_is_closed_after_the_whole_answer() -> None:
    """Of eight megabytes, which no socket takes at once."""
    async with connected() as (_, client):
        client.ask("/large", "Connection: close\r\n")

        head, _, body = (await client.rest()).partition(b"\r\n\r\n")

    assert b"connection: close" in head
    assert body == LARGE


@pytest.mark.usefixtures("each_exchange")
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD"])
async def test_an_answer_without_content_tells_no_length(method: str) -> None:
    """As Litestar answers OPTIONS; what comes next on the connection is answered as ever."""
    async with connected() as (_, client):
        client.ask("/no-content", method=method)
        client.ask("/next")

        head = await client.head()
        following = await client.answer()

    assert head.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"content-length" not in head
    assert following == b"/next"


@pytest.mark.usefixtures("each_exchange")
async def test_who_listens_behind_a_request_is_told_of_its_end() -> None:
    """ASGI: `http.disconnect`, once the answer is complete; the connection stays."""
    async with connected() as (peer, client):
        client.ask("/listen", "Content-Length: 2\r\n", method="POST")
        client.writer.write(b"ab")
        await client.answer()

        assert peer.listening is not None
        heard = await asyncio.wait_for(peer.listening, PATIENCE_S)

    assert heard["type"] == "http.disconnect"
