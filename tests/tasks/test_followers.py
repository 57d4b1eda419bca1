"""Several workers, dead workers, followers that fail or hang: no move is lost or held up for ever.

The rows stand here without their tasks, as FINISH and RECORD write them.
"""

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from relay.database.engine import dsn, open_engine, open_pool, open_sessions
from relay.kling.catalogue import Catalogue
from relay.parts import open_parts
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings
from relay.tasks.outbox import PAUSE_MAX_S, Follower, Move, Outbox, pause_s
from relay.worker.chores import forget_raw
from relay.worker.sweep import sweep
from tests.waiting import play_slow, settle_for, wait_until

STATES = ("submitted", "processing", "succeed")
TELL = """
INSERT INTO outbox (task_id, follower, state)
SELECT n, $1, s.state
FROM generate_series(1, $2::int) n
    CROSS JOIN unnest($3::text[]) WITH ORDINALITY AS s (state, place)
ORDER BY s.place, n
"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Any]:
    pool = await open_pool(database_url)
    yield pool
    await pool.close()


async def tell(pool: Any, follower: str, tasks: int, states: tuple[str, ...] = STATES) -> None:
    """Write the moves of tasks 1 and up: all first ones, then all second ones."""
    await pool.execute(TELL, follower, tasks, list(states))


async def undone(pool: Any) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM outbox WHERE done_at IS NULL"))


async def is_done(pool: Any) -> bool:
    return await undone(pool) == 0


async def end_pauses(pool: Any) -> None:
    """Let all leases and pauses be over."""
    await pool.execute("UPDATE outbox SET next_attempt_at = now() WHERE done_at IS NULL")


class Heard:
    """A follower that keeps what it heard; `act` may fail or wait in the midst of it."""

    def __init__(self, act: Callable[[Move], Awaitable[None]] | None = None) -> None:
        self._act = act
        self.moves: list[Move] = []
        self.under_way: Counter[int] = Counter()
        self.at_once_max = 0
        """Of one row."""

    async def __call__(self, move: Move) -> None:
        self.under_way[move.id] += 1
        self.at_once_max = max(self.at_once_max, self.under_way[move.id])
        try:
            await asyncio.sleep(0)
            if self._act is not None:
                await self._act(move)
        finally:
            self.under_way[move.id] -= 1
        self.moves.append(move)

    def states(self, task: int) -> list[str]:
        return [move.state for move in self.moves if move.task_id == task]


@asynccontextmanager
async def working(outbox: Outbox, *, at_once: int = 50) -> AsyncIterator[None]:
    """The loops of one worker, as `Loops` has them."""
    loops = [
        asyncio.create_task(
            sweep(
                name,
                lambda limit, name=name: outbox.claim_due(name, limit),  # type: ignore[misc]  # a default of a lambda
                outbox.handle,
                at_once=at_once,
                idle_s=0.02,
            )
        )
        for name in outbox.followers
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def once(outbox: Outbox, follower: str = "one", limit: int = 50) -> list[Move]:
    """One round: claim what is due, and handle it."""
    moves = await outbox.claim_due(follower, limit)
    await asyncio.gather(*map(outbox.handle, moves))
    return moves


async def test_each_follower_hears_of_each_move_in_order(pool: Any) -> None:
    """Two followers, twenty tasks, three moves each; afterwards nothing is due."""
    one, two = Heard(), Heard()
    for name in ("one", "two"):
        await tell(pool, name, 20)

    async with working(Outbox(pool, {"one": one, "two": two})):
        await wait_until(lambda: is_done(pool))

    for heard in (one, two):
        assert [heard.states(task) for task in range(1, 21)] == [list(STATES)] * 20
    assert {move.attempt for move in one.moves + two.moves} == {1}


async def test_two_workers_never_handle_one_row_at_once(pool: Any) -> None:
    """Four workers over 200 tasks of two moves: each row is handled once, each task in order."""

    async def wait_a_little(_: Move) -> None:
        await play_slow(0.002)

    heard = Heard(wait_a_little)
    await tell(pool, "one", 200, ("submitted", "succeed"))

    async with AsyncExitStack() as workers:
        for _ in range(4):
            await workers.enter_async_context(working(Outbox(pool, {"one": heard})))
        await wait_until(lambda: is_done(pool))

    assert len(heard.moves) == len({move.id for move in heard.moves}) == 400
    assert heard.at_once_max == 1
    assert all(heard.states(task) == ["submitted", "succeed"] for task in range(1, 201))


async def test_claims_at_the_same_time_share_nothing(pool: Any) -> None:
    """Eight claims of ten rows at once, of 60 tasks with two moves: no row and no task twice."""
    await tell(pool, "one", 60, ("submitted", "succeed"))
    outbox = Outbox(pool, {})

    claimed = await asyncio.gather(*(outbox.claim_due("one", 10) for _ in range(8)))

    tasks = [move.task_id for moves in claimed for move in moves]
    assert len(tasks) == len(set(tasks)) > 0
    assert {move.state for moves in claimed for move in moves} == {"submitted"}


async def test_the_next_move_waits_while_the_one_before_it_is_under_way(pool: Any) -> None:
    """However many claim: it is told when the first is done, and by whichever worker."""
    heard = Heard()
    outbox = Outbox(pool, {"one": heard})
    await tell(pool, "one", 1)
    (first,) = await outbox.claim_due("one", 50)

    meanwhile = [await outbox.claim_due("one", 50) for _ in range(3)]
    await end_of_waits(pool)
    after_their_wait = await outbox.claim_due("one", 50)
    await outbox.handle(first)
    await end_of_waits(pool)
    second = await once(outbox)

    assert meanwhile == [[], [], []]
    assert after_their_wait == []
    assert [move.state for move in second] == ["processing"]


async def end_of_waits(pool: Any) -> None:
    """Let those that wait for an earlier move be due again; no lease ends."""
    await pool.execute(
        "UPDATE outbox SET next_attempt_at = now() WHERE done_at IS NULL AND lease IS NULL"
    )


async def test_another_worker_takes_over_from_one_that_died(pool: Any) -> None:
    """It died between its claim and the end: nothing comes before the lease is over, then all."""
    heard = Heard()
    outbox = Outbox(pool, {"one": heard})
    await tell(pool, "one", 3, ("succeed",))
    died = await outbox.claim_due("one", 50)

    early = await once(outbox)
    lease = await pool.fetchval(
        "SELECT extract(epoch FROM min(next_attempt_at) - now())::float8 FROM outbox"
    )
    await end_pauses(pool)
    late = await once(outbox)

    assert (len(died), len(early), len(late)) == (3, 0, 3)
    assert 50 < lease <= 60
    assert {move.attempt for move in heard.moves} == {2}
    assert await undone(pool) == 0


async def test_a_worker_that_slept_past_its_lease_changes_nothing(pool: Any) -> None:
    """Neither its success nor its failure: the other one that has the row now goes on."""

    await tell(pool, "one", 2, ("succeed",))
    sleeper = await Outbox(pool, {}).claim_due("one", 50)
    await end_pauses(pool)
    other = await Outbox(pool, {}).claim_due("one", 50)
    before = await pool.fetch("SELECT * FROM outbox ORDER BY id")

    await Outbox(pool, {"one": Heard()}).handle(sleeper[0])
    await Outbox(pool, {"one": fail}).handle(sleeper[1])

    assert await pool.fetch("SELECT * FROM outbox ORDER BY id") == before
    await asyncio.gather(*map(Outbox(pool, {"one": Heard()}).handle, other))
    assert await undone(pool) == 0


async def test_a_follower_that_fails_hears_of_it_again(pool: Any, logged: io.StringIO) -> None:
    """Twice in vain, then done; the pauses grow, and the task's later moves wait behind it."""
    pauses: list[float] = []

    async def fail_twice(move: Move) -> None:
        if move.state == "submitted" and move.attempt < 3:
            raise RuntimeError("the follower is broken")

    heard = Heard(fail_twice)
    outbox = Outbox(pool, {"one": heard})
    await tell(pool, "one", 1, ("submitted", "succeed"))

    for _ in range(2):
        await once(outbox)
        assert await once(outbox) == []
        pauses.append(
            await pool.fetchval(
                "SELECT extract(epoch FROM next_attempt_at - now())::float8"
                " FROM outbox WHERE state = 'submitted'"
            )
        )
        await end_pauses(pool)
    await once(outbox)
    await end_of_waits(pool)
    await once(outbox)

    assert [round(one) for one in pauses] == [2, 4]
    assert logged.getvalue().count('"outbox.follower_failed"') == 2
    assert [(move.state, move.attempt) for move in heard.moves] == [
        ("submitted", 3),
        ("succeed", 1),
    ]
    assert await undone(pool) == 0


