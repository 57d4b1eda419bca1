"""What tenants asked for and were refused, since nothing prices it."""

from datetime import tzinfo

from sqlalchemy.ext.asyncio import AsyncSession

from relay.pricing.in_force import read_prices
from relay.pricing.prices import Miss, read_misses


async def read_missing(session: AsyncSession, zone: tzinfo) -> list[Miss]:
    """Read what was refused and still has no price, the latest first."""
    misses = await read_misses(session)
    if not misses:
        return []
    book = (await read_prices(session, zone)).book()
    return [miss for miss in misses if book.find(miss.wanted) is None]
