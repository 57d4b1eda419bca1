"""Moves of runs in their order, for who only reads them: cursors, and what is behind one."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from relay.database.driver import Pool, Record
from relay.runs.stages import Event
from relay.tasks.outbox import Cursor

_MOVE = "e.id, e.xact::text::bigint AS xact, e.run_id, e.tenant_id, e.shown, e.created_at"
READ = f"""
SELECT {_MOVE} FROM run_events e
WHERE (e.xact, e.id) > ($1::text::xid8, $2::bigint)
    AND e.xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY e.xact, e.id LIMIT $3
"""  # noqa: S608 (composed of constants)
"""As in the outbox: nothing can appear before what is older than every running transaction."""

MISSED = f"""
SELECT {_MOVE} FROM run_events e
WHERE e.tenant_id = $5
    AND (e.xact, e.id) > ($1::text::xid8, $2::bigint)
    AND (e.xact, e.id) <= ($3::text::xid8, $4::bigint)
ORDER BY e.xact, e.id LIMIT $6
"""  # noqa: S608 (composed of constants)
"""Of one tenant, between two cursors."""

MISSED_OF_RUN = MISSED.replace("e.tenant_id = $5", "e.tenant_id = $5 AND e.run_id = $7")
"""Of one run: its tenant may have a million others."""

HAS_MOVED = """
SELECT EXISTS (
    SELECT FROM run_events e
    WHERE e.tenant_id = $3 AND e.run_id = $4 AND (e.xact, e.id) > ($1::text::xid8, $2::bigint)
)
"""

_event = msgspec.json.Decoder(Event)


class RunMove(msgspec.Struct, frozen=True):
    """One move of a run."""

    id: int
    xact: int
    run_id: int
    tenant_id: int
    at: Event
    created_at: datetime

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.xact, self.id)


class Snapshot(msgspec.Struct, frozen=True):
    """Which transactions were over when something was read."""

    first_open: int
    next: int
    open: frozenset[int]

    @classmethod
    def read(cls, text: str) -> "Snapshot":
        """Read Postgres's spelling: `xmin:xmax:xid,xid…`."""
        first_open, next_, open_ = text.split(":")
        return cls(int(first_open), int(next_), frozenset(map(int, filter(None, open_.split(",")))))

    def has(self, xact: int) -> bool:
        """Tell whether what the transaction wrote was seen, if it was not undone."""
        return xact < self.next and xact not in self.open

    @property
    def cursor(self) -> Cursor:
        """Behind what was seen, and before all that was not."""
        return Cursor(self.first_open)


class Place(msgspec.Struct, frozen=True):
    """How far somebody has heard, as streams spell it: a cursor, and from when it is.

    By the time it is told what may be forgotten behind it.
    """

    cursor: Cursor
    at_s: int

    def __str__(self) -> str:
        return f"{self.cursor.xact}.{self.cursor.id}.{self.at_s}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Read one; None of what is none."""
        parts = text.strip().split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdecimal() for part in parts):  # noqa: PLR2004 (as spelt)
            return None
        xact, id_, at_s = map(int, parts)
        return cls(Cursor(xact, id_), at_s) if max(xact, id_, at_s) < 2**63 else None


async def read_moves(pool: Pool, after: Cursor, *, limit: int) -> list[RunMove]:
    """Read the moves behind a cursor, but for those that an open transaction may yet precede."""
    return _moves(await pool.fetch(READ, str(after.xact), after.id, limit))


async def read_missed(
    pool: Pool, after: Cursor, up_to: Cursor, *, tenant_id: int, run_id: int | None, limit: int
) -> list[RunMove]:
    """Read a tenant's moves between two cursors, or those of one run of its."""
    bounds = (str(after.xact), after.id, str(up_to.xact), up_to.id)
    if run_id is None:
        return _moves(await pool.fetch(MISSED, *bounds, tenant_id, limit))
    return _moves(await pool.fetch(MISSED_OF_RUN, *bounds, tenant_id, limit, run_id))


async def has_moved(pool: Pool, after: Cursor, *, tenant_id: int, run_id: int) -> bool:
    """Tell whether a run has moved since."""
    return bool(await pool.fetchval(HAS_MOVED, str(after.xact), after.id, tenant_id, run_id))


def _moves(records: Sequence[Record]) -> list[RunMove]:
    return [
        RunMove(
            record["id"],
            record["xact"],
            record["run_id"],
            record["tenant_id"],
            _event.decode(record["shown"]),
            record["created_at"],
        )
        for record in records
    ]
