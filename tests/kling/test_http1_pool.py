"""Places for calls at once: who waits is served in order, and no place is lost."""

import asyncio
import socket
from contextlib import ExitStack, aclosing, suppress
from typing import Any

import pytest

from relay.kling.http1_transport import Http1Transport
from relay.kling.transport import MaybeSent, NotSent, Transport
from tests.kling.transport_peer import Connection, answer_all, hang, listen
from tests.waiting import PATIENCE_S


async def call(transport: Transport, url: str, path: str) -> int:
    return (await transport.send("GET", url + path, bearer="b", timeout_s=PATIENCE_S)).status


async def test_who_waits_is_served_in_order() -> None:
    """Of one place, four calls: they arrive as they came, though the second gave up."""
    first_arrived, go_on = asyncio.Event(), asyncio.Event()

    async def answer_when_told(connection: Connection) -> None:
        while True:
            await connection.receive()
            first_arrived.set()
            await go_on.wait()
            await connection.answer()

    async with (
        listen(answer_when_told) as peer,
        aclosing(Http1Transport(connections_max=1)) as transport,
    ):
        calls = [asyncio.create_task(call(transport, peer.url, f"/{n}")) for n in range(4)]
        await first_arrived.wait()
        calls[1].cancel()
        go_on.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert [request.line.split()[1] for request in peer.requests] == ["/0", "/2", "/3"]
    assert isinstance(outcomes.pop(1), asyncio.CancelledError)
    assert outcomes == [200] * 3
    assert peer.connections == 1


async def test_cancelling_at_any_moment_loses_no_place() -> None:
    """Calls over two places, each cancelled after one more turn of the loop: then two still run."""
    async with listen(answer_all) as peer, aclosing(Http1Transport(connections_max=2)) as transport:
        for turns in range(60):
            calls = [asyncio.create_task(call(transport, peer.url, "/x")) for _ in range(5)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in calls[turns % 2 :: 2]:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        barrier = asyncio.Barrier(2)

        async def answer_together(connection: Connection) -> None:
            await connection.receive()
            await barrier.wait()
            await connection.answer()

        async with listen(answer_together) as other, asyncio.timeout(PATIENCE_S):
            both = await asyncio.gather(*(call(transport, other.url, "/y") for _ in range(2)))

    assert both == [200, 200]


async def test_a_connection_that_fails_gives_its_place_back() -> None:
    """With one place: nobody listens, then somebody does."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with aclosing(
        Http1Transport(connections_max=1, connect_timeout_s=PATIENCE_S)
    ) as transport:
        for _ in range(2):
            with pytest.raises(NotSent):
                await call(transport, f"http://127.0.0.1:{port}", "/")
        async with listen(answer_all) as peer:
            status = await call(transport, peer.url, "/")

    assert status == 200


async def test_closing_ends_what_is_under_way() -> None:
    """One call waits for its reply, one for a place, one for a connection that never comes."""
    arrived = asyncio.Event()

    async def say_and_hang(connection: Connection) -> None:
        arrived.set()
        await hang(connection)

    with ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003 - the socket's own signature
            with suppress(BlockingIOError):
                filler.connect(silent.getsockname())
        transport = Http1Transport(connections_max=2, connect_timeout_s=PATIENCE_S)
        async with listen(say_and_hang) as peer:
            urls = (peer.url, f"http://127.0.0.1:{silent.getsockname()[1]}", peer.url)
            calls = [asyncio.create_task(call(transport, url, "/")) for url in urls]
            await arrived.wait()
            async with asyncio.timeout(PATIENCE_S / 2):  # before they end by themselves
                await transport.aclose()
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
            with pytest.raises(NotSent):
                await call(transport, peer.url, "/")

    assert [type(outcome) for outcome in outcomes] == [MaybeSent, NotSent, NotSent]


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that notes for which names it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[object] = []

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        self.asked.append(host)
        return await super().getaddrinfo(host, port, **options)


def test_a_burst_asks_for_the_name_once() -> None:
    """Ten calls at once need ten connections and one lookup, which the first caller may leave."""
    loop = CountingLoop()

    async def burst() -> list[int | BaseException]:
        async with listen(answer_all) as peer, aclosing(Http1Transport()) as transport:
            loop.asked.clear()
            url = f"http://localhost:{peer.port}"
            calls = [asyncio.create_task(call(transport, url, "/")) for _ in range(10)]
            await asyncio.sleep(0)
            calls[0].cancel()
            return await asyncio.gather(*calls, return_exceptions=True)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        outcomes = runner.run(burst())

    assert loop.asked == ["localhost"]
    assert outcomes[1:] == [200] * 9


async def test_a_kept_connection_is_no_place() -> None:
    """One place, busy at one host: the connection kept to another one does not let a call past."""
    arrived = asyncio.Event()

    async def say_and_hang(connection: Connection) -> None:
        arrived.set()
        await hang(connection)

    async with (
        listen(answer_all) as kept,
        listen(say_and_hang) as busy,
        aclosing(Http1Transport(connections_max=1, connect_timeout_s=0.2)) as transport,
    ):
        await call(transport, kept.url, "/")
        long = asyncio.create_task(call(transport, busy.url, "/"))
        await arrived.wait()
        with pytest.raises(NotSent):
            await call(transport, kept.url, "/")
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)

    assert len(kept.requests) == 1
