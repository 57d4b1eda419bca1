"""Connections that are shared by statements neither hot nor worth an ORM."""

import time
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from relay.counts import Counts
from relay.database.driver import Connection, Record

NAME = "pool"
"""For the counts."""
LOST = (TimeoutError, asyncpg.ReadOnlySQLTransactionError)
"""It never answers again, or is no primary's any more; so it is with those at rest."""


class BoundedPool:
    """asyncpg's pool, in which nobody waits for ever: not for a connection, nor for an answer."""

    def __init__(
        self,
        pool: Any,
        opened: "weakref.WeakSet[Any]",
        *,
        free_timeout_s: float,
        is_shared: bool,
        settings: Mapping[str, str],
        counts: Counts,
    ) -> None:
        """`opened`: the connections of `pool`, each of which gives up on an answer in time.

        `is_shared`: see `Opener`. `settings`: what holds in each transaction then; otherwise each
        connection has it.
        """
        self._pool = pool
        self._opened = opened
        self._free_timeout_s = free_timeout_s
        self._counts = counts
        counts.database_failures.begin(NAME)
        self._lend = self.begin if is_shared else self._acquire
        # Names and values are of this code.
        self._set = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())
        self._sets = is_shared and bool(settings)
        self._lent: set[int] = set()
        """Whose statements are under way, by their backends' numbers."""

    async def fetch(self, statement: str, *values: object) -> list[Record]:
        """Fetch all rows.

        Raises:
            TimeoutError: no connection was free in time, or no answer came.
        """
        async with self._lend() as connection:
            return await connection.fetch(statement, *values)

    async def fetchrow(self, statement: str, *values: object) -> Record | None:
        """Fetch the first row; raises as `fetch`."""
        async with self._lend() as connection:
            return await connection.fetchrow(statement, *values)

    async def fetchval(self, statement: str, *values: object) -> Any:
        """Fetch the first column of the first row, None without a row; raises as `fetch`."""
        async with self._lend() as connection:
            return await connection.fetchval(statement, *values)

    async def execute(self, statement: str, *values: object) -> str:
        """Run it; raises as `fetch`."""
        async with self._lend() as connection:
            return await connection.execute(statement, *values)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """Take a connection that is free, or wait for one, for statements of one transaction."""
        async with self._acquire() as connection:
            transaction = connection.transaction()
            try:
                await transaction.start()
            except BaseException:  # such as a process that ends: whether it began is not known
                connection.terminate()
                raise
            try:
                if self._sets:
                    await connection.execute(self._set)
                yield connection
            except LOST:  # a rollback would wait for an answer as long again
                raise
            except BaseException:
                try:
                    await transaction.rollback()
                except Exception:  # noqa: BLE001 (what happened is told, above all a cancellation)
                    connection.terminate()
                raise
            await transaction.commit()

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[Connection]:
        began = time.perf_counter()
        try:
            connection = await self._pool.acquire(timeout=self._free_timeout_s)
        except Exception:
            self._counts.database_failures.add(NAME)
            raise
        finally:
            self._counts.database_waits.add(time.perf_counter() - began, NAME)
        pid = connection.get_server_pid()
        self._lent.add(pid)
        try:
            yield connection
        except LOST:
            self._counts.database_failures.add(NAME)
            connection.terminate()
            self._drop_idle()
            raise
        finally:
            self._lent.discard(pid)
            await self._pool.release(connection)

    async def close(self) -> None:
        """Wait for those in use, and close all."""
        await self._pool.close()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return int(self._pool.get_size())

    @property
    def most(self) -> int:
        """How many there may be."""
        return int(self._pool.get_max_size())

    @property
    def used(self) -> int:
        """How many of them are lent."""
        return len(self._lent)

    def _drop_idle(self) -> None:
        for connection in list(self._opened):
            if not connection.is_closed() and connection.get_server_pid() not in self._lent:
                connection.terminate()
