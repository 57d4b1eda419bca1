"""The batcher: rows share a commit, and each answers for itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from relay.database.batch import Batcher, RowBlocked
from relay.database.engine import dsn
from relay.database.line import DatabaseUnavailable, Line, connector
from tests.database.counted_connect import CountedConnect
from tests.waiting import PATIENCE_S, wait_until

ADD = """
    WITH told AS (
        SELECT * FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS i (id, amount, ord)
    )
    UPDATE sums s SET total = s.total + told.amount FROM told WHERE s.id = told.id
    RETURNING told.ord, s.total, pg_backend_pid() AS pid
"""
SLEEP_AND_ADD = f"""
    WITH slept AS MATERIALIZED (SELECT pg_sleep(0.3)), added AS ({ADD})
    SELECT added.* FROM slept, added
"""
ASLEEP = """
    SELECT pid FROM pg_stat_activity
    WHERE wait_event = 'PgSleep' AND datname = current_database()
"""


@pytest.fixture
async def url(database_url: str) -> str:
    """A database with ten sums that may not fall below zero."""
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute(
        """
        CREATE TABLE sums (id bigint PRIMARY KEY, total bigint NOT NULL CHECK (total >= 0));
        INSERT INTO sums SELECT n, 0 FROM generate_series(1, 10) n;
        """
    )
    await connection.close()
    return dsn(database_url)


@pytest.fixture
async def session(url: str) -> AsyncIterator[Any]:
    """Another session of the same database."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
async def line(url: str) -> AsyncIterator[Line]:
    line = Line(connector(url), durable=True)
    yield line
    await line.aclose()


