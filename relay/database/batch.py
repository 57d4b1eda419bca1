"""Statements that share a commit: what arrives while one runs goes into the next.

One durable commit costs milliseconds and one row in it costs microseconds, so under load a batch
fills by itself, and an idle process waits for nobody. Measured (design.md, "Speed"): 24k holds/s
against 6-8k/s with a transaction each, and one hot account stays as fast as a thousand.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import asyncpg
import structlog

log = structlog.get_logger()

Row = tuple[Any, ...]
LINGER_S, ROWS_FEW = 0.002, 16
"""How long a statement that would have few rows waits for more, if one has just ended: a statement
costs Postgres and us as much as ten rows. The first one after an idle moment never waits."""
ROWS_MANY, ROWS_MAX = 64, 256
"""Of many rows a statement takes half, but no fewer than the first and no more than the second: the
callers of one half go on while the other commits, so that Postgres and we work side by side."""
LOCK_TIMEOUT_MS = 250
SPLIT_LOCK_TIMEOUT_MS = 25
CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 10.0


class DatabaseUnavailable(Exception):
    """The connection broke. A statement that was not idempotent may or may not have committed."""


class RowBlocked(Exception):
    """Somebody holds the row's lock for longer than `LOCK_TIMEOUT_MS`. Nothing was written."""


class Connect(Protocol):
    """Opens one connection for a batcher alone; see `connector`."""

    async def __call__(self, *, durable: bool) -> asyncpg.Connection: ...


def connector(dsn: str, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> Connect:
    """Open a batcher's own connections to this database.

    Sequential scans are off because the plan of a prepared statement is made while tables are
    small and kept while they grow; every statement here has an index to go by.
    """

    async def connect(*, durable: bool) -> asyncpg.Connection:
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S,
            server_settings={
                "application_name": "kling-relay batcher",
                "lock_timeout": str(lock_timeout_ms),
                "synchronous_commit": "on" if durable else "off",
                "enable_seqscan": "off",
                # Else each call is planned anew: 200 us of Postgres for a read that takes 70.
                "plan_cache_mode": "force_generic_plan",
                "jit": "off",
            },
        )

    return connect


class Batcher:
    """Runs one statement over arrays for many callers.

    The statement takes one array per field of a row and returns at most one record per row, with
    the row's place from 1 in a column `ord`. Never await `run` inside an open session: the batch
    may wait for a lock that the session holds.
    """

    def __init__(
        self,
        connect: Connect,
        statement: str,
        *,
        is_idempotent: bool,
        durable: bool = True,
        key: Callable[[Row], Hashable] | None = None,
        linger_s: float = LINGER_S,
    ) -> None:
        """Nothing is connected until the first row.

        `key`: rows of one key never share a statement, for statements that judge each row by the
        state it had before. `is_idempotent`: run again after a broken connection.
        """
        self._connect = connect
        self._statement = statement
        self._is_idempotent = is_idempotent
        self._durable = durable
        self._key = key
        self._linger_s = linger_s
        self._waiting: deque[tuple[Row, asyncio.Future[Any]]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection | None = None
        self._prepared: Any = None

    async def run(self, row: Row) -> Any:
        """Run the statement for one row and return its record, or None if it returned none.

        Raises:
            RowBlocked: nothing was written.
            DatabaseUnavailable: see there.
            asyncpg.PostgresError: this row is at fault; nothing was written for it.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._drain())
        try:
            return await future
        finally:
            del future  # with an exception in it, it and this frame would keep each other alive

    async def aclose(self) -> None:
        """Finish what waits, then disconnect."""
        if self._runner is not None:
            await self._runner
        await self._disconnect()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                try:
                    await self._run_batch(batch)
                except Exception as error:  # noqa: BLE001 (handed to whoever waits for the rows)
                    _fail(batch, error)
                if 0 < len(self._waiting) < ROWS_FEW:
                    await asyncio.sleep(self._linger_s)
        finally:
            self._runner = None

    def _take(self) -> list[tuple[Row, asyncio.Future[Any]]]:
        batch: list[tuple[Row, asyncio.Future[Any]]] = []
        later: list[tuple[Row, asyncio.Future[Any]]] = []
        keys: set[Hashable] = set()
        rows_max = min(max(ROWS_MANY, len(self._waiting) // 2), ROWS_MAX)
        while self._waiting and len(batch) < rows_max:
            item = self._waiting.popleft()
            if self._key is None or (key := self._key(item[0])) not in keys:
                batch.append(item)
                if self._key is not None:
                    keys.add(key)
            else:
                later.append(item)
        self._waiting.extendleft(reversed(later))
        return batch

    async def _run_batch(self, batch: list[tuple[Row, asyncio.Future[Any]]]) -> None:
        try:
            records = await self._fetch([row for row, _ in batch])
        except (asyncpg.PostgresError, ValueError) as error:
            # ValueError: a value that the driver cannot encode; nothing was sent.
            # PostgresError: the transaction is rolled back. So every row may be tried again, and
            # alone the row that is at fault or blocked fails by itself.
            if len(batch) == 1:
                if isinstance(error, asyncpg.LockNotAvailableError):
                    raise RowBlocked from error
                raise
            log.warning("batch.split", rows=len(batch), error=type(error).__name__)
            await self._run_one_by_one(batch)
            return
        by_place = {record["ord"]: record for record in records}
        for place, (_, future) in enumerate(batch, start=1):
            if not future.done():
                future.set_result(by_place.get(place))

    async def _run_one_by_one(self, batch: list[tuple[Row, asyncio.Future[Any]]]) -> None:
        """Give each row of a failed batch a statement of its own.

        Locks are waited for only briefly now: a hundred rows that one long session blocks would
        otherwise hold up the others behind them for a hundred times the usual wait.
        """
        await self._wait_for_locks(SPLIT_LOCK_TIMEOUT_MS)
        for item in batch:
            try:
                await self._run_batch([item])
            except Exception as error:  # noqa: BLE001 (handed to whoever waits for the row)
                _fail([item], error)
        await self._wait_for_locks(LOCK_TIMEOUT_MS)

    async def _wait_for_locks(self, timeout_ms: int) -> None:
        if self._connection is None:
            return
        try:
            await self._connection.execute(f"SET lock_timeout = {timeout_ms}")
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
            await self._disconnect()  # the next row connects afresh, with the usual wait

    async def _fetch(self, rows: Sequence[Row]) -> Any:
        columns = [list(column) for column in zip(*rows, strict=True)]
        for is_last_try in (False, True):
            try:
                if self._prepared is None:
                    self._connection = await self._connect(durable=self._durable)
                    self._prepared = await self._connection.prepare(self._statement)
            except (
                OSError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                asyncpg.PostgresError,
            ) as error:
                # Also a server that starts, is full or is not migrated. Nothing was run.
                await self._disconnect()
                if is_last_try:
                    raise DatabaseUnavailable from error
                continue
            try:
                return await self._prepared.fetch(*columns)
            except ValueError:  # asyncpg's DataError is an InterfaceError too
                raise
            except (
                OSError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,  # the server's goodbye came just before our row
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,  # the server is shutting down
            ) as error:
                await self._disconnect()
                log.warning("batch.connection_lost", error=type(error).__name__)
                if is_last_try or not self._is_idempotent:
                    raise DatabaseUnavailable from error
        raise AssertionError("the last try returns or raises")

    async def _disconnect(self) -> None:
        connection, self._connection, self._prepared = self._connection, None, None
        if connection is not None:
            connection.terminate()


def _fail(batch: list[tuple[Row, asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
