"""A month of all accounts, a line of each: closed ones as they were kept, others summed up now.

A closed month never changes, and every audit recomputes it (`CLOSED_THAT_DIFFER`). So of an account
that has closed months only what was entered since is summed up, however long it has been there.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, tzinfo

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.ledger.closing import figures_of, next_window
from relay.ledger.figures import MOVES, Span, Sums, read_sums
from relay.ledger.read import read_accounts
from relay.ledger.tables import ClosedMonth
from relay.months import Month
from relay.tenants.tables import Tenant
from relay.usage.statement import accounts_of_month

OF_SUMS = ("opening_micros", *MOVES, "closing_micros")


class MonthLine(msgspec.Struct, frozen=True, kw_only=True):
    """One account."""

    account_id: AccountId
    tenant_id: int | None
    """Whose account it is."""
    tenants: list[str]
    """Who draws on it."""
    sums: Sums
    closed_at: datetime | None
    held_now_micros: int

    @property
    def owed_micros(self) -> int:
        """What it owes at the month's end, or so far."""
        return max(-self.sums.closing_micros, 0)


class WholeMonth(msgspec.Struct, frozen=True):
    """All accounts that had an entry by its end."""

    month: str
    until_at: datetime
    """The first moment behind it, by today's time zone."""
    read_at: datetime
    lines: list[MonthLine]
    sums: Sums
    """Of all lines."""

    @property
    def is_over(self) -> bool:
        return self.until_at <= self.read_at

    @property
    def owed_to_tenants_micros(self) -> int:
        """What they have not used up at its end: all closings above zero."""
        return sum(max(one.sums.closing_micros, 0) for one in self.lines)

    @property
    def owed_by_tenants_micros(self) -> int:
        """All closings below zero."""
        return sum(one.owed_micros for one in self.lines)

    @property
    def held_now_micros(self) -> int:
        return sum(one.held_now_micros for one in self.lines)

    @property
    def closed(self) -> int:
        """How many accounts it is closed of."""
        return sum(one.closed_at is not None for one in self.lines)


async def read_whole_month(session: AsyncSession, month: Month, *, zone: tzinfo) -> WholeMonth:
    """Read a month of all accounts, by their numbers; in a session that began with a snapshot."""
    ids = await accounts_of_month(session, month, zone=zone)
    query = select(ClosedMonth).where(ClosedMonth.month == str(month))
    closed = {row.account_id: row for row in await session.scalars(query)}
    spans = await _spans(session, [one for one in ids if one not in closed], month, zone)
    summed: dict[AccountId, Sums] = await read_sums(session, spans) if spans else {}
    summed |= {AccountId(key): figures_of(row) for key, row in closed.items()}
    drawing: defaultdict[int, list[Tenant]] = defaultdict(list)
    for tenant in await session.scalars(select(Tenant).order_by(Tenant.id)):
        drawing[tenant.account_id].append(tenant)
    accounts = await read_accounts(session, ids)
    read_at = await session.scalar(select(func.now()))
    assert read_at is not None, "it has a clock"
    lines = [
        MonthLine(
            account_id=one,
            tenant_id=next((of.id for of in drawing[one] if of.parent_id is None), None),
            tenants=[of.name for of in drawing[one]],
            sums=summed[one],
            closed_at=closed[one].closed_at if one in closed else None,
            held_now_micros=accounts[one].held_micros,
        )
        for one in ids
    ]
    whole = Sums(**{name: sum(getattr(one.sums, name) for one in lines) for name in OF_SUMS})
    return WholeMonth(str(month), month.window(zone).until, read_at, lines, whole)


async def _spans(
    session: AsyncSession, ids: Sequence[AccountId], month: Month, zone: tzinfo
) -> list[Span]:
    """Say what is to be summed up of accounts whose month is not closed."""
    query = (
        select(ClosedMonth)
        .ext(distinct_on(ClosedMonth.account_id))
        .order_by(ClosedMonth.account_id, ClosedMonth.month.desc())
    )
    last = {row.account_id: row for row in await session.scalars(query)}
    spans = []
    for one in ids:
        row = last.get(one)
        window = next_window(row, month, zone)
        if row is None or row.until_at > window.start:
            spans.append(Span(account_id=one, window=window))
        else:
            spans.append(
                Span(
                    account_id=one,
                    window=window,
                    since=row.until_at,
                    before_micros=row.closing_micros,
                )
            )
    return spans
