"""Several batchers share a connection, and none of them feels what another did on it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from relay.database.batch import Batcher, RowBlocked
from relay.database.engine import dsn
from relay.database.line import DatabaseUnavailable, Line, connector
from tests.database.counted_connect import CountedConnect
from tests.tasks.waiting import WAITING_FOR_A_LOCK
from tests.waiting import PATIENCE_S, settle_for, wait_until

LOCK = """
    SELECT i.ord, s.id FROM unnest($1::bigint[]) WITH ORDINALITY AS i (id, ord)
    JOIN LATERAL (SELECT * FROM things t WHERE t.id = i.id FOR UPDATE) s ON true
"""
SHOW = """
    SELECT i.ord, pg_backend_pid() AS pid, current_setting('lock_timeout') AS lock_timeout,
        (SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%AS i (id, ord)%')
            AS prepared
    FROM unnest($1::bigint[]) WITH ORDINALITY AS i (id, ord)
"""
TURN_INTO_A_STANDBY = """
    SELECT i.ord, set_config('default_transaction_read_only', 'on', false)
    FROM unnest($1::bigint[]) WITH ORDINALITY AS i (id, ord)
"""
SLEEP = """
    SELECT i.ord, pg_sleep(1) FROM unnest($1::bigint[]) WITH ORDINALITY AS i (id, ord)
"""
OF_LINES = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'kling-relay batcher' AND datname = current_database()
"""
ASLEEP = f"{OF_LINES} AND wait_event = 'PgSleep'"


@pytest.fixture
async def connect(database_url: str) -> CountedConnect:
    return CountedConnect(connector(dsn(database_url)))


@pytest.fixture
async def line(connect: CountedConnect) -> AsyncIterator[Line]:
    line = Line(connect, durable=False)
    yield line
    await line.aclose()


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[Any]:
    """Another session of the same database, which has ten things."""
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute(
        "CREATE TABLE things AS SELECT n AS id FROM generate_series(1::bigint, 10) n"
    )
    yield connection
    await connection.close()


@pytest.fixture
async def watcher(database_url: str) -> AsyncIterator[Any]:
    """A session outside every transaction, for whom `pg_stat_activity` is read anew each time."""
    connection = await asyncpg.connect(dsn(database_url))
    yield connection
    await connection.close()


def showing(line: Line) -> Batcher:
    return Batcher(line, SHOW, is_idempotent=True)


async def test_batchers_of_one_line_share_its_connection(line: Line, session: Any) -> None:
    """Each statement is prepared once, however they take turns; no connection before the first."""
    batchers = [showing(line), Batcher(line, LOCK, is_idempotent=True), showing(line)]
    before = await session.fetch(OF_LINES)

    records: list[Any] = []
    for number in range(1, 6):
        records += await asyncio.gather(*(batcher.run((number,)) for batcher in batchers))
    shown = [record for record in records if "pid" in record.keys()]  # noqa: SIM118 (a record's)

    assert before == []
    assert {record["pid"] for record in shown} == {
        row["pid"] for row in await session.fetch(OF_LINES)
    }
    assert len({record["pid"] for record in shown}) == 1
    assert shown[-1]["prepared"] == 2


async def test_a_closed_line_is_disconnected_and_opens_again(
    line: Line, connect: CountedConnect, session: Any
) -> None:
    batcher = showing(line)
    await batcher.run((1,))
    await line.aclose()

    async def is_disconnected() -> bool:
        return not await session.fetch(OF_LINES)

    await wait_until(is_disconnected)

    record = await batcher.run((2,))

    assert record is not None
    assert connect.times == 2


async def test_short_waits_of_a_split_batch_are_its_own(line: Line, session: Any) -> None:
    """Ten blocked rows wait 25 ms each; a neighbour between any two of them has its 250 ms."""
    blocked, neighbour = Batcher(line, LOCK, is_idempotent=True), showing(line)
    transaction = session.transaction()
    await transaction.start()
    await session.execute("SELECT FROM things FOR UPDATE")
    rows = [asyncio.create_task(blocked.run((number,))) for number in range(1, 11)]
    await asyncio.sleep(0)

    seen: list[Any] = []
    while not all(row.done() for row in rows):
        seen.append(await neighbour.run((1,)))
    seen.append(await neighbour.run((1,)))
    outcomes = await asyncio.gather(*rows, return_exceptions=True)
    await transaction.rollback()

    assert {type(outcome) for outcome in outcomes} == {RowBlocked}
    assert {record["lock_timeout"] for record in seen} == {"250ms"}
    assert len(seen) >= 10, "the neighbour had a turn between the rows"


async def test_a_blocked_row_waits_the_usual_time_after_a_neighbours_split(
    line: Line, session: Any
) -> None:
    """The split's 25 ms do not stay on the connection for the next of the same statement."""
    batcher = Batcher(line, LOCK, is_idempotent=True, lock_timeout_ms=1000)
    transaction = session.transaction()
    await transaction.start()
    await session.execute("SELECT FROM things FOR UPDATE")
    await asyncio.gather(batcher.run((1,)), batcher.run((2,)), return_exceptions=True)

    waiting = asyncio.create_task(batcher.run((3,)))
    await settle_for(0.1, because="the split's 25 ms are over by then")
    was_done = waiting.done()
    await transaction.rollback()
    record = await asyncio.wait_for(waiting, PATIENCE_S)

    assert not was_done
    assert record is not None


async def test_who_gives_up_waiting_for_a_turn_costs_nobody_theirs(
    line: Line, session: Any
) -> None:
    """Of three rows that wait behind a neighbour's statement, two are answered."""
    slow, batcher = Batcher(line, SLEEP, is_idempotent=True), showing(line)
    sleeping = asyncio.create_task(slow.run((1,)))
    await wait_until(lambda: session.fetch(ASLEEP))
    rows = [asyncio.create_task(batcher.run((number,))) for number in (1, 2, 3)]
    await asyncio.sleep(0)

    rows[1].cancel()
    outcomes = await asyncio.gather(*rows, return_exceptions=True)

    assert [type(outcome).__name__ for outcome in outcomes] == [
        *("Record", "CancelledError", "Record"),
    ]
    assert await sleeping is not None


async def test_rows_that_come_while_a_neighbour_runs_share_a_statement(
    line: Line, session: Any, watcher: Any
) -> None:
    """They are taken when the line is free, not when the first of them came."""
    one_statement = """
        SELECT i.ord, count(*) OVER () AS rows
        FROM unnest($1::bigint[]) WITH ORDINALITY AS i (id, ord)
    """
    slow, batcher = (
        Batcher(line, LOCK, is_idempotent=True, lock_timeout_ms=9000),
        Batcher(line, one_statement, is_idempotent=True),
    )
    transaction = session.transaction()
    await transaction.start()
    await session.execute("SELECT FROM things FOR UPDATE")
    running = asyncio.create_task(slow.run((1,)))
    await wait_until(lambda: watcher.fetch(WAITING_FOR_A_LOCK))
    rows = []
    for number in range(5):
        rows.append(asyncio.create_task(batcher.run((number,))))
        await settle_for(0.01, because="a statement might begin with each")
    await transaction.rollback()

    records: list[Any] = await asyncio.gather(*rows)
    await running

    assert [record["rows"] for record in records] == [5] * 5


@pytest.mark.parametrize("is_idempotent", [True, False])
async def test_after_a_broken_connection_every_batcher_of_the_line_goes_on(
    line: Line, connect: CountedConnect, session: Any, *, is_idempotent: bool
) -> None:
    """It breaks in one's statement, while another's waits: one new connection serves both."""
    slow = Batcher(line, SLEEP, is_idempotent=is_idempotent)
    batcher = showing(line)
    await batcher.run((0,))
    sleeping = asyncio.create_task(slow.run((1,)))
    await wait_until(lambda: session.fetch(ASLEEP))
    waiting = asyncio.create_task(batcher.run((2,)))
    await asyncio.sleep(0)

    await session.execute(f"SELECT pg_terminate_backend(pid) FROM ({OF_LINES}) l")
    slept, shown = await asyncio.gather(sleeping, waiting, return_exceptions=True)

    assert isinstance(slept, DatabaseUnavailable) is not is_idempotent
    assert not isinstance(shown, BaseException)
    assert connect.times == 2


async def test_a_server_that_does_not_answer_is_tried_once_for_all_who_wait() -> None:
    """Twice, by the first; where nothing answers at all, ten tries would take fifty seconds."""
    connect = CountedConnect(connector("postgresql://nobody@127.0.0.1:1/none"))
    line = Line(connect, durable=False)
    batchers = [showing(line) for _ in range(5)]

    outcomes = await asyncio.gather(
        *(batcher.run((1,)) for batcher in batchers), return_exceptions=True
    )
    tries = connect.times
    again = await asyncio.gather(batchers[0].run((1,)), return_exceptions=True)

    assert {type(outcome) for outcome in (*outcomes, *again)} == {DatabaseUnavailable}
    assert (tries, connect.times) == (2, 4)


async def test_a_statement_that_cannot_be_prepared_fails_no_neighbour(line: Line) -> None:
    """Its table is not there: that says nothing of theirs."""
    wrong = Batcher(line, "SELECT 1 AS ord FROM nowhere, unnest($1::bigint[])", is_idempotent=True)

    outcomes = await asyncio.gather(
        wrong.run((1,)), showing(line).run((1,)), return_exceptions=True
    )

    assert isinstance(outcomes[0], DatabaseUnavailable)
    assert not isinstance(outcomes[1], BaseException)


async def test_a_primary_that_has_become_a_standby_is_left(
    line: Line, connect: CountedConnect, session: Any
) -> None:
    """It goes on answering, and refuses to write: a new connection finds the primary."""
    await session.execute("SELECT 1")  # whose things are locked
    locking = Batcher(line, LOCK, is_idempotent=True)
    await locking.run((1,))
    await Batcher(line, TURN_INTO_A_STANDBY, is_idempotent=True).run((1,))

    record = await locking.run((1,))

    assert record is not None
    assert connect.times == 2
