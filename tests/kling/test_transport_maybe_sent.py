"""Failures after which Kling may have got the request: it is kept, and never sent twice."""

import asyncio
from functools import partial

import pytest

from relay.kling.transport import MaybeSent, NotSent, Transport
from tests.kling.transport_peer import (
    OK,
    Connection,
    Script,
    answer,
    answer_all,
    hang,
    listen,
    post,
)
from tests.waiting import PATIENCE_S, play_dead, settle_for, wait_until


async def close_unread(_: Connection) -> None:
    """Return at once: closed before the request is read."""


async def close_after_request(connection: Connection) -> None:
    await connection.receive()


async def reset_after_request(connection: Connection) -> None:
    await connection.receive()
    connection.abort()


async def stop_in_the_middle(connection: Connection) -> None:
    await answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", connection)
    await play_dead()


@pytest.mark.parametrize(
    ("script", "timeout_s"),
    [
        pytest.param(close_unread, PATIENCE_S, id="closed before reading"),
        pytest.param(close_after_request, PATIENCE_S, id="closed without a reply"),
        pytest.param(reset_after_request, PATIENCE_S, id="reset without a reply"),
        pytest.param(hang, 1.0, id="reply too late"),
        pytest.param(stop_in_the_middle, 1.0, id="rest of the reply too late"),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
            PATIENCE_S,
            id="cut body",
        ),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
            PATIENCE_S,
            id="cut chunk",
        ),
        pytest.param(partial(answer, b"HTTP/1.1 200 OK\r\nContent-"), PATIENCE_S, id="cut head"),
        pytest.param(
            partial(answer, b"\x16\x03\x01 SSH-2.0 not http\r\n\r\n"), PATIENCE_S, id="garbage"
        ),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b" " * 1001),
            PATIENCE_S,
            id="reply over the bound",
        ),
        pytest.param(
            partial(answer, b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 1001),
            PATIENCE_S,
            id="reply over the bound, no length",
        ),
    ],
)
async def test_a_request_without_a_whole_reply_is_maybe_sent(
    transport: Transport, script: Script, timeout_s: float
) -> None:
    """Whatever happens after the connection stands, and the request goes out at most once."""
    async with listen(script) as peer:
        with pytest.raises(MaybeSent):
            await post(transport, f"{peer.url}/v1?secret=1", timeout_s=timeout_s)

    assert peer.connections == 1
    assert len(peer.requests) <= 1


async def test_a_reason_holds_neither_query_nor_bearer(transport: Transport) -> None:
    """Reasons are logged and stored; the exception shows no cause that holds the headers."""
    async with listen(partial(answer, b"garbage\r\n\r\n")) as peer:
        with pytest.raises(MaybeSent) as caught:
            await transport.send(
                "POST", f"{peer.url}/v1?q=hush", bearer="sesame", body=b"{}", timeout_s=PATIENCE_S
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
        await settle_for(0.05, because="a third one would have arrived")

    assert peer.connections == 1
    assert len(peer.requests) == 2


async def test_a_connection_closed_while_idle_is_replaced(transport: Transport) -> None:
    """The peer closed after its reply and we know it by then: the POST takes a fresh one."""
    async with listen(partial(answer, OK)) as peer:
        await post(transport, peer.url)
        await wait_until(lambda: peer.open == 0)
        await settle_for(0.02, because="our loop has looked at the socket by then")
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

    async def tell_and_hang(connection: Connection) -> None:
        await connection.receive()
        received.set()
        await play_dead()

    async with listen(tell_and_hang) as peer:
        call = asyncio.create_task(post(transport, peer.url))
        await received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    async with listen(answer_all) as peer:
        assert (await post(transport, peer.url)).status == 200
