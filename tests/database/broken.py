"""Connections that break, and a database that is away for a while: really, not by a fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from relay.database.driver import Connection, Prepared, Record
from relay.database.engine import dsn
from relay.database.line import Connect
from tests.waiting import wait_until

CUT = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE datname = $1 AND pid <> pg_backend_pid()
"""


class DeafConnect:
    """Connects as `connector` does; what the first connection's first statement did is not heard.

    It has committed, and then the connection is closed.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.times = 0

    async def __call__(self, *, durable: bool) -> Any:
        connection = await self._connect(durable=durable)
        self.times += 1
        return _Deaf(connection) if self.times == 1 else connection


class _Deaf:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def prepare(self, statement: str) -> "_DeafStatement":
        return _DeafStatement(self._connection, await self._connection.prepare(statement))

    def terminate(self) -> None:
        self._connection.terminate()


class _DeafStatement:
    def __init__(self, connection: Connection, prepared: Prepared) -> None:
        self._connection = connection
        self._prepared = prepared

    async def fetch(self, *values: object) -> list[Record]:
        await self._prepared.fetch(*values)
        self._connection.terminate()
        return await self._prepared.fetch(*values)  # the driver's own words for it


class LateConnect:
    """Connects as `connector` does; the first connection is lost as soon as its first statement
    waits for a lock. The server goes on with it: await `running` for its end."""

    def __init__(self, connect: Connect, is_waiting: Callable[[], Awaitable[bool]]) -> None:
        self._connect = connect
        self._is_waiting = is_waiting
        self._first: Connection | None = None
        self.running: asyncio.Task[list[Record]]

    async def __call__(self, *, durable: bool) -> Any:
        connection = await self._connect(durable=durable)
        await connection.execute("SET lock_timeout = 0")  # a busy machine takes its time
        if self._first is not None:
            return connection
        self._first = connection
        return self

    async def prepare(self, statement: str) -> "LateConnect":
        assert self._first is not None, "it was connected"
        self._prepared = await self._first.prepare(statement)
        return self

    async def fetch(self, *values: object) -> list[Record]:
        self.running = asyncio.create_task(self._prepared.fetch(*values))
        await wait_until(self._is_waiting)
        raise ConnectionResetError

    def terminate(self) -> None:
        """It hangs: nobody has told the server."""

    async def aclose(self) -> None:
        await self.running
        assert self._first is not None, "it was connected"
        self._first.terminate()


async def cut_connections(database_url: str) -> int:
    """End every connection to the database but this one's; how many that were."""
    connection = await asyncpg.connect(dsn(database_url))
    try:
        return int(await connection.fetchval(CUT, _name_of(database_url)))
    finally:
        await connection.close()


@asynccontextmanager
async def away(database_url: str) -> AsyncIterator[None]:
    """Take the database away: no connection is left, and none can be made."""
    await set_away(database_url, is_away=True)
    try:
        yield
    finally:
        await set_away(database_url, is_away=False)


async def set_away(database_url: str, *, is_away: bool) -> None:
    name = _name_of(database_url)
    postgres = dsn(database_url).replace(f"/{name}", "/postgres", 1)
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS {'false' if is_away else 'true'}"
        )
        if is_away:
            await connection.fetchval(CUT, name)
    finally:
        await connection.close()


def _name_of(database_url: str) -> str:
    return urlsplit(dsn(database_url)).path.strip("/")
