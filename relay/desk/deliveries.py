"""Sending a tenant's callback once more."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.deliveries.replay import replay
from relay.deliveries.tables import DeliveryState
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NotPossible
from relay.desk.find import delivery_named


@act("delivery.replay")
async def replay_delivery(
    session: AsyncSession,
    actor: Actor,
    key: str,
    *,
    tenant_id: int | None = None,
    reason: str | None = None,
) -> int:
    """Make an ended delivery due again, the same bytes under the same id; return our id of it.

    `key`: the webhook id or, without a `tenant_id`, our own id.

    Raises:
        NoSuch, NotPossible: it, or another status of its task, is still to be told.
    """
    delivery_id = await delivery_named(session, key, tenant_id=tenant_id)
    replayed = await replay(session, delivery_id)
    if replayed.why_not is not None:
        raise NotPossible("delivery", delivery_id, replayed.why_not)
    await note_change(
        session,
        actor,
        "delivery.replay",
        kind="delivery",
        id=delivery_id,
        name=str(delivery_id),
        before={"state": replayed.was},
        after={"state": DeliveryState.DUE.value},
        reason=reason,
    )
    return delivery_id
