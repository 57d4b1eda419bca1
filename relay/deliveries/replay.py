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
    """Whether it is due again, and a sentence."""

    done: bool
    message: str


async def replay(session: AsyncSession, delivery_id: int) -> Replayed:
    """Make an ended delivery due again: the same bytes and id, and 72 new hours.

    Refused while the same task has anything due: a tenant must not hear two statuses at once.
    """
    rows = (await session.execute(text(_LOCK), {"id": delivery_id})).mappings()
    states = {row["id"]: row["state"] for row in rows}
    if states[delivery_id] == DeliveryState.DUE:
        return Replayed(done=False, message="it is due already")
    if DeliveryState.DUE in states.values():
        return Replayed(done=False, message="another status of its task is still to be told")
    await session.execute(text(_REPLAY), {"id": delivery_id})
    return Replayed(done=True, message="it is due again")
