"""Moves of runs, read while others are written: what is committed late is not lost."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec

from relay.runs.followed import read_moves
from relay.runs.plan import Plan
from relay.runs.stages import Event, Stage
from relay.runs.tables import RunState
from relay.tasks.outbox import newest
from tests.relay_app import Relay
from tests.runs.test_engine import CLIP
from tests.runs.working import begin

WRITE = "INSERT INTO run_events (run_id, tenant_id, shown) VALUES ($1, $2, $3) RETURNING id"


@contextlib.asynccontextmanager
async def writer(relay: Relay) -> AsyncIterator[Any]:
    """A process that moves runs, beside the relay."""
    connection = await asyncpg.connect(relay.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def write(connection: Any, run: Any, *, done: int) -> int:
    """Write a move of a run, in the transaction that is open."""
    shown = Event(RunState.PROCESSING, Stage.PREPARING, {}, done)
    return int(
        await connection.fetchval(
            WRITE, run["id"], run["tenant_id"], msgspec.json.encode(shown).decode()
        )
    )


async def begun_run(relay: Relay, tenant: str) -> Any:
    token = await relay.add_tenant(tenant)
    run_id = (await begin(relay, token, Plan("clip", (CLIP,)))).id
    return await relay.row("SELECT id, tenant_id FROM runs WHERE id = $1", run_id)


async def test_a_move_that_is_committed_late_is_read_before_those_behind_it(relay: Relay) -> None:
    """While the first of two transactions is open, what the second wrote is not read either."""
    run = await begun_run(relay, "late-move")
    pool = relay.parts.runs.feed.pool
    async with writer(relay) as slow, writer(relay) as quick:
        after = await newest(pool)
        at_slow = slow.transaction()
        await at_slow.start()
        first = await write(slow, run, done=1)
        second = await write(quick, run, done=2)
        early = await read_moves(pool, after, limit=100)
        await at_slow.commit()
        moves = await read_moves(pool, after, limit=100)

    assert early == []
    assert [move.id for move in moves] == [first, second]


async def test_a_stream_that_begins_is_told_what_was_open_then_and_not_what_it_saw(
    relay: Relay,
) -> None:
    """Of two moves around its first reading, the committed one is in it, and the other comes."""
    run = await begun_run(relay, "begins")
    feed = relay.parts.runs.feed
    async with writer(relay) as slow, writer(relay) as quick:
        following = await feed.follow(run["tenant_id"])
        try:
            at_slow = slow.transaction()
            await at_slow.start()
            late = await write(slow, run, done=1)
            await write(quick, run, done=0)
            await following.begin(run["id"])
            await at_slow.commit()

            told = await following.next()
        finally:
            feed.leave(following)

    assert told.cursor is not None
    assert told.cursor.id == late
