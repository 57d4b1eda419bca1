"""Channels as they are read, with their keys sealed; nothing here writes."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel


async def find_channel(session: AsyncSession, name: str) -> Channel | None:
    return await session.scalar(select(Channel).where(Channel.name == name))


async def channel_names(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(Channel.name).order_by(Channel.name)))


async def read_rows(session: AsyncSession) -> list[Channel]:
    """Read every channel with its keys sealed, in the order they are tried."""
    order = (Channel.priority.desc(), Channel.weight.desc(), Channel.name)
    return list(await session.scalars(select(Channel).order_by(*order)))
