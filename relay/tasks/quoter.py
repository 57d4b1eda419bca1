"""Pricing one submit: a frozen quote, or a refusal that the operator hears of."""

from relay.database.engine import Sessions
from relay.errors import Unpriced
from relay.kling.endpoint import Endpoint
from relay.kling.wanted import read_wanted
from relay.kling.wire import Fields
from relay.pricing.book import FREE
from relay.pricing.prices import CachedPriceBook, note_miss
from relay.pricing.quote import Quote, UnitPrices, quote
from relay.tenants.tokens import Caller


class Quoter:
    def __init__(self, sessions: Sessions, book: CachedPriceBook, prices: UnitPrices) -> None:
        self._sessions = sessions
        self._book = book
        self._prices = prices

    async def quote(
        self, caller: Caller, endpoint: Endpoint, fields: Fields, model: str | None
    ) -> Quote:
        """Price what a body asks for.

        Raises:
            InvalidParameter: a field that prices it cannot be read.
            Unpriced: no row fits; `relay price missing` will name it. No task was written.
        """
        wanted = read_wanted(endpoint, fields, model=model)
        row = FREE if endpoint.is_free else (await self._book.get()).find(wanted)
        if row is None:
            async with self._sessions.begin() as session:
                await note_miss(session, str(wanted))
            raise Unpriced(str(wanted))
        return quote(row, wanted, prices=self._prices, tenant_multiplier=caller.multiplier)
