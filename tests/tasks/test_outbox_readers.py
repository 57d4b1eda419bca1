"""Who only reads moves loses none and is told none twice, in whatever order they are committed."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from relay.database.engine import dsn, open_pool
from relay.tasks.finish import FINISH_FOLLOWED
from relay.tasks.outbox import Cursor, Move, newest, read_moves
from tests.relay_app import CLIP_MICROS, running_relay
from tests.tasks.holding import hold_tasks
from tests.tasks.told import told_success
from tests.tasks.waiting import is_a_lock_waited_for
from tests.waiting import settle_for, wait_until

TELL = "INSERT INTO outbox (task_id, follower, state) VALUES ($1, 'one', 'succeed') RETURNING id"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Any]:
    pool = await open_pool(database_url)
    yield pool
    await pool.close()


class Reader:
    """Follows the cursor from where it was opened."""

    def __init__(self, pool: Any, cursor: Cursor, *, limit: int = 100) -> None:
        self._pool = pool
        self._limit = limit
        self.cursor = cursor
        self.told: list[Move] = []

    @classmethod
    async def open(cls, pool: Any, *, limit: int = 100) -> "Reader":
        return cls(pool, await newest(pool), limit=limit)

    async def read(self) -> list[int]:
        """Read on; the tasks of this page."""
        moves, self.cursor = await read_moves(self._pool, "one", self.cursor, limit=self._limit)
        self.told += moves
        return [move.task_id for move in moves]


class Session:
    """A connection with a transaction open, as another process has one."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transaction = connection.transaction()

    @classmethod
    async def begin(cls, url: str) -> "Session":
        session = cls(await asyncpg.connect(dsn(url)))
        await session._transaction.start()
        return session

    async def tell(self, task: int) -> int:
        return int(await self._connection.fetchval(TELL, task))

    async def execute(self, statement: str) -> None:
        await self._connection.execute(statement)

    async def end(self, *, is_kept: bool = True) -> None:
        await (self._transaction.commit() if is_kept else self._transaction.rollback())
        await self._connection.close()


async def test_a_row_that_is_committed_late_is_told_in_its_turn(
    pool: Any, database_url: str
) -> None:
    """Its id is the smaller one and its commit the later one: the other one waits for it."""
    reader = await Reader.open(pool)
    slow, quick = await Session.begin(database_url), await Session.begin(database_url)
    first = await slow.tell(1)
    second = await quick.tell(2)
    await quick.end()

    early = await reader.read()
    await slow.end()
    late = await reader.read()

    assert first < second
    assert (early, late, await reader.read()) == ([], [1, 2], [])


async def test_a_number_drawn_early_and_an_id_drawn_late_hide_nothing(
    pool: Any, database_url: str
) -> None:
    """A transaction that has its number writes its row after another has committed: both come."""
    reader = await Reader.open(pool)
    slow, quick = await Session.begin(database_url), await Session.begin(database_url)
    await slow.execute("SELECT pg_current_xact_id()")
    await quick.tell(2)
    await quick.end()
    early = await reader.read()
    await slow.tell(1)

    await slow.end()

    assert (early, await reader.read(), await reader.read()) == ([], [1, 2], [])


async def test_what_is_rolled_back_is_never_told(pool: Any, database_url: str) -> None:
    """It delays what came after it, and no more."""
    reader = await Reader.open(pool)
    failing, quick = await Session.begin(database_url), await Session.begin(database_url)
    await failing.tell(1)
    await quick.tell(2)
    await quick.end()
    early = await reader.read()

    await failing.end(is_kept=False)

    assert (early, await reader.read()) == ([], [2])


async def test_an_open_transaction_delays_readers_and_loses_nothing(
    pool: Any, database_url: str
) -> None:
    """One that writes elsewhere holds back what comes after it; one that reads, nothing."""
    reader = await Reader.open(pool)
    await pool.execute(TELL, 1)
    reading = await Session.begin(database_url)
    await reading.execute("SELECT count(*) FROM tasks")
    writing = await Session.begin(database_url)
    await writing.execute("INSERT INTO books (currency) VALUES ('USD')")
    for task in (2, 3):
        await pool.execute(TELL, task)

    before_it = await reader.read()
    held_back = await reader.read()
    await writing.end()
    after_it = await reader.read()
    await reading.end()

    assert (before_it, held_back, after_it) == ([1], [], [2, 3])