def test_pauses_grow_to_an_hour_and_no_further() -> None:
    """Whatever the number of attempts, also one that no float can be raised to."""
    assert [pause_s(attempt) for attempt in (1, 2, 3, 11)] == [2, 4, 8, 2048]
    assert {pause_s(attempt) for attempt in (12, 100, 2000, 10**9)} == {PAUSE_MAX_S}


async def hang(_: Move) -> None:
    await asyncio.Event().wait()


async def fail(_: Move) -> None:
    raise RuntimeError("the follower is broken")


async def test_a_follower_that_hangs_or_fails_holds_up_no_other(
    pool: Any, logged: io.StringIO
) -> None:
    """Ten of forty moves hang, forty fail; meanwhile another follower hears of all its own."""
    heard = Heard()
    followers: dict[str, Follower] = {"hanging": hang, "failing": fail, "quick": heard}
    for name in followers:
        await tell(pool, name, 40, ("succeed",))

    async with working(Outbox(pool, followers), at_once=10):
        await wait_until(lambda: has_heard(heard, 40))
        await wait_until(lambda: has_tried_all(pool, "failing"))

    tried = await pool.fetch(
        "SELECT follower, count(*) FROM outbox WHERE attempts > 0 GROUP BY follower"
    )
    assert dict(tried) == {"hanging": 10, "failing": 40, "quick": 40}
    assert await undone(pool) == 80
    assert "the follower is broken" in logged.getvalue()


