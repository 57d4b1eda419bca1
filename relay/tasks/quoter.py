"""Pricing one submit: a frozen quote, or a refusal that the operator hears of.

Tenants ask for the same few kinds of task again and again, so quotes are remembered by the bytes of
the fields that they were read from. Which fields those are is not listed anywhere: the reading
itself is watched, and the same values read in the same order lead to the same quote. A body with an
odd spelling of one of them is read each time, and quoted at the dearest that it may mean.
"""

from typing import Any, NamedTuple

import msgspec
import structlog

from relay.choices import Underquoted
from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.errors import Unavailable, Unpriced
from relay.kling.alike import Reading, names_alike
from relay.kling.endpoint import Endpoint
from relay.kling.models import takes_ids
from relay.kling.wanted import Asked, Wanted, read_wanted
from relay.kling.wire import Fields
from relay.pricing.book import AS_PRICED, FREE, PriceBook, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.prices import note_miss
from relay.pricing.quote import Quote, UnitPrices, quote
from relay.tenants.caller import Caller

log = structlog.get_logger()

VALUE_BYTES_MAX = 64
"""Of a remembered field: a mode, a length, a model; a prompt or an image is read each time."""
KNOWN_MAX = 10_000
NAMES_MAX = 1000
"""Of other fields that are remembered with a reading."""
READINGS_MAX = 8
"""Different sets of fields that one endpoint's price was read from."""

SHARE = "share of a run's price"
"""Whose such a row is, for people."""

NO_READINGS: dict[tuple[str, ...], set[str]] = {}


class Quoted(NamedTuple):
    """A quote, and its JSON as the task's row keeps it."""

    quote: Quote
    json: str


