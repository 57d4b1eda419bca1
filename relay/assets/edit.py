"""Assets as the desk ends them, and mends what was said of them."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.statements import END_ONE, MEND
from relay.assets.verify import Mended


async def end_asset(session: AsyncSession, asset_id: int, *, reason: str) -> bool:
    """End one, whose content leaves the store later. False if it had ended before."""
    ended = await session.scalar(text(END_ONE), {"id": asset_id, "reason": reason})
    return bool(ended)


async def mend_objects(session: AsyncSession, object_ids: Sequence[int], *, removed: int) -> Mended:
    """Have files copied again of which the content is not in the store; of others say so."""
    found = (await session.execute(text(MEND), {"ids": list(object_ids)})).one()
    return Mended(missing=found.objects, anew=found.anew, lost=found.lost, removed=removed)
