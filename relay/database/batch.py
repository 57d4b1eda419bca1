"""Statements that share a commit: what arrives while one runs goes into the next.

One durable commit costs milliseconds and one row in it costs microseconds, so under load a batch
fills by itself, and an idle process waits for nobody. Measured (docs/speed.md): 24k holds/s
against 6-8k/s with a transaction each, and one hot account stays as fast as a thousand.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

import asyncpg
import structlog

from relay.database.driver import Record
from relay.database.line import LOCK_TIMEOUT_MS, DatabaseUnavailable, Line

log = structlog.get_logger()

Row = tuple[Any, ...]
_Waiting = tuple[Row, asyncio.Future[Record | None]]
LINGER_S, ROWS_FEW = 0.002, 16
"""How long a statement that would have few rows waits for more, if one has just ended: a statement
costs Postgres and us as much as ten rows. The first one after an idle moment never waits."""
ROWS_MANY, ROWS_MAX = 64, 256
"""Of many rows a statement takes half, but no fewer than the first and no more than the second: the
callers of one half go on while the other commits, so that Postgres and we work side by side."""
SPLIT_LOCK_TIMEOUT_MS = 25


class RowBlocked(Exception):
    """Somebody holds the row's lock for longer than `LOCK_TIMEOUT_MS`. Nothing was written."""


class Batcher:
    """Runs one statement over arrays for many callers.

    The statement takes one array per field of a row and returns at most one record per row, with
    the row's place from 1 in a column `ord`. Never await `run` inside an open session: the batch
    may wait for a lock that the session holds.
    """

    def __init__(
        self,
        line: Line,
        statement: str,
        *,
        is_idempotent: bool,
        key: Callable[[Row], Hashable] | None = None,
        linger_s: float = LINGER_S,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    ) -> None:
        """`line`: may be shared with others; what they run meanwhile is waited for.

        `key`: rows of one key never share a statement, for statements that judge each row by the
        state it had before. `is_idempotent`: run again after a broken connection.
        """
        self._line = line
        self._statement = statement
        self._is_idempotent = is_idempotent
        self._key = key
        self._linger_s = linger_s
        self._lock_timeout_ms = lock_timeout_ms
        self._waiting: deque[_Waiting] = deque()
        self._waiting_since = 0.0
        """When the first of them came, or the statement before took those before them."""
        self._runner: asyncio.Task[None] | None = None

    async def run(self, row: Row) -> Record | None:
        """Run the statement for one row and return its record, or None if it returned none.

        Raises:
            RowBlocked: nothing was written.
            DatabaseUnavailable: see there.
            asyncpg.PostgresError: this row is at fault; nothing was written for it.
        """
        future: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._waiting_since = time.perf_counter()
        self._waiting.append((row, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._drain())
        try:
            return await future
        finally:
            del future  # with an exception in it, it and this frame would keep each other alive

    async def aclose(self) -> None:
        """Finish what waits; the line stays open for others."""
        if self._runner is not None:
            await self._runner

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._run_next()
                if 0 < len(self._waiting) < ROWS_FEW:
                    await asyncio.sleep(self._linger_s)
        finally:
            self._runner = None

    async def _run_next(self) -> None:
        """Run as one statement what waits when the line is free; row by row if a row fails it."""
        failures = self._line.failures
        async with self._line.turn:
            batch = self._take()
            now = time.perf_counter()
            self._line.note_wait(now - self._waiting_since)
            self._waiting_since = now
            if self._line.failures != failures:
                _fail(batch, DatabaseUnavailable())
                return
            error = await self._run_batch(batch, self._lock_timeout_ms)
        if error is None:
            return
        # A value that the driver cannot encode: nothing was sent. An error of Postgres: the
        # transaction is rolled back. So every row may be tried again, and alone the row that is
        # at fault or blocked fails by itself.
        is_about_a_row = isinstance(error, asyncpg.PostgresError | ValueError)
        if len(batch) > 1 and is_about_a_row:
            log.warning("batch.split", rows=len(batch), error=type(error).__name__)
            await self._run_one_by_one(batch)
        else:
            _fail(batch, error)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
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

    async def _run_one_by_one(self, batch: list[_Waiting]) -> None:
        """Give each row of a failed batch a statement of its own, and its neighbours their turns.

        Locks are waited for only briefly now: a hundred rows that one long session blocks would
        otherwise hold up the others behind them for a hundred times the usual wait.
        """
        for item in batch:
            async with self._line.turn:
                error = await self._run_batch([item], SPLIT_LOCK_TIMEOUT_MS)
            if error is not None:
                _fail([item], error)

    async def _run_batch(self, batch: list[_Waiting], lock_timeout_ms: int) -> Exception | None:
        """Run and answer these rows in the line's turn; return what failed, to be judged."""
        try:
            columns = [list(column) for column in zip(*(row for row, _ in batch), strict=True)]
            records = await self._line.fetch(
                self._statement,
                columns,
                is_idempotent=self._is_idempotent,
                lock_timeout_ms=lock_timeout_ms,
            )
            by_place = {record["ord"]: record for record in records}
        except Exception as error:  # noqa: BLE001 (handed to whoever waits for the rows)
            return error
        for place, (_, future) in enumerate(batch, start=1):
            if not future.done():
                future.set_result(by_place.get(place))
        return None


def _fail(batch: list[_Waiting], error: Exception) -> None:
    if isinstance(error, asyncpg.LockNotAvailableError):
        blocked = RowBlocked()
        blocked.__cause__ = error
        error = blocked
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
