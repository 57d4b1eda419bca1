"""On sockets: when a connection is idle, and closed. Waits have lower bounds only."""

import asyncio

import pytest

from tests.server.peer import (
    KEEP_ALIVE_S,
    connected,
    until_gone,
)
from tests.waiting import settle_for

pytestmark = pytest.mark.usefixtures("each_exchange")


LONGER_S = 1.2
"""Where a client that is only busy is not to be closed."""


async def test_an_idle_connection_is_closed_and_not_early() -> None:
    """Keep-alive counts from the last request; its timer had begun with the first."""
    async with connected(keep_alive_s=LONGER_S) as (_, client):
        client.ask("/first")
        await client.answer()
        await settle_for(LONGER_S / 4, because="the timer began with the first")
        asked_s = asyncio.get_running_loop().time()
        client.ask("/last")
        last = await client.answer()

        text = await client.rest()

    assert (last, text) == (b"/last", b"")
    assert asyncio.get_running_loop().time() - asked_s >= LONGER_S


async def test_a_connection_whose_requests_go_on_is_kept() -> None:
    """For twice keep-alive, on one connection."""
    async with connected(keep_alive_s=LONGER_S) as (peer, client):
        for _ in range(8):
            client.ask("/again")
            assert await client.answer() == b"/again"
            await settle_for(LONGER_S / 4, because="only together are they longer than keep-alive")

    assert len(peer.protocols) == 1


async def test_a_request_under_way_is_never_idle() -> None:
    """Twice keep-alive, behind one that began the timer; idle again, it is closed."""
    async with connected(keep_alive_s=KEEP_ALIVE_S) as (peer, client):
        client.ask("/first")
        await client.answer()
        peer.may_answer.clear()
        client.ask("/slow")
        await settle_for(2 * KEEP_ALIVE_S, because="an idle connection would be closed by then")

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
        await peer.has_begun()
        watch = protocol._timer  # noqa: SLF001 (what must not be left)

        if is_reset:
            client.reset()
        else:
            client.writer.close()
        await until_gone(protocol)

        assert timer is not None
        assert watch is not None
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
        await peer.has_begun()
        peer.may_answer.set()
        first = await client.answer()
        peer.may_answer.clear()
        client.writer.write(b"Host: r\r\n\r\n")
        await settle_for(2 * KEEP_ALIVE_S, because="an idle connection would be closed by then")
        peer.may_answer.set()

        assert (first, await client.answer()) == (b"/a", b"/b")
