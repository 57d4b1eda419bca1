"""What comes back, byte for byte, and what a connection keeps between calls: nothing."""

import asyncio
import gzip
from contextlib import aclosing
from functools import partial

import pytest

from relay.kling.http1_transport import Http1Transport
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import Transport
from tests.kling.transport_peer import Connection, Kind, Script, answer, answer_all, listen
from tests.waiting import PATIENCE_S, play_dead


async def test_a_reply_comes_back_as_it_was_sent(transport: Transport) -> None:
    """Status, the three headers we read, and every byte of a body that is no JSON."""
    raw = (
        b"HTTP/1.1 429 Too Many Requests\r\nCONTENT-TYPE: application/json; charset=utf-8\r\n"
        b"Retry-After: 7\r\nDATE: Thu, 01 Oct 2026 10:00:00 GMT\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        b"3\r\n\xff\x00{\r\n2\r\n\r\n\r\n0\r\n\r\n"
    )
    async with listen(partial(answer, raw)) as peer:
        reply = await transport.send("GET", peer.url, bearer="b", timeout_s=PATIENCE_S)

    assert reply.status == 429
    assert reply.content_type == "application/json; charset=utf-8"
    assert reply.retry_after == "7"
    assert reply.date == "Thu, 01 Oct 2026 10:00:00 GMT"
    assert reply.body == b"\xff\x00{\r\n"


async def test_a_compressed_reply_is_not_unpacked(transport: Transport) -> None:
    """We ask for identity; if gzip comes nonetheless, its bytes pass, and no bomb goes off."""
    packed = gzip.compress(b"{}")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    async with listen(partial(answer, head.encode() + packed)) as peer:
        reply = await transport.send("GET", peer.url, bearer="b", timeout_s=PATIENCE_S)

    assert reply.body == packed


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_answer(transport: Transport, status: int) -> None:
    """The Location is not asked: it would get our bearer, and a 307 the whole POST again."""
    raw = f"HTTP/1.1 {status} Gone\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    async with listen(partial(answer, raw)) as peer:
        reply = await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=PATIENCE_S)

    assert (reply.status, reply.content_type, reply.body) == (status, "", b"")
    assert len(peer.requests) == 1


async def test_cookies_are_not_kept(transport: Transport) -> None:
    """Channels may share a host: one account's cookie must not go out with another's bearer."""
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    # By name: aiohttp's own jar takes no cookies from addresses.
    async with listen(partial(answer, raw)) as peer:
        for _ in range(2):
            await transport.send(
                "GET", f"http://localhost:{peer.port}/v1", bearer="b", timeout_s=PATIENCE_S
            )

    names = {name.lower() for request in peer.requests for name, _ in request.headers}
    assert len(peer.requests) == 2
    assert "cookie" not in names


async def test_proxies_of_the_environment_are_ignored(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's HTTP_PROXY must not see what we send."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with listen(answer_all) as peer, aclosing(kind()) as transport:
        reply = await transport.send("GET", peer.url, bearer="b", timeout_s=PATIENCE_S)

    assert reply.status == 200


async def test_a_connection_is_kept(transport: Transport) -> None:
    """Ten calls one after the other go out on one connection."""
    async with listen(answer_all) as peer:
        for _ in range(10):
            await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=PATIENCE_S)

    assert (peer.connections, len(peer.requests)) == (1, 10)


async def test_more_than_a_hundred_calls_run_at_once() -> None:
    """aiohttp's own limit of 100 is lifted: 150 calls that wait for each other all end."""
    barrier = asyncio.Barrier(150)

    async def answer_together(connection: Connection) -> None:
        await connection.receive()
        await barrier.wait()
        await connection.answer()

    async with listen(answer_together) as peer, aclosing(Http1Transport()) as transport:
        calls = (
            transport.send("GET", peer.url, bearer="b", timeout_s=PATIENCE_S) for _ in range(150)
        )
        replies = await asyncio.gather(*calls)

    assert [reply.status for reply in replies] == [200] * 150


async def refuse_unread(connection: Connection) -> None:
    await connection.reader.readuntil(b"\r\n\r\n")
    await connection.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")


async def refuse_and_read_on(connection: Connection) -> None:
    await refuse_unread(connection)
    while await connection.reader.read(1_000_000):
        pass


async def refuse_and_hold(connection: Connection) -> None:
    await refuse_unread(connection)
    await play_dead()


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        (Http1Transport, refuse_and_read_on),
        (HttpxTransport, refuse_and_read_on),
        # httpx reads no reply while it writes: there it times out, MaybeSent, which is safe.
        (Http1Transport, refuse_and_hold),
    ],
)
async def test_an_answer_before_the_whole_body_counts(kind: Kind, script: Script) -> None:
    """A 413 in the middle of a 20 MB POST is Kling's verdict."""
    body = [bytes(20_000_000)]
    async with listen(script) as peer, aclosing(kind()) as transport:
        reply = await transport.send("POST", peer.url, bearer="b", body=body, timeout_s=PATIENCE_S)

    assert (reply.status, reply.body) == (413, b"{}")


async def test_a_connection_with_half_a_body_is_not_used_again() -> None:
    """After an early answer the next head would stand in the middle of the body before."""
    body = [bytes(20_000_000)]
    async with listen(refuse_and_hold) as peer, aclosing(Http1Transport()) as transport:
        for _ in range(2):
            await transport.send("POST", peer.url, bearer="b", body=body, timeout_s=PATIENCE_S)

    assert peer.connections == 2


async def test_closing_does_not_wait_for_a_peer_that_reads_nothing() -> None:
    """20 MB in one write that the peer never takes: aclose ends after a second nonetheless."""
    transport = Http1Transport(join_bytes_max=1 << 30)
    async with listen(refuse_and_hold) as peer:
        await transport.send(
            "POST", peer.url, bearer="b", body=bytes(20_000_000), timeout_s=PATIENCE_S
        )
        async with asyncio.timeout(PATIENCE_S):
            await transport.aclose()
