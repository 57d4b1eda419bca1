"""What the desk forgets of how a channel does."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from relay.health.tables import ChannelCondition


async def forget_conditions(session: AsyncSession, channel_id: int) -> None:
    """Have it tried anew: what was learned was of other keys, of another place, or is said over."""
    await session.execute(delete(ChannelCondition).where(ChannelCondition.channel_id == channel_id))