async def test_a_reader_begins_with_what_could_not_be_read_before(
    pool: Any, database_url: str
) -> None:
    """What is open while it begins is told once it is committed, and nothing from before that."""
    await pool.execute(TELL, 1)
    open_before = await Session.begin(database_url)
    await open_before.tell(2)
    await pool.execute(TELL, 3)

    reader = await Reader.open(pool)
    await open_before.end()
    told = await reader.read()
    everything = Reader(pool, Cursor())

    assert told == [2, 3]
    assert await everything.read() == [1, 2, 3]


async def test_pages_and_other_followers(pool: Any) -> None:
    """Ten rows of one transaction in pages of four; none of another follower is among them."""
    reader = await Reader.open(pool, limit=4)
    await pool.execute(
        "INSERT INTO outbox (task_id, follower, state)"
        " SELECT n, f, 'succeed' FROM generate_series(1, 10) n, unnest('{one,two}'::text[]) f"
    )

    pages = [await reader.read() for _ in range(4)]

    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert [task for page in pages for task in page] == list(range(1, 11))
    assert {move.follower for move in reader.told} == {"one"}


async def test_many_writers_and_a_reader_that_never_waits(pool: Any, database_url: str) -> None:
    """Eight sessions commit or roll back 200 transactions in any order, while one reads on.

    Each row that was committed is told once, and never after a row of a later transaction."""
    chance = random.Random(1)
    reader = await Reader.open(pool, limit=7)
    kept: set[int] = set()
    written = asyncio.Event()

    async def write(writer: int) -> None:
        connection = await asyncpg.connect(dsn(database_url))
        for number in range(25):
            transaction = connection.transaction()
            await transaction.start()
            if chance.random() < 0.3:
                await connection.execute("SELECT pg_current_xact_id()")
                await settle_for(chance.random() * 0.01, because="writers overlap")
            tasks = [1000 * writer + 10 * number + row for row in range(chance.randint(1, 3))]
            for task in tasks:
                await connection.execute(TELL, task)
            await settle_for(chance.random() * 0.01, because="writers overlap")
            if chance.random() < 0.2:
                await transaction.rollback()
            else:
                await transaction.commit()
                kept.update(tasks)
        await connection.close()

    async def read() -> None:
        while not written.is_set():
            await reader.read()

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(writer) for writer in range(8)))
    written.set()
    await reading
    while await reader.read():
        pass

    told = [int(move.task_id) for move in reader.told]
    assert sorted(told) == sorted(kept)
    rows = await pool.fetch("SELECT task_id FROM outbox ORDER BY xact, id")
    assert told == [row["task_id"] for row in rows]


async def test_ids_tell_the_order_of_one_tasks_moves(database_url: str) -> None:
    """A statement that has its number waits for a task which a later transaction is moving: its own
    move of that task is the second one, and comes first to a reader."""
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=10 * CLIP_MICROS)
        tasks = await hold_tasks(relay, token, 3, follows="one")
        rows = [told_success(task.id, f"k{task.id}") for task in tasks]
        pool = relay.parts.store.pool
        reader = await Reader.open(pool)
        blocking = await Session.begin(database_url)
        await blocking.execute(f"SELECT FROM tasks WHERE id = {tasks[1].id} FOR UPDATE")
        ending = asyncio.create_task(
            pool.fetch(FINISH_FOLLOWED, *map(list, zip(*rows, strict=True)))
        )
        await wait_until(lambda: is_a_lock_waited_for(relay))

        last = rows[2]._replace(state="processing")
        await pool.fetch(FINISH_FOLLOWED, *([value] for value in last))
        await blocking.end()
        await ending
        await reader.read()

        moves = [move for move in reader.told if move.task_id == tasks[2].id]
        assert [move.state for move in moves] == ["succeed", "processing"]
        assert [move.state for move in sorted(moves, key=lambda move: move.id)] == [
            "processing",
            "succeed",
        ]
