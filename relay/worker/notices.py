"""Looking for what tenants are to be told, now and then, one worker at a time."""

from datetime import tzinfo

from sqlalchemy import text

from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.notices.news import find_news
from relay.notices.prices import find_price_news
from relay.notices.tell import write_news
from relay.pricing.in_force import Prices
from relay.pricing.quote import UnitPrices

LOOK_EVERY_S = 30.0
LOOK_LOCK = 0x6E6F74696365  # "notice": of several workers one looks, the others skip their turn
TAKE_TURN = f"SELECT pg_try_advisory_xact_lock({LOOK_LOCK})"


class Noticer:
    """One process's part in finding news."""

    def __init__(
        self,
        sessions: Sessions,
        prices: Cached[Prices],
        unit_prices: UnitPrices,
        *,
        zone: tzinfo,
    ) -> None:
        self._sessions = sessions
        self._prices = prices
        self._unit_prices = unit_prices
        self._zone = zone

    async def look(self) -> None:
        """Write what is so and was not told.

        Under a lock of its own: what is read after it has all that the one before has written.
        """
        prices = await self._prices.get()
        async with self._sessions.begin() as session:
            if not await session.scalar(text(TAKE_TURN)):
                return
            await write_news(session, await find_news(session, zone=self._zone))
            await write_news(session, await find_price_news(session, prices, self._unit_prices))
