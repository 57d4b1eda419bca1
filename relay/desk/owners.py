"""Claiming what tenants made before they came here."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NotTheirs
from relay.desk.find import channel_to_act_on, tenant_to_act_on
from relay.kling.endpoint import Resource
from relay.owners.claim import Claimed, claim

__all__ = ["Claimed", "claim_owners"]

AT_ONCE = 10_000
"""Ids in one statement."""
NOTED_MAX = 100
"""Ids that a change names; the others are counted."""


@act("owner.claim")
async def claim_owners(
    session: AsyncSession,
    actor: Actor,
    *,
    tenant: str,
    channel: str,
    kind: Resource,
    ids: list[str],
    lives: timedelta | None = None,
) -> Claimed:
    """Give things of one account to a tenant, all of them or none.

    Raises:
        NoSuch, NotTheirs, NotPossible: one of the two was removed.
    """
    owner = await tenant_to_act_on(session, tenant)
    account = await channel_to_act_on(session, channel)
    ids = list(dict.fromkeys(ids))  # one statement takes each once
    parts = [
        await claim(
            session,
            tenant_id=owner.id,
            channel_id=account.id,
            kind=kind,
            ids=ids[start : start + AT_ONCE],
            lives=lives,
        )
        for start in range(0, len(ids), AT_ONCE)
    ]
    taken = [one for part in parts for one in part.taken]
    if taken:
        raise NotTheirs(taken, channel=channel, asked=len(ids))
    claimed = Claimed(
        new=sum(part.new for part in parts), known=sum(part.known for part in parts), taken=[]
    )
    await note_change(
        session,
        actor,
        "owner.claim",
        kind="tenant",
        id=owner.id,
        name=owner.name,
        after={
            "channel": account.name,
            "kind": kind.value,
            "ids": ids[:NOTED_MAX],
            "count": len(ids),
            "new": claimed.new,
        },
    )
    return claimed
