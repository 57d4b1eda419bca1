"""What does not start, or does not answer, makes a round void and ends nothing else."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.benchmarks import machine
from tests.benchmarks.large_bodies import offer
from tests.benchmarks.servers import Server, Stub, running
from tests.benchmarks.wrk import VoidRoundError
from tests.e2e.processes import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="servers run on cores of their own")


async def test_a_server_that_ends_at_once_makes_the_round_void(tmp_path: Path) -> None:
    """With its exit code, and the end of its log."""
    command = ("sh", "-c", "echo no port >&2; exit 7")

    with pytest.raises(VoidRoundError, match=r"relay has ended with 7; .* no port"):
        async with running("relay", 1, *command, core=machine.LOAD_CORE, directory=tmp_path):
            pytest.fail("it never listened")


def test_a_stub_that_is_gone_makes_the_round_void(tmp_path: Path) -> None:
    """Nothing can be counted against its answers."""
    with pytest.raises(VoidRoundError, match="the stub does not say"):
        Stub(free_port(), tmp_path).requests()


@pytest.fixture
async def silent() -> AsyncIterator[Server]:
    """A relay that takes bodies and never answers."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Server("relay", port, os.getpid(), 0.0)


async def test_large_bodies_that_are_not_answered_make_the_round_void(silent: Server) -> None:
    """After a time, since the relay may hold them for ever."""
    with pytest.raises(VoidRoundError, match="bodies of 100 bytes: they have not ended after 0 s"):
        await offer(silent, ["key"], size=100, bodies=3, patience_s=0.2)


async def test_large_bodies_that_nobody_takes_make_the_round_void() -> None:
    """A relay that died under them."""
    gone = Server("relay", free_port(), os.getpid(), 0.0)

    with pytest.raises(VoidRoundError, match=r"bodies of 100 bytes: .*Connect call failed"):
        await offer(gone, ["key"], size=100, bodies=3)
