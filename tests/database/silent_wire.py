"""A wire to Postgres that can fall silent: nothing is answered any more, and nothing is closed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy.engine import make_url

from tests.waiting import PATIENCE_S

PRIMARY = b"S\x00\x00\x00\x17in_hot_standby\x00off\x00"
"""How Postgres says so when it greets, with the length before it."""
STANDBY = b"S\x00\x00\x00\x16in_hot_standby\x00on\x00"


class Wire:
    """Forwards bytes to a server's socket."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_dead = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.url = ""
        self.taken = 0
        """How many connections it took."""
        self.is_standby = False
        """Whether what answers says of itself that it follows another server."""

    def fall_silent(self, *, for_good: bool = False) -> None:
        """Leave every connection open and unanswered; new ones are another server's, if any."""
        self._passes.clear()
        self._passes = asyncio.Event()
        self._is_dead = for_good
        if not for_good:
            self._passes.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        self.taken += 1
        passes = self._passes
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if self._is_dead:
                await passes.wait()
            server_reader, server_writer = await asyncio.open_unix_connection(self._target)
            self._writers.add(server_writer)
            swap = (PRIMARY, STANDBY) if self.is_standby else None
            await asyncio.gather(
                _forward(reader, server_writer, passes),
                _forward(server_reader, writer, passes, swap=swap),
            )

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


async def _forward(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    passes: asyncio.Event,
    *,
    swap: tuple[bytes, bytes] | None = None,
) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            await passes.wait()
            writer.write(chunk if swap is None else chunk.replace(*swap))
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def open_wire(database_url: str) -> AsyncIterator[Wire]:
    """Put a wire before a server on a Unix socket; `url` leads through it."""
    parts = make_url(database_url)
    wire = Wire(f"{parts.query['host']}/.s.PGSQL.{parts.query['port']}")
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire.url = f"postgresql://{parts.username}@127.0.0.1:{port}/{parts.database}"
    try:
        yield wire
    finally:
        server.close()
        await wire.close()
        await asyncio.wait_for(server.wait_closed(), PATIENCE_S)
