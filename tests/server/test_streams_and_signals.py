"""SIGTERM to a process that streams: what has no end ends, what has one may reach it, in time."""

import asyncio
import contextlib
import hashlib
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.processes import REPOSITORY
from tests.server.peer import Client
from tests.server.streaming import PIECE, PIECES
from tests.waiting import PATIENCE_S, settle_for

END = b"\r\n0\r\n\r\n"
LONG_S, SHORT_S = 60, 1


class Streaming:
    def __init__(self, process: Process, ports: list[int]) -> None:
        self.process = process
        self.ports = ports

    @contextlib.asynccontextmanager
    async def connected(self, port: int | None = None) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.ports[0])
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    def memory_peak_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text().split()
        return int(status[status.index("VmHWM:") + 1]) / 1024


@contextlib.asynccontextmanager
async def streaming(*, drain_s: float) -> AsyncIterator[Streaming]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.server.streaming_process", str(drain_s)),
        cwd=REPOSITORY,
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        async with asyncio.timeout(3 * PATIENCE_S):
            yield Streaming(process, json.loads(line))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_events_end_in_good_order_at_once_on_both_listeners() -> None:
    """The drain could take a minute, and takes no time; exit code 0."""
    async with (
        streaming(drain_s=LONG_S) as served,
        served.connected(served.ports[0]) as tenant,
        served.connected(served.ports[1]) as operator,
    ):
        for client in (tenant, operator):
            client.ask("/events")
            await client.head()
        first = await tenant.reader.readuntil(b"first")
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)

        rests = [await client.rest() for client in (tenant, operator)]
        exit_code = await served.ended()

    assert first.endswith(b"data: first")
    assert [rest.endswith(END) or rest == END[2:] for rest in rests] == [True, True]
    assert time.monotonic() - began < LONG_S / 2
    assert exit_code == 0


async def test_what_has_an_end_reaches_it_while_the_process_drains() -> None:
    """An export is whole, though its client read nothing of it before the signal."""
    async with streaming(drain_s=LONG_S) as served, served.connected() as client:
        client.ask("/large")
        await client.head()
        served.process.send_signal(signal.SIGTERM)
        await settle_for(0.5, because="it would be cut by then, were it not to end")

        digest, size = hashlib.sha256(), -1
        while size:
            size = int(await client.reader.readline(), 16)
            digest.update((await client.reader.readexactly(size + 2))[:-2])
        exit_code = await served.ended()

    assert digest.hexdigest() == hashlib.sha256(PIECE * PIECES).hexdigest()
    assert exit_code == 0


async def test_what_still_streams_at_the_end_of_the_drain_is_cut() -> None:
    """Its client reads nothing; what it gets does not look whole; exit code 0."""
    async with streaming(drain_s=SHORT_S) as served, served.connected() as client:
        client.ask("/large")
        await client.head()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        exit_code = await served.ended()
        took_s = time.monotonic() - began
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # a duplex one
        rest = b""
        with contextlib.suppress(ConnectionResetError):
            rest = await client.rest()

    assert not rest.endswith(END)
    assert took_s >= SHORT_S / 2, "the other half is for closing"
    assert exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_large_pages_take_no_memory_when_their_clients_are_slow() -> None:
    """Four times 50 MB, read a quarter of a megabyte at a time; the peak was that of the start."""
    async with streaming(drain_s=SHORT_S) as served, contextlib.AsyncExitStack() as stack:
        before_mb = served.memory_peak_mb()
        clients = [await stack.enter_async_context(served.connected()) for _ in range(4)]
        for client in clients:
            client.ask("/large")
        await settle_for(0.5, because="more than the sockets hold would be made by then")
        for _ in range(PIECES // 4):
            for client in clients:
                await client.reader.readexactly(len(PIECE))
        grown_mb = served.memory_peak_mb() - before_mb

    assert grown_mb < 20
