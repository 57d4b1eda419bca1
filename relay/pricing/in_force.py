"""All prices and multipliers that are in force, for whom, and until when that stays so."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.pricing.book import (
    ALWAYS,
    ANY_ENDPOINT,
    AS_PRICED,
    EMPTY,
    Multiplier,
    PriceBook,
    PriceRow,
)
from relay.pricing.lists import read_adopted
from relay.pricing.prices import read_multipliers, read_rows, read_state
from relay.pricing.underquotes import read_rises
from relay.pricing.validity import EVERYWHERE, has_begun, holds, is_over, next_change

Priced = TypeVar("Priced", PriceRow, Multiplier)

BOOK_AGE_MAX_S = 2.0
"""How long a changed price may stay unseen by a running process, while it can be read."""
READ_AGE_MAX_S = 60.0
"""Then all is read again, should a change ever go uncounted: triggers can be switched off."""


class Prices:
    """What everybody pays at one moment; nothing of it changes before `good_until`."""

    def __init__(
        self,
        rows: Iterable[PriceRow] = (),
        multipliers: Iterable[Multiplier] = (),
        official: Iterable[PriceRow] = (),
        rises: Mapping[bytes, Decimal] = EMPTY,
        *,
        at: datetime,
        zone: tzinfo = EVERYWHERE,
        multiplies_amounts: bool | None = None,
    ) -> None:
        """Find what of it is in force at a moment; rows and multipliers may be of any time.

        `official`: Kling's list; `rises`: how many times their price rows are held, by fingerprint;
        `multiplies_amounts`: None was never said, and is no.
        """
        self.at, self.zone = at, zone
        self.multiplies_amounts = multiplies_amounts
        self._all_rows, self._all_multipliers = tuple(rows), tuple(multipliers)
        self._official, self._rises = tuple(official), rises
        self.rows = [row for row in self._all_rows if holds(row, at, zone)]
        self.multipliers = [one for one in self._all_multipliers if holds(one, at, zone)]
        self._rows_of = _by_whom(self.rows)
        self._multipliers_of = _by_whom(self.multipliers)
        self.good_until = next_change((*self._all_rows, *self._all_multipliers), at, zone)
        """None: nothing of it changes by itself."""
        self.opened: dict[tuple[int | None, str | None], PriceBook] = {}
        """What `book` answered: whoever has no time for a call looks here first."""
        self._shared: dict[tuple[int | None, str | None, Decimal], PriceBook] = {}

    def book(self, tenant_id: int | None = None, price_group: str | None = None) -> PriceBook:
        """Open the book of a tenant, or of whoever has no price of its own.

        Those for whom all is alike have one and the same, and so share what it remembers.
        """
        key = (tenant_id, price_group)
        if key not in self.opened:
            self.opened[key] = self._open(tenant_id, price_group)
        return self.opened[key]

    def moved(self, at: datetime) -> "Prices":
        """Say what is in force at another moment."""
        return self._but(at=at)

    def with_list(self, official: Iterable[PriceRow]) -> "Prices":
        """Say what would be in force with another list of Kling's."""
        return self._but(official=tuple(official))

    def for_whom(self, tenant_id: int | None, price_group: str | None) -> "Prices":
        """Keep what may ever price a tenant's tasks."""
        return self._but(
            rows=[one for one in self._all_rows if _is_for(one, tenant_id, price_group)],
            multipliers=[
                one for one in self._all_multipliers if _is_for(one, tenant_id, price_group)
            ],
        )

    def of_endpoint(self, endpoint: str) -> "Prices":
        """Keep what may ever price tasks of one endpoint: to ask for many of its kinds is cheap."""
        may_be = (endpoint, ANY_ENDPOINT)
        return self._but(
            rows=[row for row in self._all_rows if row.endpoint in may_be],
            official=[row for row in self._official if row.endpoint in may_be],
        )

    def _but(
        self,
        *,
        at: datetime | None = None,
        official: Sequence[PriceRow] | None = None,
        rows: Sequence[PriceRow] | None = None,
        multipliers: Sequence[Multiplier] | None = None,
    ) -> "Prices":
        return Prices(
            self._all_rows if rows is None else rows,
            self._all_multipliers if multipliers is None else multipliers,
            self._official if official is None else official,
            self._rises,
            at=at or self.at,
            zone=self.zone,
            multiplies_amounts=self.multiplies_amounts,
        )

    @property
    def dated(self) -> tuple[PriceRow | Multiplier, ...]:
        """All that begins or ends, of any time."""
        return (*self._all_rows, *self._all_multipliers)

    @property
    def coming_rows(self) -> list[PriceRow]:
        """List what begins later, the next first."""
        later = (row for row in self._all_rows if not has_begun(row, self.at))
        return sorted((row for row in later if not _is_withdrawn(row)), key=_begins)

    @property
    def coming_multipliers(self) -> list[Multiplier]:
        later = (one for one in self._all_multipliers if not has_begun(one, self.at))
        return sorted((one for one in later if not _is_withdrawn(one)), key=_begins)

    @property
    def standing_rows(self) -> list[PriceRow]:
        """List rows whose days have come, also where their hours have not."""
        return [r for r in self._all_rows if has_begun(r, self.at) and not is_over(r, self.at)]

    @property
    def standing_multipliers(self) -> list[Multiplier]:
        every = self._all_multipliers
        return [one for one in every if has_begun(one, self.at) and not is_over(one, self.at)]

    def multiplier(self, tenant_id: int | None, price_group: str | None) -> Multiplier | None:
        """Find the one that counts: a tenant's own, else its group's, else that for all."""
        found = self.fitting_multipliers(tenant_id, price_group)
        return found[0] if found else None

    def fitting_multipliers(
        self, tenant_id: int | None, price_group: str | None
    ) -> list[Multiplier]:
        """List those in force for a tenant, the one that counts first."""
        whose = dict.fromkeys([(tenant_id, None), (None, price_group), (None, None)])
        fitting = [one for whom in whose for one in reversed(self._multipliers_of.get(whom, ()))]
        return sorted(fitting, key=_multiplier_rank, reverse=True)

    def _open(self, tenant_id: int | None, price_group: str | None) -> PriceBook:
        of_tenant = [] if tenant_id is None else self._of(tenant_id=tenant_id)
        of_group = [] if price_group is None else self._of(price_group=price_group)
        found = self.multiplier(tenant_id, price_group)
        times = AS_PRICED if found is None else found.times
        key = (tenant_id if of_tenant else None, price_group if of_group else None, times)
        if key not in self._shared:
            self._shared[key] = PriceBook(
                self._of(),
                self._official,
                self._rises,
                of_group=of_group,
                of_tenant=of_tenant,
                multiplier=times,
                multiplies_amounts=bool(self.multiplies_amounts),
            )
        return self._shared[key]

    def _of(
        self, *, tenant_id: int | None = None, price_group: str | None = None
    ) -> list[PriceRow]:
        return self._rows_of.get((tenant_id, price_group), [])


