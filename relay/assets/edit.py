"""Assets as the desk ends them."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.statements import END_ONE


async def end_asset(session: AsyncSession, asset_id: int, *, reason: str) -> bool:
    """End one, whose content leaves the store later. False if it had ended before."""
    ended = await session.scalar(text(END_ONE), {"id": asset_id, "reason": reason})
    return bool(ended)
