"""What stands between us and Postgres: nothing, or a pooler, and of which kind.

In PgBouncer's transaction mode each transaction may have another server connection. What a session
sets, such as `lock_timeout`, is lost then, or worse, is another client's.
"""

import asyncio
from enum import StrEnum

import asyncpg

from relay.database.driver import Connection
from relay.database.engine import dsn

TIMEOUT_S = 10.0
TRIES = 3


class Pooler(StrEnum):
    """What a URL leads through."""

    NONE = "none"
    """To Postgres itself."""
    SESSION = "session"
    """A pooler that gives a client one server connection until it hangs up."""
    TRANSACTION = "transaction"
    """A pooler that gives another one to each transaction."""


async def find_pooler(url: str) -> Pooler:
    """Find out, by two connections that change nothing.

    A pooler tells its clients a process number of its own. Whether it shares: it hands out what was
    given back last, so that the second client gets what the first one just had.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: no connection.
    """
    async with asyncio.timeout(TIMEOUT_S):
        first = await asyncpg.connect(dsn(url), statement_cache_size=0)
        try:
            if await _server_pid(first) == first.get_server_pid():
                return Pooler.NONE
            second = await asyncpg.connect(dsn(url), statement_cache_size=0)
            try:
                for _ in range(TRIES):
                    if await _server_pid(first) == await _server_pid(second):
                        return Pooler.TRANSACTION
            finally:
                await second.close()
        finally:
            await first.close()
    return Pooler.SESSION


async def _server_pid(connection: Connection) -> int:
    """Ask in one transaction, since a pooler could give what is prepared to another server."""
    async with connection.transaction():
        rows = await connection.fetch("SELECT pg_backend_pid() AS pid")
    return int(rows[0]["pid"])
