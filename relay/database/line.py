"""A line: one connection for batched statements, whose users take turns."""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import asyncpg
import structlog

from relay.counts import Counts
from relay.database.driver import Connection, Prepared, Record
from relay.database.opener import STATEMENT_TIMEOUT_S, Database, opener_of

log = structlog.get_logger()

LOCK_TIMEOUT_MS = 250


class DatabaseUnavailable(Exception):
    """The connection broke. A statement that was not idempotent may or may not have committed."""


class Connect(Protocol):
    """Opens one connection for a line alone; see `connector`."""

    async def __call__(self, *, durable: bool) -> Connection: ...


def connector(database: Database, *, statement_timeout_s: float = STATEMENT_TIMEOUT_S) -> Connect:
    """Open connections to this database as lines need them.

    Sequential scans are off because the plan of a prepared statement is made while tables are
    small and kept while they grow; every statement here has an index to go by.
    """
    opener = opener_of(database)

    async def connect(*, durable: bool) -> Connection:
        return await opener.open(
            statement_timeout_s=statement_timeout_s,
            settings={
                "application_name": "kling-relay batcher",
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "synchronous_commit": "on" if durable else "off",
                "enable_seqscan": "off",
                # Else each call is planned anew: 200 us of Postgres for a read that takes 70.
                "plan_cache_mode": "force_generic_plan",
                "jit": "off",
            },
        )

    return connect


class Line:
    """One connection, opened at the first statement and again after it broke.

    Each statement is prepared once a connection, and is a transaction of its own. Whoever calls
    `fetch` holds `turn`: statements of one line wait for each other, so those that may wait for a
    lock must not share a line with those for which somebody waits who has nothing to do with it.
    """

    def __init__(
        self, connect: Connect, *, durable: bool, name: str = "line", counts: Counts | None = None
    ) -> None:
        """`durable`: whether its commits wait for the disk. `name`: for the counts."""
        self.turn = asyncio.Lock()
        self.failures = 0
        """How often it could not be opened, or gave no answer. Whoever waited for a turn meanwhile
        need not try too: where nothing answers at all, a try takes seconds."""
        self.breaks = 0
        """How often the connection broke under a statement, which may have committed."""
        self._connect = connect
        self._durable = durable
        self.name = name
        self._counts = counts or Counts()
        self._counts.database_failures.begin(name)
        self._connection: Connection | None = None
        self._prepared: dict[str, Prepared] = {}
        self._lock_timeout_ms = LOCK_TIMEOUT_MS

    async def fetch(
        self,
        statement: str,
        columns: Sequence[Sequence[object]],
        *,
        is_idempotent: bool,
        lock_timeout_ms: int,
    ) -> list[Record]:
        """Run a statement; each call says how long it waits for locks, whoever ran before.

        `is_idempotent`: run again after a broken connection.

        Raises:
            DatabaseUnavailable: see there.
            asyncpg.PostgresError, ValueError: the statement failed and wrote nothing.
        """
        began = time.perf_counter()
        try:
            return await self._fetch(
                statement, columns, is_idempotent=is_idempotent, lock_timeout_ms=lock_timeout_ms
            )
        except DatabaseUnavailable:
            self._counts.database_failures.add(self.name)
            raise
        finally:
            self._counts.database_seconds.add(time.perf_counter() - began, self.name)
            self._counts.database_rows.add(self.name, amount=len(columns[0]))

    def note_wait(self, seconds: float) -> None:
        """Count what a row waited for its statement to begin."""
        self._counts.database_waits.add(seconds, self.name)

    @property
    def is_open(self) -> bool:
        """Tell whether it is connected, as far as it knows."""
        return self._connection is not None

    async def _fetch(
        self,
        statement: str,
        columns: Sequence[Sequence[object]],
        *,
        is_idempotent: bool,
        lock_timeout_ms: int,
    ) -> list[Record]:
        for is_last_try in (False, True):
            try:
                prepared = await self._prepare(statement, lock_timeout_ms)
            except (
                OSError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                asyncpg.PostgresError,
            ) as error:
                # Also a server that starts, is full or is not migrated. Nothing was run.
                is_unreachable = self._connection is None
                self._disconnect()
                if is_last_try:
                    self.failures += is_unreachable
                    raise DatabaseUnavailable from error
                continue
            try:
                return await prepared.fetch(*columns)
            except ValueError:  # asyncpg's DataError is an InterfaceError too
                raise
            except (
                OSError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,  # the server's goodbye came just before our row
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,  # the server is shutting down
                asyncpg.ReadOnlySQLTransactionError,  # a primary that is one no more
            ) as error:
                self.breaks += 1
                self._disconnect()
                log.warning("batch.connection_lost", error=type(error).__name__)
                if is_last_try or not is_idempotent:
                    self.failures += isinstance(error, TimeoutError)
                    raise DatabaseUnavailable from error
        raise AssertionError("the last try returns or raises")

    async def aclose(self) -> None:
        """Disconnect, after whoever has the turn; the next statement would connect again."""
        async with self.turn:
            self._disconnect()

    async def _prepare(self, statement: str, lock_timeout_ms: int) -> Prepared:
        if self._connection is None:
            self._connection = await self._connect(durable=self._durable)
            self._lock_timeout_ms = LOCK_TIMEOUT_MS
        if self._lock_timeout_ms != lock_timeout_ms:
            await self._connection.execute(f"SET lock_timeout = {lock_timeout_ms}")
            self._lock_timeout_ms = lock_timeout_ms
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = await self._connection.prepare(statement)
        return prepared

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._prepared.clear()
        if connection is not None:
            connection.terminate()
