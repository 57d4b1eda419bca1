"""Days are rolled beside whoever changes them: what is kept holds, or is not taken."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError

from relay.database.engine import dsn
from relay.months import Window, first_moment
from relay.usage.roll import draw_number, roll_day
from relay.usage.sums import UsageKey
from tests.relay_app import Relay, running_relay
from tests.usage.business import make_business
from tests.usage.keeping import held, read, read_both, roll_all
from tests.waiting import wait_until

ZONE = UTC
COUNT = 120
CHANGE = "UPDATE tasks SET cost_units = coalesce(cost_units, 0) + 1 WHERE id = $1"
RENAME = "UPDATE tasks SET model = 'model-' || $2 WHERE id = $1"
WAITS = "SELECT pid FROM pg_locks WHERE relation = 'rolled_whole'::regclass AND NOT granted"
ROUNDS = 12
UNSERIALIZABLE = "40001"
"""What is read without days that are kept deletes them first, as the roller does at that moment."""


@asynccontextmanager
async def beside(relay: Relay) -> AsyncIterator[Any]:
    """Somebody with a connection of his own."""
    connection = await asyncpg.connect(dsn(relay.database_url))
    try:
        yield connection
    finally:
        await connection.close()


async def number_of(relay: Relay) -> int:
    async with relay.sessions.begin() as session:
        return await draw_number(session)


async def roll(relay: Relay, day: Window, number: int) -> bool:
    async with relay.sessions.begin() as session:
        return await roll_day(session, day, currency="USD", number=number)


async def test_who_changes_a_day_while_it_is_rolled_leaves_it_stale(database_url: str) -> None:
    """A change that commits within the rolling, one that began before it and commits after it, and
    four that change at random beside two that roll and one that reads: what is read is right."""
    today = first_moment(datetime.now(UTC).date(), ZONE)
    # A day may be over for less than it has to be.
    starts = [today - timedelta(days=ago) for ago in (5, 4, 3)]
    within = Window(starts[0], starts[-1] + timedelta(days=1))
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        await relay.add_tenant("acme", quota_micros=1)
        await make_business(relay, ("acme",), within=within, edges=starts, count=COUNT)
        await _commits_within(relay, Window(starts[1], starts[2]))
        await _commits_after(relay, Window(starts[1], starts[2]))
        await _still_writes(relay, Window(starts[1], starts[2]))
        await _gone_while_read(relay, within)
        await _all_at_once(relay, within)


async def a_success(relay: Relay, day: Window) -> int:
    row = await relay.row(
        "SELECT id FROM tasks WHERE state = 'succeed' AND created_at >= $1 AND created_at < $2",
        *day,
    )
    return int(row["id"])


async def is_right(relay: Relay, window: Window) -> bool:
    kept, raw = await read_both(relay, [UsageKey.DAY, UsageKey.MODEL], window, ZONE)
    return kept == raw


async def _commits_within(relay: Relay, day: Window) -> None:
    number = await number_of(relay)
    async with relay.sessions.begin() as session:
        assert await roll_day(session, day, currency="USD", number=number)
        await relay.rows(CHANGE, await a_success(relay, day))
        assert not await roll(relay, day, number), "another one rolls"

    assert await held(relay, day, ZONE) == []
    assert await is_right(relay, day)
    assert await roll(relay, day, number)
    assert len(await held(relay, day, ZONE)) == 1


async def _commits_after(relay: Relay, day: Window) -> None:
    """Its mark is not there when the day is rolled, and its number is later than what is asked."""
    number = await number_of(relay)
    async with beside(relay) as other:
        async with other.transaction():
            await other.execute(CHANGE, await a_success(relay, day))
            assert await roll(relay, day, number)
            assert len(await held(relay, day, ZONE)) == 1

        assert await held(relay, day, ZONE) == []
        assert await is_right(relay, day)
        assert await roll(relay, day, number)
        assert len(await held(relay, day, ZONE)) == 1
        assert await is_right(relay, day)


async def _still_writes(relay: Relay, day: Window) -> None:
    """Who wrote before the number was drawn may have been too young for a mark: he is awaited."""
    async with beside(relay) as other:
        async with other.transaction():
            await other.execute("SELECT pg_current_xact_id()")
            number = await number_of(relay)
            assert not await roll(relay, day, number)
        assert await roll(relay, day, number)


async def _gone_while_read(relay: Relay, window: Window) -> None:
    """Days that were found, and are rolled anew before their lines are read, are missed by none."""
    assert len(await roll_all(relay, window, ZONE)) == 3
    (whole,) = await read(relay, [], window, ZONE)
    async with beside(relay) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE rolled_whole IN ACCESS EXCLUSIVE MODE")
            reading = asyncio.create_task(read(relay, [], window, ZONE))
            await wait_until(lambda: relay.rows(WAITS))
            await other.execute("DELETE FROM rolled_days")

        assert await reading == [whole]


async def _all_at_once(relay: Relay, window: Window) -> None:
    """A reader without a snapshot counts each task once, whatever is rolled meanwhile."""
    ids = [row["id"] for row in await relay.rows("SELECT id FROM tasks")]
    (whole,) = await read(relay, [], window, ZONE)
    is_over = asyncio.Event()
    seen = 0

    async def change(seed: int) -> None:
        rng = random.Random(seed)
        async with beside(relay) as connection:
            for _ in range(ROUNDS):
                await connection.execute(RENAME, rng.choice(ids), str(rng.randrange(3)))
                await connection.execute(CHANGE, rng.choice(ids))

    async def keep_rolling() -> None:
        while not is_over.is_set():
            await roll_all(relay, window, ZONE)

    async def look() -> None:
        nonlocal seen
        while not is_over.is_set():
            (now,) = await read(relay, [], window, ZONE)
            assert (now.tasks, now.refused, now.charged_micros) == (
                *(whole.tasks, whole.refused, whole.charged_micros),
            )
            try:
                assert await is_right(relay, window)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != UNSERIALIZABLE:
                    raise
            seen += 1

    async with asyncio.TaskGroup() as group:
        for work in (keep_rolling(), look()):
            group.create_task(work)
        await asyncio.gather(*(change(seed) for seed in range(4)))
        is_over.set()

    assert seen
    assert len(await roll_all(relay, window, ZONE)) == 3
    assert await is_right(relay, window)
    assert (await relay.audit()).differences == []
