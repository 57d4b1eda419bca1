"""What a channel's units are bought at: rows that begin, and are never changed."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel, ChannelCost


class CostUnit(StrEnum):
    """What is bought."""

    VIDEO = "video"
    """A unit of the pack that pays for videos, and for audio."""
    IMAGE = "image"
    """A unit of the pack that pays for images."""
    CASH = "cash"
    """One of the money in which Kling charges accounts without packs."""


class Cost(msgspec.Struct, frozen=True):
    """A purchase price."""

    unit: CostUnit
    price: Decimal
    """Of one, in `currency`; up to twelve places."""
    currency: str
    rate: Decimal = Decimal(1)
    """So much of `currency` is worth `rate_per` of the books'."""
    rate_per: Decimal = Decimal(1)


class ListedCost(msgspec.Struct, frozen=True, kw_only=True):
    """A row, and for how long it is what counts."""

    id: int
    channel: str
    cost: Cost
    valid_from: datetime
    valid_to: datetime | None
    """The first moment of the next one; None is none."""
    replaced_by: int | None
    """The row that was entered later for the same beginning: this one counts no more."""
    entered_at: datetime
    actor: str


async def find_cost(
    session: AsyncSession, channel_id: int, unit: CostUnit, at: datetime
) -> ChannelCost | None:
    """Find what counts at a moment."""
    query = select(ChannelCost).where(
        ChannelCost.channel_id == channel_id,
        ChannelCost.unit == unit,
        ChannelCost.valid_from <= at,
    )
    newest = query.order_by(ChannelCost.valid_from.desc(), ChannelCost.id.desc()).limit(1)
    return await session.scalar(newest)


async def list_costs(session: AsyncSession, channel_id: int | None = None) -> list[ListedCost]:
    """List all rows, of one channel or of all: by channel and unit, in the order they begin."""
    query = (
        select(ChannelCost, Channel.name)
        .join(Channel, Channel.id == ChannelCost.channel_id)
        .order_by(Channel.name, ChannelCost.unit, ChannelCost.valid_from, ChannelCost.id)
    )
    if channel_id is not None:
        query = query.where(ChannelCost.channel_id == channel_id)
    rows = [(row, name) for row, name in await session.execute(query)]
    found = []
    for place, (row, name) in enumerate(rows):
        later = [
            one
            for one, _ in rows[place + 1 :]
            if (one.channel_id, one.unit) == (row.channel_id, row.unit)
        ]
        same = [one for one in later if one.valid_from == row.valid_from]
        after = [one for one in later if one.valid_from > row.valid_from]
        found.append(
            ListedCost(
                id=row.id,
                channel=name,
                cost=cost_of(row),
                valid_from=row.valid_from,
                valid_to=after[0].valid_from if after else None,
                replaced_by=same[-1].id if same else None,
                entered_at=row.created_at,
                actor=row.actor,
            )
        )
    return found


def cost_of(row: ChannelCost) -> Cost:
    return Cost(CostUnit(row.unit), row.price, row.currency, row.rate, row.rate_per)


async def add_cost(
    session: AsyncSession, channel: Channel, cost: Cost, *, valid_from: datetime, actor: str
) -> ChannelCost:
    """Enter a row of a locked channel; what was in force from that moment on counts no more."""
    row = ChannelCost(
        channel_id=channel.id,
        unit=cost.unit.value,
        price=cost.price,
        currency=cost.currency,
        rate=cost.rate,
        rate_per=cost.rate_per,
        valid_from=valid_from,
        # Behind the lock: rows of a channel are entered in the order of their moments.
        created_at=func.clock_timestamp(),
        actor=actor,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row