async def test_a_follower_that_hangs_is_stopped(pool: Any, logged: io.StringIO) -> None:
    """Its move is put off like one that failed, long before its lease is over."""
    await tell(pool, "hanging", 1, ("succeed",))

    await once(Outbox(pool, {"hanging": hang}, timeout_s=0.05), "hanging")

    row = await pool.fetchrow("SELECT lease, done_at, attempts FROM outbox")
    assert tuple(row) == (None, None, 1)
    assert "TimeoutError" in logged.getvalue()


async def has_heard(heard: Heard, count: int) -> bool:
    return len(heard.moves) == count


async def has_tried_all(pool: Any, follower: str) -> bool:
    return not await pool.fetchval(
        "SELECT EXISTS (SELECT FROM outbox WHERE follower = $1 AND attempts = 0)", follower
    )


async def test_nobody_claims_what_no_follower_is_known_for(pool: Any) -> None:
    """Another process may know it: its rows stay as they are."""
    await tell(pool, "elsewhere", 5)

    async with working(Outbox(pool, {"one": Heard()})):
        await settle_for(0.1, because="its rows would be claimed by then")

    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE attempts = 0") == 15


async def test_rows_that_wait_behind_a_failing_one_are_not_read_again_by_each_claim(
    pool: Any,
) -> None:
    """Three hundred tasks whose first move is put off for an hour: a claim puts the 600 behind off
    as long, and the one after it, in which a new task's move comes, reads a page or two."""
    await tell(pool, "one", 300)
    await pool.execute(
        "UPDATE outbox SET attempts = 20, next_attempt_at = now() + interval '1 hour'"
        " WHERE state = 'submitted'"
    )
    outbox = Outbox(pool, {"one": Heard()})

    nothing = await outbox.claim_due("one", 10)
    behind = await pool.fetchval(
        "SELECT count(*) FROM outbox WHERE next_attempt_at > now() + interval '59 minutes'"
    )
    await pool.execute(
        "INSERT INTO outbox (task_id, follower, state) VALUES (301, 'one', 'failed')"
    )
    found = await outbox.claim_due("one", 10)

    assert nothing == []
    assert behind == 900
    assert [move.task_id for move in found] == [301]
    untried = await pool.fetchval(
        "SELECT bool_and(attempts = 0) FROM outbox WHERE state <> 'failed' AND state <> 'submitted'"
    )
    assert untried


