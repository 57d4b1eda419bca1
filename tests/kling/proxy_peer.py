"""A proxy on a real socket: HTTP's CONNECT and SOCKS5, as it is told to behave."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from relay.kling.proxy import Proxy
from tests.waiting import play_slow

Pass = Callable[[bytes], bytes | None]
"""What goes to the host for what came from the client; None drops both connections."""


@dataclass
class ProxyPeer:
    """Both kinds at one port, told apart by the first byte."""

    port: int = 0
    user: tuple[str, str] | None = None
    """Whom it lets through; None is anybody."""
    answers: list[bytes] = field(default_factory=list)
    """Pieces of what it says to a CONNECT, in place of its own answer; then it closes."""
    is_deaf: bool = False
    """It reads and says nothing."""
    made: tuple[bytes, ...] = (b"HTTP/1.1 200 OK\r\n\r\n",)
    """Pieces of its answer to a CONNECT once the tunnel stands."""
    passes: Pass = bytes
    routes: dict[str, int] = field(default_factory=dict)
    """Ports of this machine, by the host and port that a tunnel is asked for."""
    tunnels: int = 0
    asked: list[str] = field(default_factory=list)
    """Hosts and ports, as they were spelt."""

    def proxy(self, scheme: str, user: str | None = None, password: str | None = None) -> Proxy:
        return Proxy(scheme, "127.0.0.1", self.port, user, password)


@asynccontextmanager
async def listen_as_proxy() -> AsyncIterator[ProxyPeer]:
    peer = ProxyPeer()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await _serve(peer, reader, writer)
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _serve(
    peer: ProxyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    first = await reader.readexactly(1)
    if peer.is_deaf:
        await reader.read()
        return
    made: tuple[bytes, ...]
    if first == b"\x05":
        host, port = await _asked_by_socks(peer, reader, writer)
        made, failed = (b"\x05\x00\x00\x01" + bytes(6),), b"\x05\x04\x00\x01" + bytes(6)
    else:
        host, port = await _asked_by_http(peer, first, reader, writer)
        made, failed = peer.made, b"HTTP/1.1 502 No\r\n\r\n"
    peer.asked.append(f"{host}:{port}")
    if local := peer.routes.get(peer.asked[-1]):
        host, port = "127.0.0.1", local
    try:
        there, to_there = await asyncio.open_connection(host, port)
    except OSError:
        writer.write(failed)
        await writer.drain()
        return
    peer.tunnels += 1
    await _say(writer, made)
    ways = [_copy(reader, to_there, peer.passes), _copy(there, writer, bytes)]
    try:
        await asyncio.wait(
            [asyncio.ensure_future(way) for way in ways], return_when="FIRST_COMPLETED"
        )
    finally:
        to_there.close()


async def _asked_by_http(
    peer: ProxyPeer, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int]:
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
    if peer.answers:
        await _say(writer, peer.answers)
        raise asyncio.IncompleteReadError(b"", None)
    wanted = None if peer.user is None else b64encode(":".join(peer.user).encode()).decode()
    if wanted is not None and f"Proxy-Authorization: Basic {wanted}\r\n" not in head:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        raise asyncio.IncompleteReadError(b"", None)
    host, _, port = head.split(" ")[1].rpartition(":")
    return host.strip("[]"), int(port)


async def _asked_by_socks(
    peer: ProxyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int]:
    await reader.readexactly((await reader.readexactly(1))[0])
    writer.write(b"\x05\x00" if peer.user is None else b"\x05\x02")
    if peer.user is not None:
        await reader.readexactly(1)
        given = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
        is_known = tuple(part.decode() for part in given) == peer.user
        writer.write(b"\x01\x00" if is_known else b"\x01\x01")
        if not is_known:
            raise asyncio.IncompleteReadError(b"", None)
    kind = (await reader.readexactly(4))[3]
    if kind == 1:
        host = ".".join(str(part) for part in await reader.readexactly(4))
    else:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    return host, int.from_bytes(await reader.readexactly(2), "big")


async def _say(writer: asyncio.StreamWriter, pieces: Iterable[bytes]) -> None:
    for number, piece in enumerate(pieces):
        if number:
            await play_slow(0.01)
        writer.write(piece)
        await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Pass) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            passed = passes(data)
            if passed is None:
                return
            writer.write(passed)
            await writer.drain()
