"""Sending a tenant's callback once more."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.deliveries import replay
from relay.deliveries.read import find_delivery
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, NotPossible


async def replay_delivery(
    session: AsyncSession, actor: Actor, key: str, *, tenant_id: int | None = None
) -> int:
    """Make an ended delivery due again, the same bytes under the same id; return our id of it.

    `key`: the webhook id or, without a `tenant_id`, our own id.

    Raises:
        NoSuch, NotPossible: it, or another status of its task, is still to be told.
    """
    delivery_id = await find_delivery(session, key, tenant_id=tenant_id)
    if delivery_id is None:
        raise NoSuch("delivery", key)
    replayed = await replay.replay(session, delivery_id)
    if not replayed.done:
        raise NotPossible(replayed.message)
    await note_change(
        session,
        actor,
        "delivery.replay",
        kind="delivery",
        id=delivery_id,
        name=str(delivery_id),
    )
    return delivery_id