async def test_the_loops_sweep_for_each_follower(database_url: str) -> None:
    """A process that knows two followers hands each its own; one without any sweeps nothing."""
    one, two = Heard(), Heard()
    settings, keys = Settings(), KeyRing.parse(new_secret_key())
    async with open_parts(
        settings,
        database_url=database_url,
        keys=keys,
        catalogue=Catalogue.with_added(()),
        followers={"one": one, "two": two},
    ) as parts:
        await tell(parts.store.pool, "one", 2)
        await tell(parts.store.pool, "two", 2)
        loops = asyncio.create_task(parts.loops.run())
        await wait_until(lambda: is_done(parts.store.pool))
        loops.cancel()
        await asyncio.gather(loops, return_exceptions=True)

    for heard in (one, two):
        assert [heard.states(task) for task in (1, 2)] == [list(STATES)] * 2


async def test_old_moves_are_forgotten(pool: Any, database_url: str, logged: io.StringIO) -> None:
    """Of 2,500 old ones all go, done or not; those that failed all the time are named; new stay."""
    await tell(pool, "read-only", 1000, ("succeed",))
    await tell(pool, "failing", 500, ("succeed",))
    await tell(pool, "done", 1000, ("succeed",))
    await pool.execute(
        "UPDATE outbox SET created_at = now() - interval '31 days',"
        " attempts = CASE follower WHEN 'read-only' THEN 0 ELSE 9 END,"
        " done_at = CASE follower WHEN 'done' THEN now() END"
    )
    await tell(pool, "failing", 1, ("succeed",))
    engine = open_engine(database_url)

    await forget_raw(open_sessions(engine), days=30)
    await engine.dispose()

    left = await pool.fetch("SELECT follower, attempts FROM outbox")
    assert [tuple(row) for row in left] == [("failing", 0)]
    given_up = [line for line in logged.getvalue().splitlines() if "outbox.given_up" in line]
    assert len(given_up) == 1
    assert "failing" in given_up[0]
    assert "500" in given_up[0]


async def test_a_connection_that_breaks_loses_no_move(pool: Any, database_url: str) -> None:
    """The database throws out every session while moves are handled; the leases bring them back."""
    heard = Heard()
    outbox = Outbox(pool, {"one": heard})
    await tell(pool, "one", 5, ("succeed",))
    moves = await outbox.claim_due("one", 50)
    admin = await asyncpg.connect(dsn(database_url))
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    await asyncio.gather(*map(outbox.handle, moves), return_exceptions=True)
    await end_pauses(admin)
    await wait_until(lambda: _drained(outbox, admin))
    await admin.close()

    assert {move.task_id for move in heard.moves} == {1, 2, 3, 4, 5}


async def _drained(outbox: Outbox, admin: Any) -> bool:
    await asyncio.gather(once(outbox), return_exceptions=True)
    await end_pauses(admin)
    return await is_done(admin)
