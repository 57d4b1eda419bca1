"""What counts as sent: the same for both transports, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing
from functools import partial

import httpx
import pytest

from relay.kling.aiohttp_transport import AiohttpTransport
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import MaybeSent, NotSent, Reply, Transport
from tests.kling.transport_peer import OK, Connection, Script, answer_all, listen

Kind = type[AiohttpTransport] | type[HttpxTransport]


@pytest.fixture(params=[AiohttpTransport, HttpxTransport])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
async def transport(kind: Kind) -> AsyncIterator[Transport]:
    async with aclosing(kind(reply_bytes_max=1000)) as made:
        yield made


async def post(transport: Transport, url: str, *, timeout_s: float = 5) -> Reply:
    return await transport.send("POST", url, bearer="b", body=b"{}", timeout_s=timeout_s)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel answers no further one."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003 - the socket's own signature
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_refused_port_is_not_sent(transport: Transport, closed_port: int) -> None:
    """Nobody listens: ECONNREFUSED."""
    with pytest.raises(NotSent):
        await post(transport, f"http://127.0.0.1:{closed_port}/v1")


async def test_an_unknown_name_is_not_sent(transport: Transport) -> None:
    """Names under .invalid never resolve (RFC 2606)."""
    with pytest.raises(NotSent):
        await post(transport, "http://kling.invalid/v1")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "127.0.0.1/v1",
        "http:///v1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:1/a b",
        "http://127.0.0.1:1/a\r\nX: y",
        "http://127.0.0.1:1/ü",
        "",
    ],
)
async def test_a_url_that_cannot_be_sent_is_not_sent(transport: Transport, url: str) -> None:
    """A channel's base URL may be wrong; no library's own error gets out."""
    with pytest.raises(NotSent):
        await post(transport, url)


@pytest.mark.parametrize("bearer", ["a\nb", "a\r\nX: y", "ключ"])
async def test_a_bearer_that_no_header_can_carry_is_not_sent(
    transport: Transport, bearer: str
) -> None:
    """A key pasted with its line end must not add a header, nor count as maybe sent."""
    async with listen(answer_all) as peer:
        with pytest.raises(NotSent, match="credential"):
            await transport.send("GET", peer.url, bearer=bearer, timeout_s=5)

    assert peer.connections == 0


@pytest.mark.parametrize("timeout_s", [5, 0.3])
async def test_a_connection_that_does_not_come_about_is_not_sent(
    kind: Kind, silent_port: int, timeout_s: float
) -> None:
    """Whether the connect timeout of 0.3 s ends the wait or the whole call's 0.3 s does."""
    async with aclosing(kind(connect_timeout_s=0.3 if timeout_s == 5 else 9)) as transport:
        with pytest.raises(NotSent):
            await post(transport, f"http://127.0.0.1:{silent_port}/", timeout_s=timeout_s)


async def test_waiting_for_a_free_connection_is_not_sent(kind: Kind) -> None:
    """With one connection allowed and busy, the second call gives up after 0.2 s, unsent."""
    busy = asyncio.Event()

    async def hang(connection: Connection) -> None:
        await connection.receive()
        busy.set()
        await asyncio.sleep(60)

    async with (
        listen(hang) as peer,
        aclosing(kind(connections_max=1, connect_timeout_s=0.2)) as transport,
    ):
        first = asyncio.create_task(post(transport, peer.url))
        await busy.wait()
        with pytest.raises(NotSent):
            await post(transport, peer.url)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    assert len(peer.requests) == 1


async def test_tls_to_a_plain_port_is_not_sent(transport: Transport) -> None:
    """The handshake fails before any byte of HTTP."""

    async def talk_plain(connection: Connection) -> None:
        await connection.reader.read(1)
        await connection.answer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with listen(talk_plain) as peer:
        with pytest.raises(NotSent):
            await post(transport, peer.url.replace("http", "https"))


async def close_unread(_: Connection) -> None:
    """Return at once: closed before the request is read."""


async def close_after_request(connection: Connection) -> None:
    await connection.receive()


async def reset_after_request(connection: Connection) -> None:
    await connection.receive()
    connection.abort()


async def answer(raw: bytes, connection: Connection) -> None:
    await connection.receive()
    await connection.answer(raw)


async def never_answer(connection: Connection) -> None:
    await connection.receive()
    await asyncio.sleep(60)


