"""Moves of runs, read while others are written: what is committed late is not lost."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec

from relay.runs.followed import Place, read_moves
from relay.runs.plan import Plan
from relay.runs.stages import Event, Stage
from relay.runs.tables import RunState
from relay.tasks.outbox import newest
from tests.relay_app import Relay, bearer
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
            await write(quick, run, done=0)
            late = await write(slow, run, done=1)
            await following.begin(run["id"])
            await at_slow.commit()

            told = await following.next()
        finally:
            feed.leave(following)

    assert told.cursor is not None
    assert told.cursor.id == late


async def test_who_follows_is_told_of_the_runs_of_its_tenant_alone(relay: Relay) -> None:
    """As they happen, as they stand, and what it missed; streams and sockets are told by this."""
    runs = [await begun_run(relay, name) for name in ("follows", "is-followed")]
    feed = relay.parts.runs.feed
    since = Place(await newest(feed.pool), 0)
    followings = [await feed.follow(run["tenant_id"]) for run in runs]
    try:
        async with writer(relay) as quick:
            for done, run in enumerate(reversed(runs)):
                await write(quick, run, done=done)
        told = [await following.next() for following in followings]
        standing = [(await following.begin())[0] for following in followings]
        missed = [[one async for one in following.missed(since)] for following in followings]
    finally:
        for following in followings:
            feed.leave(following)
    other = await relay.row("SELECT public_id FROM runs WHERE id = $1", runs[0]["id"])
    asked = await relay.client.get(
        f"/api/kling/ai-task/{other['public_id']}/events",
        headers=bearer(await relay.add_tenant("listens")),
    )

    ids = [run["id"] for run in runs]
    assert [one.seen.run.id for one in told] == ids
    assert [[one.seen.run.id for one in of_one] for of_one in standing] == [[id_] for id_ in ids]
    assert [{one.seen.run.id for one in of_one} for of_one in missed] == [{id_} for id_ in ids]
    assert (asked.status_code, asked.json()["error_message"]) == (400, "Task not found")


async def test_what_a_second_beginning_holds_is_not_told_behind_it(relay: Relay) -> None:
    """One that followed one task begins anew with all: only what came after that is told."""
    run = await begun_run(relay, "begins-twice")
    feed = relay.parts.runs.feed
    async with writer(relay) as quick:
        following = await feed.follow(run["tenant_id"])
        try:
            await following.begin(run["id"])
            await write(quick, run, done=0)
            await following.begin()
            last = await write(quick, run, done=1)

            told = await following.next()
        finally:
            feed.leave(following)

    assert told.cursor is not None
    assert told.cursor.id == last
