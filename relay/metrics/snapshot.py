"""The business as the database has it: all figures of one moment, read together.

Each is a walk along an index that holds only what is asked for, so that it costs what is open, due
or entered by hand, and not what there ever was.
"""

import time
from typing import Any, NamedTuple

from relay.database.driver import Connection, Pool, Record
from relay.health.statements import USABLE
from relay.ledger.invariants import SNAPSHOT
from relay.tasks.queue.read import LINEUP

TIMEOUT_S = 5
LATE_S = 60.0
"""What a worker does at its moment is late after that: none may be alive."""

LIMITS = f"""
SELECT set_config('statement_timeout', '{TIMEOUT_S}s', true), set_config('jit', 'off', true),
    set_config('enable_seqscan', 'off', true)
"""
"""Of its transaction. A plan made while tables are small would be kept."""

OPEN = """
SELECT t.channel_id, t.pack, t.state, count(*) AS tasks, sum(t.slots)::bigint AS slots,
    extract(epoch FROM now() - min(t.created_at))::float8 AS oldest_s,
    count(*) FILTER (WHERE t.state = 'unknown' OR t.state = 'pending'
                     AND t.submit_deadline_at < now()) AS in_doubt,
    extract(epoch FROM now() - min(t.created_at) FILTER (
        WHERE t.state = 'unknown' OR t.state = 'pending' AND t.submit_deadline_at < now()
    ))::float8 AS doubt_s
FROM tasks t WHERE t.hold_ended_at IS NULL
GROUP BY t.channel_id, t.pack, t.state
"""
LATE_LOOKS = """
SELECT count(*) AS looks FROM tasks WHERE next_look_at < now() - $1 * interval '1 second'
"""
FLAGGED = "SELECT count(*) AS tasks FROM tasks WHERE is_flagged"
DUE = """
SELECT count(*) AS due, count(*) FILTER (WHERE next_attempt_at < now()) AS overdue,
    coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)::float8 AS late_s
FROM deliveries WHERE state = 'due'
"""
DEAD = "SELECT count(*) AS dead FROM deliveries WHERE state = 'dead'"
BUT_CHARGES = """
SELECT kind, sum(amount_micros) AS micros FROM entries WHERE kind <> 'charge' GROUP BY kind
"""
"""Charges are by far the most. What they come to is what is missing from the quotas. Sums of micros
are numeric, since they may not fit where one account's does."""
ACCOUNTS = """
SELECT coalesce(sum(quota_micros), 0) AS quota_micros,
    coalesce(sum(credit_micros), 0) AS credit_micros,
    coalesce(-sum(quota_micros) FILTER (WHERE quota_micros < 0), 0) AS owed_micros,
    coalesce(sum(held_micros), 0) AS held_micros,
    coalesce(sum(open_holds), 0)::bigint AS holds,
    count(*) FILTER (WHERE quota_micros + credit_micros < 0) AS overdrawn
FROM accounts
"""
CHANNELS = """
SELECT id, name, enabled, is_draining, room::text AS room,
    extract(epoch FROM callback_at)::float8 AS callback_at
FROM channels WHERE removed_at IS NULL
"""
CONDITIONS = "SELECT channel_id, pack, model, state, room FROM channel_conditions"
UNITS = f"""
SELECT channel_id, kind, coalesce(sum(remaining) FILTER (WHERE {USABLE}), 0)::float8 AS remaining,
    extract(epoch FROM min(expires_at) FILTER (WHERE {USABLE}))::float8 AS expires_at
FROM channel_packs GROUP BY channel_id, kind
"""  # noqa: S608 (composed of constants)
LAST_AUDIT = """
SELECT extract(epoch FROM read_at)::float8 AS at, differences, drift_micros
FROM audits ORDER BY read_at DESC LIMIT 1
"""
LAST_BACKUP = """
SELECT extract(epoch FROM max(made_at))::float8 AS at FROM backups WHERE error IS NULL
"""
PAUSES = """
SELECT count(*) AS pauses FROM pauses
WHERE ended_at IS NULL AND (until IS NULL OR until > now())
"""


class Snapshot(NamedTuple):
    """One moment: the records of each statement above."""

    at: float
    """By our clock, since 1970."""
    open: list[Record]
    late_looks: Record
    flagged: Record
    due: Record
    dead: Record
    but_charges: list[Record]
    accounts: Record
    channels: list[Record]
    conditions: list[Record]
    units: list[Record]
    last_audit: list[Record]
    """None or one."""
    last_backup: Record
    pauses: Record
    queue: Record

    def channel_names(self) -> dict[int, str]:
        return {row["id"]: row["name"] for row in self.channels}


async def read_snapshot(pool: Pool) -> Snapshot:
    """Read it all in one transaction, which sees one moment.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the database is away, or too slow.
    """
    async with pool.begin() as connection:
        await _see_one_moment(connection)
        await connection.execute(LIMITS)
        large: dict[str, Any] = {
            "open": await connection.fetch(OPEN),
            "late_looks": await connection.fetchrow(LATE_LOOKS, LATE_S),
            "flagged": await connection.fetchrow(FLAGGED),
            "due": await connection.fetchrow(DUE),
            "dead": await connection.fetchrow(DEAD),
            "but_charges": await connection.fetch(BUT_CHARGES),
        }
        return Snapshot(at=time.time(), **large, **await _read_small(connection))


async def _see_one_moment(connection: Connection) -> None:
    await connection.execute(SNAPSHOT)


async def _read_small(connection: Connection) -> dict[str, Any]:
    """Read what has a row for each account at the most."""
    return {
        "accounts": await connection.fetchrow(ACCOUNTS),
        "channels": await connection.fetch(CHANNELS),
        "conditions": await connection.fetch(CONDITIONS),
        "units": await connection.fetch(UNITS),
        "last_audit": await connection.fetch(LAST_AUDIT),
        "last_backup": await connection.fetchrow(LAST_BACKUP),
        "pauses": await connection.fetchrow(PAUSES),
        "queue": await connection.fetchrow(LINEUP),
    }
