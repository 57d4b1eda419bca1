"""What follows a task's life: one row per move and follower, handled outside the money.

A submit names its followers (`tasks.follows`), FINISH and RECORD write the rows, and workers claim
them: whatever a follower does or fails to do, the charge is committed already. A follower hears of
each move at least once, and of one task's moves in their order: while one fails, the later ones of
its task wait.

Who only reads, such as a stream of events, claims nothing and walks `read_moves`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import msgspec
import structlog

from relay.database.driver import Pool, Record
from relay.database.faults import log_failure
from relay.database.ids import TaskId

log = structlog.get_logger()

LEASE_S = 60
FOLLOWER_TIMEOUT_S = 30.0
"""Well within the lease: a follower that hangs is stopped before another worker has its row."""
PAUSE_MAX_S = 3600.0
FOLLOWED_AT_ONCE = 50
"""Of each follower, so that one that hangs holds up nobody but itself."""
LOOKED_AT_MAX = 4000
"""By one claim, where all that is due has to wait."""
NAME = re.compile(r"[a-z][a-z0-9_.:-]{0,63}")
"""Of a follower: short, since an index refuses a row with a long one, and without commas, which
part the names in a row of HOLD."""

CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT id, task_id, next_attempt_at FROM outbox
    WHERE follower = $2 AND done_at IS NULL AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT $3
    FOR UPDATE SKIP LOCKED
),
judged AS MATERIALIZED (
    -- The moves of one task in their order: what comes too early is put off as its first one is, so
    -- that the rows behind a failing one are not read again by every claim.
    SELECT d.id, d.next_attempt_at, (
        SELECT CASE WHEN b.lease IS NULL
               THEN greatest(b.next_attempt_at, now() + interval '1 second')
               ELSE now() + interval '1 second' END
        FROM outbox b
        WHERE b.task_id = d.task_id AND b.follower = $2 AND b.done_at IS NULL AND b.id < d.id
        ORDER BY b.id LIMIT 1
    ) AS waits_until
    FROM due d
),
placed AS MATERIALIZED (
    SELECT id, waits_until,
        row_number() OVER (PARTITION BY waits_until IS NULL ORDER BY next_attempt_at) AS place
    FROM judged
)
UPDATE outbox o
SET next_attempt_at = coalesce(p.waits_until, now() + {LEASE_S} * interval '1 second'),
    attempts = o.attempts + CASE WHEN p.waits_until IS NULL THEN 1 ELSE 0 END,
    lease = CASE WHEN p.waits_until IS NULL THEN gen_random_uuid() END
FROM placed p
WHERE o.id = p.id AND (p.waits_until IS NOT NULL OR p.place <= $1)
RETURNING o.id, o.task_id, o.follower, o.state, o.attempts, o.lease
"""  # noqa: S608 (composed of constants)
"""Lease at most $1 rows of follower $2, of $3 that are due.

What is put off comes back as well, without a lease.
"""

COMPLETE = "UPDATE outbox SET done_at = now(), lease = NULL WHERE id = $1 AND lease = $2"
"""Fenced by the lease: a worker that slept past it changes nothing."""

PUT_OFF = """
UPDATE outbox SET next_attempt_at = now() + $3::float8 * interval '1 second', lease = NULL
WHERE id = $1 AND lease = $2
"""

READ = """
SELECT o.id, o.xact::text::bigint AS xact, o.task_id, o.follower, o.state
FROM outbox o
WHERE o.follower = $3 AND (o.xact, o.id) > ($1::text::xid8, $2::bigint)
    AND o.xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY o.xact, o.id LIMIT $4
"""
"""Ids are drawn before a commit and become visible in any order. What is older than every running
transaction is whole: nothing can appear before it any more."""

NEWEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS xact"


