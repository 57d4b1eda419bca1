"""A database that says nothing more and closes no socket, as after a failover: nobody hangs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text

from relay.database.batch import Batcher
from relay.database.engine import open_engine, open_pool
from relay.database.line import DatabaseUnavailable, Line, connector
from relay.database.opener import Opener, Stopping
from tests.database.silent_wire import Wire, open_wire
from tests.waiting import settle_for

QUICK_S = 0.3
TOUCH = "SELECT ord FROM unnest($1::bigint[]) WITH ORDINALITY AS i (n, ord)"

Ask = Callable[[], Awaitable[object]]


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    async with open_wire(database_url) as opened:
        yield opened


@pytest.fixture(params=["pool", "sessions", "line"])
async def ask(request: pytest.FixtureRequest, wire: Wire) -> AsyncIterator[Ask]:
    """One question, by each of the three ways to the database."""
    if request.param == "pool":
        pool = await open_pool(wire.url, connections=2, statement_timeout_s=QUICK_S)
        yield lambda: pool.fetch("SELECT pg_sleep(0.02)")
        await pool.close()
    elif request.param == "sessions":
        engine = open_engine(wire.url, connections=2, statement_timeout_s=QUICK_S)

        async def slept() -> None:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_sleep(0.02)"))

        yield slept
        await engine.dispose()
    else:
        line = Line(connector(wire.url, statement_timeout_s=QUICK_S), durable=False)
        # Of what may have been done nothing is repeated, so that its caller hears of it.
        batcher = Batcher(line, TOUCH, is_idempotent=False)
        yield lambda: batcher.run((1,))
        await line.aclose()


async def test_who_is_never_answered_hears_of_it_and_the_next_one_is_answered(
    ask: Ask, wire: Wire
) -> None:
    """Though a second connection of the same kind was at rest, and is as dead."""
    await asyncio.gather(ask(), ask())
    wire.fall_silent()

    with pytest.raises((TimeoutError, DatabaseUnavailable)):
        await ask()
    await ask()
    await asyncio.gather(ask(), ask())


async def test_who_finds_nothing_free_does_not_wait_for_ever(database_url: str) -> None:
    """The one connection is lent, and comes back when the other has given up."""
    pool = await open_pool(database_url, connections=1, free_timeout_s=QUICK_S)

    async with pool.begin():
        with pytest.raises(TimeoutError):
            await pool.fetch("SELECT 1")
    rows = await pool.fetch("SELECT 1 AS one")
    await pool.close()

    assert [row["one"] for row in rows] == [1]


async def test_an_end_drops_what_is_never_answered(wire: Wire) -> None:
    """Each of the three ways fails at once, though its own limit is far away; none opens again."""
    opener = Opener(wire.url)
    pool, engine = await open_pool(opener), open_engine(opener)
    line = Line(connector(opener), durable=False)
    batcher = Batcher(line, TOUCH, is_idempotent=True)

    async def session() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))

    await asyncio.gather(pool.fetch("SELECT 1"), session(), batcher.run((1,)))
    wire.fall_silent(for_good=True)
    asking = asyncio.gather(
        pool.fetch("SELECT 1"), session(), batcher.run((1,)), return_exceptions=True
    )
    await settle_for(0.1, because="all of them wait by then")
    opener.shut_after(0)
    outcomes = await asking
    await asyncio.gather(pool.close(), engine.dispose(), line.aclose())

    assert all(isinstance(outcome, Exception) for outcome in outcomes)
    with pytest.raises(Stopping):
        await opener.open(statement_timeout_s=None)
