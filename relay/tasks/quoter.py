"""Pricing one submit: a frozen quote, or a refusal that the operator hears of.

Tenants ask for the same few kinds of task again and again, so quotes are remembered by the bytes of
the fields that they were read from. Which fields those are is not listed anywhere: the reading
itself is watched, and the same values read in the same order lead to the same quote.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.errors import Unpriced
from relay.kling.endpoint import Endpoint
from relay.kling.wanted import Reading, read_wanted
from relay.kling.wire import Fields
from relay.pricing.book import FREE, PriceBook
from relay.pricing.prices import note_miss
from relay.pricing.quote import Quote, UnitPrices, quote
from relay.tenants.caller import Caller

VALUE_BYTES_MAX = 64
"""Of a remembered field: a mode, a length, a model; a prompt or an image is read each time."""
KNOWN_MAX = 10_000
READINGS_MAX = 8
"""Different sets of fields that one endpoint's price was read from."""


class Quoted(NamedTuple):
    """A quote, and its JSON as the task's row keeps it."""

    quote: Quote
    json: str


class Quoter:
    def __init__(self, sessions: Sessions, book: Cached[PriceBook], prices: UnitPrices) -> None:
        self._sessions = sessions
        self._book = book
        self._prices = prices
        self._readings: dict[str, list[tuple[str, ...]]] = {}
        self._known: dict[tuple[Any, ...], Quoted] = {}
        self._known_of: PriceBook | None = None

    async def quote(
        self, caller: Caller, endpoint: Endpoint, fields: Fields, model: str | None
    ) -> Quoted:
        """Price what a body asks for.

        Raises:
            InvalidParameter: a field that prices it cannot be read.
            Unpriced: no row fits; `relay price missing` will name it. No task was written.
        """
        book = await self._book.get()
        if book is not self._known_of:
            self._known.clear()
            self._readings.clear()
            self._known_of = book
        about = (endpoint.name, model, caller.multiplier)
        for names in self._readings.get(endpoint.name, ()):
            known = self._known.get((about, names, *_values(fields, names)))
            if known is not None:
                return known
        reading = Reading(fields)
        wanted = read_wanted(endpoint, reading, model=model)
        row = FREE if endpoint.is_free else book.find(wanted)
        if row is None:
            async with self._sessions.begin() as session:
                await note_miss(session, wanted)
            raise Unpriced(str(wanted))
        quoted = quote(row, wanted, prices=self._prices, tenant_multiplier=caller.multiplier)
        found = Quoted(quoted, msgspec.json.encode(quoted).decode())
        self._remember(about, tuple(reading.names), fields, found)
        return found

    def _remember(
        self,
        about: tuple[str, str | None, Decimal],
        names: tuple[str, ...],
        fields: Fields,
        quoted: Quoted,
    ) -> None:
        values = _values(fields, names)
        if any(value is not None and len(value) > VALUE_BYTES_MAX for value in values):
            return
        readings = self._readings.setdefault(about[0], [])
        if names not in readings:
            if len(readings) == READINGS_MAX:
                return
            readings.append(names)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[(about, names, *values)] = quoted


def _values(fields: Fields, names: tuple[str, ...]) -> list[bytes | None]:
    """Cut out each field's bytes, of long ones only so many that they match nothing remembered."""
    values: list[bytes | None] = []
    for name in names:
        raw = fields.get(name)
        values.append(None if raw is None else bytes(memoryview(raw)[: VALUE_BYTES_MAX + 1]))
    return values
