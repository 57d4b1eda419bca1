"""Channels as they are read, with their keys sealed; nothing here writes."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel


async def find_channel(
    session: AsyncSession, name: str, *, is_locked: bool = False
) -> Channel | None:
    """Find a channel by its name; `is_locked`: and hold it, read anew, until the commit."""
    query = select(Channel).where(Channel.name == name)
    if is_locked:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return await session.scalar(query)


async def channel_names(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(Channel.name).order_by(Channel.name)))


async def read_rows(session: AsyncSession, *, with_removed: bool = False) -> list[Channel]:
    """Read every channel with its keys sealed, in the order they are tried; removed ones last."""
    order = (Channel.priority.desc(), Channel.weight.desc(), Channel.name)
    query = select(Channel).order_by(Channel.removed_at.desc().nulls_first(), *order)
    if not with_removed:
        query = query.where(Channel.removed_at.is_(None))
    return list(await session.scalars(query))