async def test_rows_that_wait_together_share_one_statement(line: Line, session: Any) -> None:
    """Two hundred rows of ten sums, by one connection: every record belongs to its row."""
    batcher = Batcher(line, ADD, is_idempotent=False, key=lambda row: row[0])

    records: list[Any] = await asyncio.gather(*(batcher.run((1 + n % 10, 1)) for n in range(200)))
    await batcher.aclose()

    assert [record["total"] for record in records] == [1 + n // 10 for n in range(200)]
    assert len({record["pid"] for record in records}) == 1
    assert await session.fetchval("SELECT sum(total) FROM sums") == 200


async def test_rows_of_one_key_never_share_a_statement(line: Line, session: Any) -> None:
    """Thirty additions to one sum all count; in one UPDATE, all but one would be lost."""
    batcher = Batcher(line, ADD, is_idempotent=False, key=lambda row: row[0])

    await asyncio.gather(*(batcher.run((1, 1)) for _ in range(30)))
    await batcher.aclose()

    assert await session.fetchval("SELECT total FROM sums WHERE id = 1") == 30


async def test_a_row_that_names_nothing_gets_no_record(line: Line) -> None:
    """None, beside rows that get theirs."""
    batcher = Batcher(line, ADD, is_idempotent=False)

    records = await asyncio.gather(*(batcher.run((number, 1)) for number in (1, 4711, 2)))
    await batcher.aclose()

    assert [record and record["total"] for record in records] == [1, None, 1]


@pytest.mark.parametrize("value", [-1, 2**63, "many"])
async def test_a_row_at_fault_fails_alone(line: Line, session: Any, value: object) -> None:
    """A constraint refuses it, or the driver cannot encode it: the other nine are written once."""
    batcher = Batcher(line, ADD, is_idempotent=False)
    rows = [(number, value if number == 4 else 5) for number in range(1, 11)]

    outcomes = await asyncio.gather(*map(batcher.run, rows), return_exceptions=True)
    await batcher.aclose()

    failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(failed) == 1
    assert outcomes[3] is failed[0]
    assert await session.fetchval("SELECT sum(total) FROM sums") == 9 * 5


async def test_a_locked_row_delays_no_other(line: Line, session: Any) -> None:
    """It is RowBlocked after its lock timeout; the other nine are done while the lock is held."""
    batcher = Batcher(line, ADD, is_idempotent=False)
    await batcher.run((1, 0))
    transaction = session.transaction()
    await transaction.start()
    await session.execute("SELECT 1 FROM sums WHERE id = 4 FOR UPDATE")

    outcomes = await asyncio.wait_for(
        asyncio.gather(
            *(batcher.run((number, 5)) for number in range(1, 11)), return_exceptions=True
        ),
        timeout=PATIENCE_S,
    )
    await transaction.rollback()
    afterwards: Any = await batcher.run((4, 5))
    await batcher.aclose()

    assert [type(outcome) for outcome in outcomes].count(RowBlocked) == 1
    assert isinstance(outcomes[3], RowBlocked)
    assert afterwards["total"] == 5
    assert await session.fetchval("SELECT sum(total) FROM sums") == 50


async def _kill_when_busy(session: Any) -> None:
    """End the batcher's backend in the middle of its statement, while it sleeps there."""
    await wait_until(
        lambda: session.fetchval(
            """
            SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
            WHERE application_name = 'kling-relay batcher' AND wait_event = 'PgSleep'
                AND datname = current_database()
            """
        )
    )


async def _outcome(batcher: Batcher, row: tuple[int, int]) -> int | type[Exception]:
    try:
        record: Any = await batcher.run(row)
        return int(record["total"])
    except DatabaseUnavailable as error:
        return type(error)


@pytest.mark.parametrize("is_idempotent", [True, False])
async def test_after_a_killed_connection_only_what_is_idempotent_is_run_again(
    url: str, session: Any, *, is_idempotent: bool
) -> None:
    """A hold is not: whoever waits hears that it may or may not have been committed."""
    connect = CountedConnect(connector(url))
    line = Line(connect, durable=True)
    batcher = Batcher(line, SLEEP_AND_ADD, is_idempotent=is_idempotent)
    waiting = asyncio.create_task(_outcome(batcher, (1, 1)))

    await _kill_when_busy(session)
    outcome = await waiting
    afterwards: Any = await batcher.run((3, 1))
    await line.aclose()

    assert outcome == (1 if is_idempotent else DatabaseUnavailable)
    assert afterwards["total"] == 1
    assert connect.times == 2
    total = await session.fetchval("SELECT sum(total) FROM sums")
    assert total == (2 if is_idempotent else 1)


async def test_a_connection_that_broke_while_idle_is_replaced(line: Line, session: Any) -> None:
    """By the next row that is idempotent, without anybody noticing."""
    batcher = Batcher(line, ADD, is_idempotent=True)
    pids, total = [], 0

    for _ in range(20):  # the server's goodbye comes before, with or after the row
        record: Any = await batcher.run((1, 1))
        pids.append(record["pid"])
        total = record["total"]
        await session.execute("SELECT pg_terminate_backend($1)", record["pid"])
    await batcher.aclose()

    assert total == 20
    assert len(set(pids)) == 20


async def test_a_database_that_cannot_be_reached_fails_every_row() -> None:
    """Nothing hangs: each waiting row is told, and the batcher can be used again."""
    line = Line(connector("postgresql://nobody@127.0.0.1:1/none"), durable=True)
    batcher = Batcher(line, ADD, is_idempotent=False)

    outcomes = await asyncio.gather(
        *(batcher.run((number, 1)) for number in range(5)), return_exceptions=True
    )
    again = await asyncio.gather(batcher.run((1, 1)), return_exceptions=True)
    await batcher.aclose()

    assert {type(outcome) for outcome in (*outcomes, *again)} == {DatabaseUnavailable}


async def test_a_statement_that_cannot_be_prepared_yet_is_tried_again(
    line: Line, session: Any
) -> None:
    """Its table is missing, then it is there: the same batcher works from then on."""
    await session.execute("ALTER TABLE sums RENAME TO elsewhere")
    batcher = Batcher(line, ADD, is_idempotent=False)
    with pytest.raises(DatabaseUnavailable):
        await batcher.run((1, 1))

    await session.execute("ALTER TABLE elsewhere RENAME TO sums")
    record: Any = await batcher.run((1, 1))
    await batcher.aclose()

    assert record["total"] == 1


async def test_a_waiter_that_gave_up_takes_nothing_from_the_others(
    line: Line, session: Any
) -> None:
    """Its row is written all the same: who cancels does not know whether it was."""
    batcher = Batcher(line, SLEEP_AND_ADD, is_idempotent=False)
    waiters = [asyncio.create_task(batcher.run((number, 1))) for number in (1, 2, 3)]
    await wait_until(lambda: session.fetch(ASLEEP))

    waiters[1].cancel()
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    await batcher.aclose()

    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert await session.fetchval("SELECT sum(total) FROM sums") == 3


@pytest.mark.parametrize(("durable", "setting"), [(True, "on"), (False, "off")])
async def test_money_waits_for_the_disk_and_records_need_not(
    url: str, *, durable: bool, setting: str
) -> None:
    """`durable` is Postgres' synchronous_commit of the connection; locks are short on both."""
    show = """
        SELECT 1::bigint AS ord, current_setting('synchronous_commit') AS commits,
               current_setting('lock_timeout') AS locks FROM unnest($1::bigint[])
    """
    line = Line(connector(url), durable=durable)
    batcher = Batcher(line, show, is_idempotent=True)

    record: Any = await batcher.run((1,))
    await line.aclose()

    assert (record["commits"], record["locks"]) == (setting, "250ms")
