"""Making an ended delivery due again."""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.deliveries.tables import DeliveryState

_LOCK = """
SELECT id, state FROM deliveries
WHERE task_id = (SELECT task_id FROM deliveries WHERE id = :id)
ORDER BY id FOR NO KEY UPDATE
"""

_REPLAY = """
UPDATE deliveries
SET state = 'due', next_attempt_at = now(), retried_since = NULL, ended_at = NULL, reason = NULL
WHERE id = :id
"""


class Replayed(msgspec.Struct, frozen=True):
    """What became of a delivery that was to be sent again."""

    was: str
    """Its state before."""
    why_not: str | None = None
    """A sentence; None if it is due again."""


async def replay(session: AsyncSession, delivery_id: int) -> Replayed:
    """Make an ended delivery due again: the same bytes and id, and 72 new hours.

    Refused while the same task has anything due: a tenant must not hear two statuses at once.
    """
    rows = (await session.execute(text(_LOCK), {"id": delivery_id})).mappings()
    states = {row["id"]: row["state"] for row in rows}
    was = states[delivery_id]
    if was == DeliveryState.DUE:
        return Replayed(was, "it is due already")
    if DeliveryState.DUE in states.values():
        return Replayed(was, "another status of its task is still to be told")
    await session.execute(text(_REPLAY), {"id": delivery_id})
    return Replayed(was)