async def stop_in_the_middle(connection: Connection) -> None:
    await answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", connection)
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(close_unread, id="closed before reading"),
        pytest.param(close_after_request, id="closed without a reply"),
        pytest.param(reset_after_request, id="reset without a reply"),
        pytest.param(never_answer, id="reply too late"),
        pytest.param(stop_in_the_middle, id="rest of the reply too late"),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), id="cut body"
        ),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
            id="cut chunk",
        ),
        pytest.param(partial(answer, b"HTTP/1.1 200 OK\r\nContent-"), id="cut head"),
        pytest.param(partial(answer, b"\x16\x03\x01 SSH-2.0 not http\r\n\r\n"), id="garbage"),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b" " * 1001),
            id="reply over the bound",
        ),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 1001),
            id="reply over the bound, no length",
        ),
    ],
)
async def test_a_request_without_a_whole_reply_is_maybe_sent(
    transport: Transport, script: Script
) -> None:
    """Whatever happens after the connection stands, and the request goes out at most once."""
    async with listen(script) as peer:
        with pytest.raises(MaybeSent):
            await post(transport, f"{peer.url}/v1?secret=1", timeout_s=0.5)

    assert peer.connections == 1
    assert len(peer.requests) <= 1


async def test_a_reason_holds_neither_query_nor_bearer(transport: Transport) -> None:
    """Reasons are logged and stored; the exception shows no cause that holds the headers."""
    async with listen(partial(answer, b"garbage\r\n\r\n")) as peer:
        with pytest.raises(MaybeSent) as caught:
            await transport.send(
                "POST", f"{peer.url}/v1?q=hush", bearer="sesame", body=b"{}", timeout_s=5
            )

    assert caught.value.reason == str(caught.value) != ""
    assert "hush" not in caught.value.reason
    assert "sesame" not in caught.value.reason
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("ending", [close_after_request, reset_after_request])
async def test_a_post_on_a_broken_kept_connection_goes_out_once(
    transport: Transport, ending: Script
) -> None:
    """The peer reads the second request on the kept connection and closes: no third one arrives."""

    async def answer_first_only(connection: Connection) -> None:
        await connection.receive()
        await connection.answer()
        await ending(connection)

    async with listen(answer_first_only) as peer:
        await post(transport, peer.url)
        with pytest.raises(MaybeSent):
            await post(transport, peer.url)
        await asyncio.sleep(0.05)

    assert peer.connections == 1
    assert len(peer.requests) == 2


async def test_a_connection_closed_while_idle_is_replaced(transport: Transport) -> None:
    """The peer closed after its reply and we know it by then: the POST takes a fresh one."""
    async with listen(partial(answer, OK)) as peer:
        await post(transport, peer.url)
        await asyncio.sleep(0.05)
        reply = await post(transport, peer.url)

    assert reply.status == 200
    assert (peer.connections, len(peer.requests)) == (2, 2)


async def test_a_connection_closed_at_the_same_moment_never_doubles_a_post(
    transport: Transport,
) -> None:
    """Twenty times a POST races with the peer's close of the connection before: none goes twice."""
    attempts = 20
    async with listen(partial(answer, OK)) as peer:
        for _ in range(attempts):
            try:
                reply = await post(transport, peer.url)
            except (MaybeSent, NotSent):
                continue
            assert reply.body == b"{}"

    assert len(peer.requests) <= attempts


async def test_cancelling_a_call_passes_through(transport: Transport) -> None:
    """CancelledError is neither NotSent nor MaybeSent, and the transport stays usable."""
    received = asyncio.Event()

    async def hang(connection: Connection) -> None:
        await connection.receive()
        received.set()
        await asyncio.sleep(60)

    async with listen(hang) as peer:
        call = asyncio.create_task(post(transport, peer.url))
        await received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    async with listen(answer_all) as peer:
        assert (await post(transport, peer.url)).status == 200


async def test_an_app_that_crashes_is_maybe_sent() -> None:
    """Over ASGI the app's own exception stands for a server that died with the request in hand."""

    async def crash(*_: object) -> None:
        raise RuntimeError

    async with aclosing(HttpxTransport(httpx.ASGITransport(crash))) as transport:
        with pytest.raises(MaybeSent):
            await transport.send("GET", "http://kling/v1", bearer="b", timeout_s=5)