class Quoter:
    def __init__(
        self,
        sessions: Sessions,
        prices_in_force: Cached[Prices],
        prices: UnitPrices,
        *,
        underquoted: Underquoted = Underquoted.HOLD,
    ) -> None:
        """`underquoted`: what becomes of rows for which Kling takes more than they say."""
        self._sessions = sessions
        self._in_force = prices_in_force
        self._prices = prices
        self._underquoted = underquoted
        self._readings: dict[str, dict[tuple[str, ...], set[str]]] = {}
        """By endpoint: the fields of each reading, and other names that were seen to be no odd
        spelling of theirs."""
        self._known: dict[tuple[Any, ...], Quoted] = {}
        self._known_of: Prices | None = None

    async def quote(
        self,
        caller: Caller,
        endpoint: Endpoint,
        fields: Fields,
        model: str | None,
        *,
        notes_misses: bool = True,
        priced_as: str | None = None,
        share_micros: int | None = None,
    ) -> Quoted:
        """Price what a body asks for, at the dearest that it may mean.

        `priced_as`: what of the studio's it is made for, by whose rows it is priced if there are
        any; "" is free of charge, since another step of its run is charged for all.
        `share_micros`: its share of such a price, which is all that it costs.
        `notes_misses`: what no row fits was wanted in earnest, and is for the operator to see.

        Raises:
            InvalidParameter: a field that prices it cannot be read.
            Unpriced: no row fits; `relay price missing` will name it. No task was written.
            Unavailable: the operator has paused rows for which Kling takes more than they say.
        """
        prices = await self._in_force.get()
        if prices is not self._known_of:
            self._known.clear()
            self._readings.clear()
            self._known_of = prices
        whom = (caller.parent_id or caller.tenant_id, caller.price_group)
        book = prices.opened.get(whom) or prices.book(*whom)
        if priced_as and not book.has(priced_as):
            priced_as = None
        about = (
            *(endpoint.name, model, book, caller.is_test, caller.resale),
            *(priced_as, share_micros),
        )
        for names, harmless in self._readings.get(endpoint.name, NO_READINGS).items():
            known = self._known.get((about, names, *_values(fields, names)))
            if known is not None and _has_only(fields, names, harmless):
                return known
        reading = Reading(fields)
        words = book.words(priced_as or endpoint.name)
        asked = read_wanted(endpoint, reading, model=model, words=words)
        quoted = self._dearest(
            *(book, endpoint, asked, caller), priced_as=priced_as, share_micros=share_micros
        )
        if quoted is None:
            if notes_misses:
                async with self._sessions.begin() as session:
                    await note_miss(session, asked.wanted[0])
            raise Unpriced(str(asked.wanted[0]))
        if caller.resale is not None:
            quoted = msgspec.structs.replace(quoted, resale=caller.resale)
        found = Quoted(quoted, msgspec.json.encode(quoted).decode())
        if asked.is_plain:
            self._remember(about, tuple(reading.names), fields, found)
        return found

    async def has_price(self, caller: Caller, name: str) -> bool:
        """Tell whether what the studio makes has a price of its own, for this caller."""
        prices = await self._in_force.get()
        return prices.book(caller.parent_id or caller.tenant_id, caller.price_group).has(name)

    def _dearest(
        self,
        book: PriceBook,
        endpoint: Endpoint,
        asked: Asked,
        caller: Caller,
        *,
        priced_as: str | None,
        share_micros: int | None,
    ) -> Quote | None:
        """Quote each thing that is perhaps asked for, and take the one that costs most."""
        dearest: Quote | None = None
        for wanted in asked.wanted:
            if endpoint.is_free or caller.is_test:
                row: PriceRow | None = FREE
            elif share_micros is not None:
                row = msgspec.structs.replace(FREE, amount_micros=share_micros, source=SHARE)
            else:
                row = FREE if priced_as == "" else book.find(_for_row(wanted, priced_as))
            if row is None:
                continue
            rise = AS_PRICED if share_micros is not None else book.rise(row)
            if rise > AS_PRICED and self._underquoted is Underquoted.PAUSE:
                log.warning("price.paused", row=str(wanted), times=rise)
                raise Unavailable
            one = quote(
                row,
                wanted,
                prices=self._prices,
                tenant_multiplier=book.multiplier,
                multiplies_amounts=book.multiplies_amounts and share_micros is None,
                rise=rise,
                is_cost_followed=self._underquoted is Underquoted.CHARGE,
            )
            if dearest is None or one.hold_micros > dearest.hold_micros:
                dearest = one
        if dearest is not None and not asked.has_one_length:
            # Which of the lengths it was is known from the result.
            dearest = msgspec.structs.replace(dearest, is_open=True)
        if dearest is not None and not takes_ids(endpoint.name, asked.wanted[0].model):
            dearest = msgspec.structs.replace(dearest, takes_ids=False)
        return dearest

    def _remember(
        self,
        about: tuple[Any, ...],
        names: tuple[str, ...],
        fields: Fields,
        quoted: Quoted,
    ) -> None:
        values = _values(fields, names)
        if any(value is not None and len(value) > VALUE_BYTES_MAX for value in values):
            return
        readings = self._readings.setdefault(about[0], {})
        if names not in readings:
            if len(readings) == READINGS_MAX:
                return
            readings[names] = set(names)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[(about, names, *values)] = quoted


def _for_row(wanted: Wanted, priced_as: str | None) -> Wanted:
    return wanted if priced_as is None else msgspec.structs.replace(wanted, endpoint=priced_as)


def _has_only(fields: Fields, names: tuple[str, ...], harmless: set[str]) -> bool:
    """Tell whether no field is an odd spelling of one of `names`; `harmless` remembers."""
    if harmless.issuperset(fields):
        return True
    if names_alike(names, fields):
        return False
    if len(harmless) > NAMES_MAX:
        harmless.clear()
    harmless.update(name for name in fields if len(name) <= VALUE_BYTES_MAX)
    return True


def _values(fields: Fields, names: tuple[str, ...]) -> list[bytes | None]:
    """Cut out each field's bytes, of long ones only so many that they match nothing remembered."""
    values: list[bytes | None] = []
    for name in names:
        raw = fields.get(name)
        values.append(None if raw is None else bytes(memoryview(raw)[: VALUE_BYTES_MAX + 1]))
    return values