async def read_prices(
    session: AsyncSession, zone: tzinfo = EVERYWHERE, *, at: datetime | None = None
) -> Prices:
    """Read what is in force by the database's clock, or was or will be at a moment."""
    state = await read_state(session)
    return Prices(
        await read_rows(session, since=at or state.now),
        await read_multipliers(session, since=at or state.now),
        (await read_adopted(session)).rows,
        await read_rises(session),
        at=at or state.now,
        zone=zone,
        multiplies_amounts=state.multiplies_amounts,
    )


def cached_prices(
    sessions: Sessions, zone: tzinfo = EVERYWHERE, *, age_max_s: float = BOOK_AGE_MAX_S
) -> Cached[Prices]:
    """Keep what is in force, at most `age_max_s` old, and never beyond its `good_until`."""
    reader = _Reader(sessions, zone)
    return Cached(reader.read, of="prices", age_max_s=age_max_s, ends_at=lambda _: reader.ends_at)


class _Reader:
    """Reads prices, and the same ones again until one was changed or a moment has come.

    So what is remembered by them stays, and a few thousand rows are not read every 2 s.
    """

    def __init__(self, sessions: Sessions, zone: tzinfo) -> None:
        self._sessions = sessions
        self._zone = zone
        self._prices: Prices | None = None
        self._number = -1
        self._read_at = -math.inf
        self.ends_at = math.inf
        """On the clock: when the last that were read change by themselves."""

    async def read(self) -> Prices:
        asked_at = time.monotonic()
        async with self._sessions() as session:
            state = await read_state(session)
            is_old = asked_at >= min(self.ends_at, self._read_at + READ_AGE_MAX_S)
            if self._prices is not None and state.number == self._number and not is_old:
                return self._prices
            prices = await read_prices(session, self._zone)
        # Nothing was awaited since `asked_at` but the database, whose clock is behind by that at
        # the most: so it ends early, if at all, and is read once more.
        left_s = math.inf
        if prices.good_until is not None:
            left_s = (prices.good_until - prices.at).total_seconds()
        self._prices, self._number = prices, state.number
        self._read_at, self.ends_at = asked_at, asked_at + left_s
        return prices


def _by_whom(every: Sequence[Priced]) -> dict[tuple[int | None, str | None], list[Priced]]:
    """Sort what is in force by whom it is for: there are tenants by the thousand."""
    found: dict[tuple[int | None, str | None], list[Priced]] = {}
    for one in every:
        found.setdefault((one.tenant_id, one.price_group), []).append(one)
    return found


def _is_for(one: PriceRow | Multiplier, tenant_id: int | None, price_group: str | None) -> bool:
    return one.tenant_id in (None, tenant_id) and one.price_group in (None, price_group)


def _is_withdrawn(one: PriceRow | Multiplier) -> bool:
    return one.valid_to is not None and one.valid_from == one.valid_to


def _begins(one: PriceRow | Multiplier) -> datetime:
    return one.valid_from or ALWAYS


def _multiplier_rank(one: Multiplier) -> tuple[bool, bool, bool, datetime]:
    is_of_group = one.price_group is not None
    return (one.tenant_id is not None, is_of_group, one.hours is not None, _begins(one))
