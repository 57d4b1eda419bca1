"""What the desk forgets of how a channel does."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from relay.health.rules import State
from relay.health.tables import ChannelCondition, ChannelEvent


async def forget_conditions(session: AsyncSession, channel_id: int) -> None:
    """Have it tried anew: what was learned was of other keys, of another place, or is said over."""
    gone = (
        delete(ChannelCondition)
        .where(ChannelCondition.channel_id == channel_id)
        .returning(*(getattr(ChannelCondition, name) for name in ("pack", "model", "state")))
    )
    for pack, model, state in await session.execute(gone):
        if state != State.OK:
            session.add(
                ChannelEvent(
                    channel_id=channel_id,
                    pack=pack,
                    model=model,
                    before=state,
                    state=State.OK.value,
                    reason="the operator has it tried anew",
                )
            )