def spell_follows(names: Sequence[str]) -> str:
    """Spell followers' names for a row of HOLD.

    Raises:
        ValueError: a name is given twice, or is none.
    """
    if len(set(names)) < len(names):
        raise ValueError(f"followers are named twice: {names!r}")
    for name in names:
        if NAME.fullmatch(name) is None:
            raise ValueError(f"not a follower's name: {name!r}")
    return ",".join(names)


class Move(msgspec.Struct, frozen=True):
    """One move of a followed task."""

    id: int
    """Grows with the moves of one task; of two tasks it says nothing."""
    task_id: TaskId
    follower: str
    state: str
    attempt: int = 1
    lease: UUID | None = None


class Cursor(msgspec.Struct, frozen=True):
    """How far a reader has read: a transaction, and a row of it.

    Of one Postgres: one that is restored from a dump counts its transactions from the start again,
    so a cursor that is kept outside of it must not outlive it.
    """

    xact: int = 0
    id: int = 0


Follower = Callable[[Move], Awaitable[None]]
"""Handles one move, at least once each; if it raises or takes too long, the move comes again."""


class Outbox:
    """Hands moves to the followers that this process knows."""

    def __init__(
        self,
        pool: Pool,
        followers: Mapping[str, Follower],
        *,
        timeout_s: float = FOLLOWER_TIMEOUT_S,
    ) -> None:
        """`followers`: by the names that submits give."""
        self._pool = pool
        self._followers = dict(followers)
        self._timeout_s = timeout_s

    @property
    def followers(self) -> tuple[str, ...]:
        return tuple(self._followers)

    async def claim_due(self, follower: str, limit: int) -> list[Move]:
        """Take moves that are due; no other worker gets them while the lease lasts."""
        looked_at = limit
        while True:
            records = await self._pool.fetch(CLAIM, limit, follower, looked_at)
            moves = [_claimed(record) for record in records if record["lease"] is not None]
            if moves or len(records) < looked_at:
                return moves
            # All of them wait for others; behind a follower's long outage so do the next thousands.
            looked_at = min(4 * looked_at, LOOKED_AT_MAX)

    async def handle(self, move: Move) -> None:
        """Give a move to its follower; if that fails, it comes again after a growing pause."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._followers[move.follower](move)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(
                log,
                "outbox.follower_failed",
                error,
                id=move.task_id,
                follower=move.follower,
                attempt=move.attempt,
            )
            await self._pool.execute(PUT_OFF, move.id, move.lease, pause_s(move.attempt))
            return
        await self._pool.execute(COMPLETE, move.id, move.lease)


def pause_s(attempt: int) -> float:
    """Say how long a move rests after an attempt that failed: 2 s, then twice as long each time."""
    return float(min(2 ** min(attempt, 16), PAUSE_MAX_S))


def _claimed(record: Record) -> Move:
    return Move(
        id=record["id"],
        task_id=record["task_id"],
        follower=record["follower"],
        state=record["state"],
        attempt=record["attempts"],
        lease=record["lease"],
    )


async def newest(pool: Pool) -> Cursor:
    """Make the cursor behind all that a reader could have read by now."""
    record = await pool.fetchrow(NEWEST)
    assert record is not None, "it reads no table"
    return Cursor(xact=record["xact"], id=2**63 - 1)


async def read_moves(
    pool: Pool, follower: str, after: Cursor, *, limit: int
) -> tuple[Sequence[Move], Cursor]:
    """Read what a follower was told after a cursor, in the order of its transactions.

    What an open transaction may yet precede is left for the next call. Two moves of one task come
    in the opposite order if the statement of the later one took its number first and then waited
    for the task: `Move.id` tells.
    """
    records = await pool.fetch(READ, str(after.xact), after.id, follower, limit)
    moves = [
        Move(
            id=record["id"],
            task_id=record["task_id"],
            follower=record["follower"],
            state=record["state"],
        )
        for record in records
    ]
    if not records:
        return moves, after
    return moves, Cursor(xact=records[-1]["xact"], id=records[-1]["id"])
