"""Failures before Kling can have got the request: another channel may be tried."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, aclosing

import pytest

from relay.kling.transport import NotSent, Transport
from tests.kling.transport_peer import Connection, Kind, answer_all, hang, listen, post
from tests.waiting import PATIENCE_S


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


@pytest.mark.parametrize("body", [b"{}", None])
async def test_a_refused_port_is_not_sent(
    transport: Transport, closed_port: int, body: bytes | None
) -> None:
    """Nobody listens; known by the kind of error too, not only by a body that never left."""
    with pytest.raises(NotSent):
        await transport.send(
            "POST",
            f"http://127.0.0.1:{closed_port}/v1",
            bearer="b",
            body=body,
            timeout_s=PATIENCE_S,
        )


async def test_an_unknown_name_is_not_sent(transport: Transport) -> None:
    """Names under .invalid never resolve (RFC 2606)."""
    with pytest.raises(NotSent):
        await transport.send("GET", "http://kling.invalid/v1", bearer="b", timeout_s=PATIENCE_S)


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
            await transport.send("GET", peer.url, bearer=bearer, timeout_s=PATIENCE_S)

    assert peer.connections == 0


@pytest.mark.parametrize(("connect_timeout_s", "timeout_s"), [(0.3, PATIENCE_S), (PATIENCE_S, 0.3)])
async def test_a_connection_that_does_not_come_about_is_not_sent(
    kind: Kind, silent_port: int, connect_timeout_s: float, timeout_s: float
) -> None:
    """Whether the connect timeout of 0.3 s ends the wait or the whole call's 0.3 s does."""
    async with aclosing(kind(connect_timeout_s=connect_timeout_s)) as transport:
        async with asyncio.timeout(PATIENCE_S / 2):  # before the other one would end it
            with pytest.raises(NotSent):
                await post(transport, f"http://127.0.0.1:{silent_port}/", timeout_s=timeout_s)


async def test_waiting_for_a_free_connection_is_not_sent(kind: Kind) -> None:
    """With one connection allowed and busy, the second call gives up after 0.2 s, unsent."""
    busy = asyncio.Event()

    async def keep_busy(connection: Connection) -> None:
        busy.set()
        await hang(connection)

    async with (
        listen(keep_busy) as peer,
        aclosing(kind(connections_max=1, connect_timeout_s=0.2)) as transport,
    ):
        first = asyncio.create_task(post(transport, peer.url))
        await busy.wait()
        async with asyncio.timeout(PATIENCE_S / 2):
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
            await transport.send(
                "GET", f"https://127.0.0.1:{peer.port}", bearer="b", timeout_s=PATIENCE_S
            )
