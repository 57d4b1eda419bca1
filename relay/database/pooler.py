"""What stands between us and Postgres: nothing, or a pooler, and of which kind.

In PgBouncer's transaction mode each transaction may have another server connection. What a session
sets, such as `lock_timeout`, is lost then, or worse, is another client's.
"""

import asyncio
import secrets
from enum import StrEnum
from typing import Any

import asyncpg

from relay.database.driver import Connection
from relay.database.opener import Opener

TIMEOUT_S = 10.0
TRIES = 3


SEES_LOCK = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid::bigint = $1 AND objid::bigint = $2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


class PoolUnusable(Exception):
    """The pooler, or Postgres behind it, refuses a connection or does not answer."""


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
        opener = Opener(url)
        first = await _open(opener)
        try:
            if await _server_pid(first) == first.get_server_pid():
                return Pooler.NONE
            second = await _open(opener)
            try:
                for _ in range(TRIES):
                    if await _server_pid(first) == await _server_pid(second):
                        return Pooler.TRANSACTION
            finally:
                await second.close()
        finally:
            await first.close()
    return Pooler.SESSION


async def lead_to_one_database(url: str, pool_url: str) -> bool:
    """Tell whether both lead to the same primary and database: one sees what the other locks.

    A standby, a copy or another database of the same server does not.

    Raises:
        PoolUnusable: nothing answers at `pool_url`.
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: nor at `url`.
    """
    high, low = secrets.randbits(31), secrets.randbits(31)
    async with asyncio.timeout(TIMEOUT_S):
        direct = await _open(Opener(url))
        try:
            await direct.execute(f"SELECT pg_advisory_lock({high}, {low})")
            return await _sees_lock(pool_url, high, low)
        finally:
            await direct.close()


async def _sees_lock(pool_url: str, high: int, low: int) -> bool:
    try:
        pooled = await _open(Opener(pool_url, is_shared=True))
        try:
            return bool(await pooled.fetchval(SEES_LOCK, high, low))
        finally:
            await pooled.close()
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise PoolUnusable(str(error) or type(error).__name__) from error


async def _open(opener: Opener) -> Any:
    return await opener.open(statement_timeout_s=TIMEOUT_S, statement_cache_size=0)


async def _server_pid(connection: Connection) -> int:
    """Ask in one transaction, since a pooler could give what is prepared to another server."""
    async with connection.transaction():
        rows = await connection.fetch("SELECT pg_backend_pid() AS pid")
    return int(rows[0]["pid"])
