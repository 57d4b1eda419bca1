"""A body is gone with its call, whatever became of it: nothing waits for the garbage collector."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import aclosing, suppress

import pytest

from relay.kling.http1_transport import Http1Transport
from relay.kling.transport import JOIN_BYTES_MAX, NoUsableReply
from tests.kling.transport_peer import Connection, hang, listen
from tests.waiting import PATIENCE_S, wait_until

TOO_LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000


class Body(bytearray):
    """Bytes that can be watched."""


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def reset(connection: Connection) -> None:
    await connection.reader.read(1000)
    connection.abort()


async def say_too_much(connection: Connection) -> None:
    await connection.receive()
    await connection.answer(TOO_LONG)


async def _send(transport: Http1Transport, url: str, *, size: int) -> "weakref.ref[Body]":
    body = Body(size)
    watched = weakref.ref(body)
    with suppress(NoUsableReply):
        await transport.send("POST", url, bearer="b", body=[body], timeout_s=0.2)
    return watched


@pytest.mark.parametrize("size", [10, 4 * JOIN_BYTES_MAX])
@pytest.mark.parametrize("script", [reset, hang, say_too_much])
async def test_a_failed_call_leaves_no_body_behind(script: object, size: int) -> None:
    """Reset, timeout, a reply over the bound; of small bodies and of uploads."""
    async with (
        listen(script) as peer,  # type: ignore[arg-type]  # one of the scripts above
        aclosing(Http1Transport(reply_bytes_max=1000)) as transport,
    ):
        watched = await _send(transport, peer.url, size=size)
        await wait_until(lambda: watched() is None)


async def test_a_cancelled_call_leaves_no_body_behind() -> None:
    """The caller goes while Kling thinks."""
    async with listen(hang) as peer, aclosing(Http1Transport()) as transport:
        body = Body(4 * JOIN_BYTES_MAX)
        watched = weakref.ref(body)
        sending = asyncio.create_task(
            transport.send("POST", peer.url, bearer="b", body=[body], timeout_s=PATIENCE_S)
        )
        del body
        await wait_until(lambda: peer.requests)
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        del sending
        await wait_until(lambda: watched() is None)
