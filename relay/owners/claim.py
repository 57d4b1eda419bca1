"""What the operator says of things that were made before their tenant came here."""

from datetime import timedelta

import msgspec
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from relay.kling.endpoint import Resource
from relay.owners.learn import LIFETIMES

CLAIM = text(
    """
    INSERT INTO owners (kind, resource_id, channel_id, tenant_id, expires_at)
    SELECT :kind, id, :channel_id, :tenant_id, now() + make_interval(secs => :lives_s)
    FROM unnest(:ids) AS id
    ON CONFLICT (resource_id, kind, channel_id) DO UPDATE
        SET expires_at = excluded.expires_at, deleted_at = NULL
        WHERE owners.tenant_id = excluded.tenant_id
    RETURNING resource_id, xmax = 0 AS is_new
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)))
"""A row that was there and is this tenant's lives on; another tenant's returns no record."""


class Claimed(msgspec.Struct, frozen=True):
    """What became of the ids."""

    new: int
    known: int
    """Were this tenant's already; their time begins again."""
    taken: list[str]
    """Another tenant's on this channel, also if expired or deleted."""


async def claim(
    session: AsyncSession,
    *,
    tenant_id: int,
    channel_id: int,
    kind: Resource,
    ids: list[str],
    lives: timedelta | None = None,
) -> Claimed:
    """Give things of one account to a tenant; `ids` are each there once.

    `lives`: by default as long as Kling keeps that kind, as if it was made now. Whoever claims
    decides what to do if some are `taken`; those of the others are written.
    """
    life = lives or LIFETIMES.get(kind)
    found = await session.execute(
        CLAIM,
        {
            "kind": kind.value,
            "channel_id": channel_id,
            "tenant_id": tenant_id,
            "lives_s": None if life is None else life.total_seconds(),
            "ids": ids,
        },
    )
    claimed = {row.resource_id: bool(row.is_new) for row in found}
    new = sum(claimed.values())
    return Claimed(
        new=new, known=len(claimed) - new, taken=[one for one in ids if one not in claimed]
    )
