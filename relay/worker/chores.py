"""What is done now and then: recompute the books, forget raw replies and callbacks."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from sqlalchemy import text

from relay.database.engine import Sessions
from relay.database.faults import end_if_cancelled, log_failure
from relay.ledger.audits import note_audit
from relay.ledger.entries import BY_RELAY
from relay.ledger.invariants import SNAPSHOT
from relay.usage.audit import audit_all

log = structlog.get_logger()

FORGET_EVERY_S = 3600.0
FORGOTTEN_AT_ONCE = 1000
AUDIT_LOCK = 0x6175646974  # "audit": one replica recomputes at a time, the others skip their turn

FORGET_ATTEMPTS = """
DELETE FROM delivery_attempts WHERE (delivery_id, number) IN (
    SELECT delivery_id, number FROM delivery_attempts
    WHERE at < now() - :days * interval '1 day' ORDER BY at LIMIT :at_once
)
"""

FORGET_EVENTS = """
DELETE FROM task_events WHERE id IN (
    SELECT id FROM task_events
    WHERE created_at < now() - :days * interval '1 day' AND body IS NOT NULL
    ORDER BY created_at LIMIT :at_once
)
"""

FORGET_MOVES = """
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox
    WHERE created_at < now() - :days * interval '1 day' ORDER BY created_at LIMIT :at_once
)
"""
"""Those too that are not done: of followers that only read none ever is."""

GIVEN_UP = """
SELECT follower, count(*) AS moves FROM outbox
WHERE created_at < now() - :days * interval '1 day' AND done_at IS NULL
GROUP BY follower HAVING max(attempts) > 0
"""
"""With those that waited behind one on which the follower failed, and were never tried."""


FORGET_KEYS = """
UPDATE channels c SET access_key = NULL, secret_key_sealed = NULL, api_key_sealed = NULL,
    webhook_secret_sealed = NULL, proxy_password_sealed = NULL
WHERE removed_at < now() - interval '1 day'
    AND coalesce(access_key, api_key_sealed, webhook_secret_sealed) IS NOT NULL
    AND NOT EXISTS (SELECT FROM tasks WHERE channel_id = c.id AND hold_ended_at IS NULL)
    AND NOT EXISTS (SELECT FROM tasks WHERE channel_id = c.id AND next_look_at IS NOT NULL)
"""
"""Of removed channels; a day later, since a submit may have chosen one just before."""


async def repeat(name: str, chore: Callable[[], Awaitable[None]], *, every_s: float) -> None:
    """Run a chore until cancelled; one that fails is logged and tried again at its next turn."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await chore()
        except Exception as error:  # noqa: BLE001 (told in the log)
            end_if_cancelled(error)
            log_failure(log, "chore.failed", error, chore=name)


async def check_books(sessions: Sessions) -> None:
    """Recompute the books and say what differs, as errors for whoever is on call."""
    async with sessions() as session:
        # Before the lock's own query, after which it could not be said. One session for both: a
        # process has few connections, and an audit of large books takes minutes.
        await session.execute(text(SNAPSHOT))
        if not await session.scalar(text(f"SELECT pg_try_advisory_xact_lock({AUDIT_LOCK})")):
            return
        report = await audit_all(session)
    for difference in report.differences:
        log.error("audit.differs", **msgspec.structs.asdict(difference))
    log.info("audit.done", ok=report.ok, accounts=report.accounts, tasks=report.tasks)
    async with sessions.begin() as session:
        await note_audit(session, report, actor=BY_RELAY)


async def forget_raw(sessions: Sessions, *, days: int) -> None:
    """Delete raw replies, callbacks, attempts and moves older than this.

    A thousand to a transaction. Keys of removed channels are erased too, after a day. Moves that a
    follower failed on all the time are named in the log.
    """
    async with sessions.begin() as session:
        await session.execute(text(FORGET_KEYS))
    async with sessions() as session:
        for row in await session.execute(text(GIVEN_UP), {"days": days}):
            log.error("outbox.given_up", follower=row.follower, moves=row.moves)
    for statement in (FORGET_EVENTS, FORGET_ATTEMPTS, FORGET_MOVES):
        deleted = FORGOTTEN_AT_ONCE
        while deleted == FORGOTTEN_AT_ONCE:
            async with sessions.begin() as session:
                result = await session.execute(
                    text(statement), {"days": days, "at_once": FORGOTTEN_AT_ONCE}
                )
            deleted = result.rowcount  # type: ignore[attr-defined]  # a CursorResult
