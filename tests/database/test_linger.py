"""A statement of few rows waits for more, if one has just ended; nothing else waits.

The linger is an hour where a test would hang if it were waited for.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from relay.database.batch import LINGER_S, ROWS_FEW, Batcher
from relay.database.engine import dsn
from relay.database.line import Line, connector
from tests.waiting import PATIENCE_S, wait_until

GATED = """
    SELECT ord, id, pg_current_xact_id()::text AS transaction
    FROM unnest($1::bigint[]) WITH ORDINALITY AS i (id, ord),
         (SELECT pg_advisory_xact_lock_shared(4711) OFFSET 0) gate
"""
"""Runs while nobody shuts the gate; the rows of one statement name one transaction."""
HOUR_S = 3600.0
WHILE_S = 0.2
"""Long enough for whatever else the loop has to do."""


class Gate:
    """Another session's lock, for which statements wait."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def shut(self) -> None:
        await self._session.execute("SELECT pg_advisory_lock(4711)")

    async def open(self) -> None:
        await self._session.execute("SELECT pg_advisory_unlock(4711)")

    async def has_come(self) -> None:
        """Wait until a statement stands before it."""
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await wait_until(lambda: self._session.fetchval(query))


@pytest.fixture
async def gate(database_url: str) -> AsyncIterator[Gate]:
    connection = await asyncpg.connect(dsn(database_url))
    yield Gate(connection)
    await connection.close()


Opens = Callable[[float], Awaitable[Batcher]]


@pytest.fixture
async def lingering(database_url: str) -> AsyncIterator[Opens]:
    """Opens a batcher that lingers so long; its rows may wait at the gate as long as statements."""
    line = Line(connector(dsn(database_url)), durable=True)
    opened: list[Batcher] = []

    async def open_one(linger_s: float) -> Batcher:
        batcher = Batcher(line, GATED, is_idempotent=True, linger_s=linger_s, lock_timeout_ms=5000)
        opened.append(batcher)
        await batcher.run((0,))
        return batcher

    yield open_one
    for batcher in opened:
        await asyncio.wait_for(batcher.aclose(), PATIENCE_S)
    await line.aclose()


async def transaction_of(batcher: Batcher, number: int) -> str:
    async with asyncio.timeout(PATIENCE_S):
        record: Any = await batcher.run((number,))
        return str(record["transaction"])


async def test_the_first_row_after_an_idle_moment_never_waits(lingering: Opens) -> None:
    """Five, each alone: with a linger of an hour, none of them meets it."""
    batcher = await lingering(HOUR_S)

    transactions = [await transaction_of(batcher, number) for number in range(5)]

    assert len(set(transactions)) == 5


async def test_few_rows_wait_for_those_that_come_next(lingering: Opens, gate: Gate) -> None:
    """One came while a statement ran, one after it had ended: they share the next."""
    batcher = await lingering(WHILE_S)
    await gate.shut()
    first = asyncio.create_task(transaction_of(batcher, 1))
    await gate.has_come()
    during = asyncio.create_task(transaction_of(batcher, 2))
    await asyncio.sleep(0)

    await gate.open()
    ended = await first
    after = await transaction_of(batcher, 3)

    assert ended != after
    assert await during == after


async def test_many_rows_wait_for_no_more(lingering: Opens, gate: Gate) -> None:
    """From sixteen on the next statement begins at once; a linger would be an hour."""
    batcher = await lingering(HOUR_S)
    await gate.shut()
    first = asyncio.create_task(transaction_of(batcher, 1))
    await gate.has_come()
    others = [asyncio.create_task(transaction_of(batcher, 2 + n)) for n in range(ROWS_FEW)]
    await asyncio.sleep(0)

    await gate.open()
    transactions = {await other for other in others}

    assert len(transactions) == 1
    assert await first not in transactions


@pytest.mark.parametrize(
    ("waiting", "sizes"), [(64, [64]), (100, [64, 36]), (200, [100, 64, 36]), (600, [256, 172])]
)
async def test_of_many_rows_a_statement_takes_half(
    lingering: Opens, gate: Gate, waiting: int, sizes: list[int]
) -> None:
    """Sixty-four at once are few enough, and more than 256 too many."""
    batcher = await lingering(LINGER_S)
    await gate.shut()
    first = asyncio.create_task(transaction_of(batcher, 1))
    await gate.has_come()
    others = [asyncio.create_task(transaction_of(batcher, 2 + n)) for n in range(waiting)]
    await asyncio.sleep(0)

    await gate.open()
    transactions = Counter([await other for other in others])

    assert await first not in transactions
    assert list(transactions.values())[: len(sizes)] == sizes
    assert transactions.total() == waiting


async def test_closing_waits_for_the_rows_that_linger(lingering: Opens, gate: Gate) -> None:
    """Closed between two statements: the row that waits is run, and answered."""
    batcher = await lingering(WHILE_S)
    await gate.shut()
    first = asyncio.create_task(transaction_of(batcher, 1))
    await gate.has_come()
    last = asyncio.create_task(batcher.run((2,)))
    await asyncio.sleep(0)
    await gate.open()
    await first
    was_done = last.done()

    await asyncio.wait_for(batcher.aclose(), PATIENCE_S)
    await asyncio.sleep(0)

    assert (was_done, last.done()) == (False, True)
    record: Any = last.result()
    assert record["id"] == 2
