"""What follows a task's life: one row per move and follower, handled outside the money.

A submit names its followers (`tasks.follows`), FINISH and RECORD write the rows, and workers claim
them: whatever a follower does or fails to do, the charge is committed already. A follower hears of
each move at least once, and of one task's moves in their order as long as it succeeds.

Who only reads, such as a stream of events, claims nothing and walks `read_moves`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import msgspec
import structlog

from relay.database.driver import Pool
from relay.database.ids import TaskId

log = structlog.get_logger()

LEASE_S = 60
"""Longer than any follower takes; a worker that dies leaves its rows to others after that."""
PAUSE_MAX_S = 3600.0
FOLLOWED_AT_ONCE = 50

CLAIM = f"""
UPDATE outbox o
SET next_attempt_at = now() + {LEASE_S} * interval '1 second', attempts = o.attempts + 1,
    lease = gen_random_uuid()
FROM (
    SELECT d.id FROM outbox d
    WHERE d.done_at IS NULL AND d.next_attempt_at <= now() AND d.follower = ANY($2)
        -- The moves of one task in their order: the one before it is done.
        AND 0 = (
            SELECT count(*) FROM outbox b
            WHERE b.task_id = d.task_id AND b.follower = d.follower AND b.done_at IS NULL
                AND b.id < d.id
        )
    ORDER BY d.next_attempt_at LIMIT $1
    FOR UPDATE SKIP LOCKED
) due
WHERE o.id = due.id
RETURNING o.id, o.task_id, o.follower, o.state, o.attempts, o.lease
"""  # noqa: S608 (composed of constants)

COMPLETE = "UPDATE outbox SET done_at = now(), lease = NULL WHERE id = $1 AND lease = $2"
"""Fenced by the lease: a worker that slept past it changes nothing."""

PUT_OFF = """
UPDATE outbox SET next_attempt_at = now() + $3::float8 * interval '1 second', lease = NULL
WHERE id = $1 AND lease = $2
"""

READ = """
SELECT id, xact::text::bigint AS xact, task_id, follower, state FROM outbox
WHERE (xact, id) > ($1::text::xid8, $2::bigint) AND xact < pg_snapshot_xmin(pg_current_snapshot())
    AND follower = $3
ORDER BY xact, id LIMIT $4
"""
"""Ids are drawn before a commit and become visible in any order. What is older than every running
transaction is whole: nothing can appear before it any more."""

NEWEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS xact"


class Move(msgspec.Struct, frozen=True):
    """One move of a followed task."""

    id: int
    task_id: TaskId
    follower: str
    state: str
    attempt: int = 1
    lease: UUID | None = None


class Cursor(msgspec.Struct, frozen=True):
    """How far a reader has read: a transaction, and a row of it."""

    xact: int = 0
    id: int = 0


Follower = Callable[[Move], Awaitable[None]]
"""Handles one move; whatever it raises, the move comes again later."""


class Outbox:
    """Hands moves to the followers that this process knows."""

    def __init__(self, pool: Pool, followers: Mapping[str, Follower]) -> None:
        """`followers`: by the names that submits give. A name has no comma."""
        assert not any("," in name for name in followers), "a comma parts the names of a submit"
        self._pool = pool
        self._followers = dict(followers)

    @property
    def has_followers(self) -> bool:
        return bool(self._followers)

    async def claim_due(self, limit: int) -> list[Move]:
        """Take moves that are due; no other worker gets them while the lease lasts."""
        records = await self._pool.fetch(CLAIM, limit, list(self._followers))
        return [
            Move(
                id=record["id"],
                task_id=record["task_id"],
                follower=record["follower"],
                state=record["state"],
                attempt=record["attempts"],
                lease=record["lease"],
            )
            for record in records
        ]

    async def handle(self, move: Move) -> None:
        """Give a move to its follower; if that fails, it comes again after a growing pause."""
        try:
            await self._followers[move.follower](move)
        except Exception:
            log.exception("outbox.follower_failed", id=move.task_id, follower=move.follower)
            pause_s = min(float(2**move.attempt), PAUSE_MAX_S)
            await self._pool.execute(PUT_OFF, move.id, move.lease, pause_s)
            return
        await self._pool.execute(COMPLETE, move.id, move.lease)


async def newest(pool: Pool) -> Cursor:
    """Make the cursor behind all that a reader could have read by now."""
    record = await pool.fetchrow(NEWEST)
    assert record is not None, "it reads no table"
    return Cursor(xact=record["xact"], id=2**63 - 1)


async def read_moves(
    pool: Pool, follower: str, after: Cursor, *, limit: int
) -> tuple[Sequence[Move], Cursor]:
    """Read what a follower was told after a cursor, in the order of its transactions.

    What an open transaction may yet precede is left for the next call.
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
