"""An account's month, recomputed from its entries while it is read."""

from collections.abc import Iterable
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.invoices.read import invoices_of_month
from relay.ledger.closing import figures_of, find_closed, find_last_closed, next_window
from relay.ledger.figures import Counted, Figures, read_counted, read_figures
from relay.ledger.invariants import SNAPSHOT
from relay.ledger.tables import Account, Entry
from relay.money import money
from relay.months import Month, Window, read_month
from relay.tenants.tables import Tenant
from relay.usage.charges import ChargeLine, read_charges

STORED = text(
    """
    SELECT n.name AS tenant, s.month, s.gb_months, e.amount_micros
    FROM storage_charges s JOIN entries e ON e.id = s.entry_id JOIN tenants n ON n.id = s.tenant_id
    WHERE s.account_id = :account_id AND e.created_at >= :start AND e.created_at < :until
    UNION ALL
    SELECT n.name, s.month, 0, e.amount_micros
    FROM storage_charges s JOIN storage_refunds b ON b.tenant_id = s.tenant_id AND b.month = s.month
    JOIN entries e ON e.id = b.entry_id JOIN tenants n ON n.id = s.tenant_id
    WHERE s.account_id = :account_id AND e.created_at >= :start AND e.created_at < :until
    ORDER BY month, tenant, amount_micros
    """
)


class StorageLine(msgspec.Struct, frozen=True):
    """What was charged for files that a tenant kept in a month before, or given back of that."""

    tenant: str
    month: str
    gb_months: Decimal
    """0 of what was given back."""
    amount_micros: int
    """As entries have it: below zero, or above of what was given back."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One month of one account, as it is looked at."""

    account_id: AccountId
    tenants: list[str]
    """Who draws on it."""
    month: str
    timezone: str
    start_at: datetime
    until_at: datetime
    """The first moment that is not in it."""
    currency: str
    figures: Counted
    charges: list[ChargeLine]
    """They come to `figures.charge_micros`."""
    storage: list[StorageLine]
    """They are among `figures.adjust_micros`."""
    owed_micros: int
    """By the account, at the month's end or so far: its closing, where that is below zero."""
    quota_now_micros: int
    held_now_micros: int
    """For tasks that are not over, of what is left now."""
    credit_now_micros: int
    """How far below zero its creates may take the quota now."""
    recomputed_at: datetime
    """When all of it was summed up, in one snapshot."""
    closed_at: datetime | None
    closed_figures: Figures | None
    """What was kept when it was closed."""

    @property
    def is_right(self) -> bool:
        """Tell whether all sums agree, and with what was kept when it was closed.

        Of a statement, its hash too.
        """
        charged = sum(line.amount_micros for line in self.charges)
        kept = self.closed_figures
        return (
            self.figures.adds_up
            and charged == self.figures.charge_micros
            and (kept is None or all(getattr(kept, name) == value for name, value in self._said))
        )

    @property
    def _said(self) -> Iterable[tuple[str, object]]:
        return msgspec.structs.asdict(self.figures).items()

    @property
    def is_over(self) -> bool:
        return self.until_at <= self.recomputed_at


class Statement(Summary, frozen=True, kw_only=True):
    """The same as a document, with a hash over what its entries say."""

    figures: Figures


async def begin_snapshot(session: AsyncSession) -> None:
    """Let all that a session reads be of one moment; call it first in its transaction."""
    await session.execute(text(SNAPSHOT))


async def read_statement(
    session: AsyncSession, account_id: AccountId, month: Month, *, zone: tzinfo, currency: str
) -> Statement:
    """Recompute an account's month; in a session that began with `begin_snapshot`."""
    of: dict[str, Any] = {"zone": zone, "currency": currency}
    window, found = await _read(session, account_id, month, **of)
    figures = await read_figures(session, account_id, window)
    return Statement(
        figures=figures,
        charges=await read_charges(session, account_id, window, **of, is_raw=True),
        owed_micros=max(-figures.closing_micros, 0),
        **found,
    )


async def read_summary(
    session: AsyncSession, account_id: AccountId, month: Month, *, zone: tzinfo, currency: str
) -> Summary:
    """Recompute it for a page, likewise; what thousands of tasks would be read for is shortened.

    Its charges are told apart by what is kept of days: they still come to those of the entries, or
    it is not right. The hash is for who keeps the document.
    """
    of: dict[str, Any] = {"zone": zone, "currency": currency}
    window, found = await _read(session, account_id, month, **of)
    figures = await read_counted(session, account_id, window)
    return Summary(
        figures=figures,
        charges=await read_charges(session, account_id, window, **of),
        owed_micros=max(-figures.closing_micros, 0),
        **found,
    )


async def _read(
    session: AsyncSession, account_id: AccountId, month: Month, *, zone: tzinfo, currency: str
) -> tuple[Window, dict[str, Any]]:
    """Read all but what its entries come to, and say of which window they are."""
    row = await find_closed(session, account_id, month)
    last = await find_last_closed(session, account_id)
    window = Window(row.start_at, row.until_at) if row else next_window(last, month, zone)
    account = await session.get_one(Account, account_id)
    names = select(Tenant.name).where(Tenant.account_id == account_id).order_by(Tenant.id)
    values = {"account_id": account_id, "start": window.start, "until": window.until}
    stored = (await session.execute(STORED, values)).mappings().all()
    recomputed_at = await session.scalar(select(func.now()))
    assert recomputed_at is not None, "it has a clock"
    return window, {
        "account_id": account_id,
        "tenants": list(await session.scalars(names)),
        "month": str(month),
        "timezone": str(zone),
        "start_at": window.start,
        "until_at": window.until,
        "currency": currency,
        "storage": [StorageLine(**line) for line in stored],
        "quota_now_micros": account.quota_micros,
        "held_now_micros": account.held_micros,
        "credit_now_micros": account.credit_micros,
        "recomputed_at": recomputed_at,
        "closed_at": row.closed_at if row else None,
        "closed_figures": figures_of(row) if row else None,
    }


async def read_invoiced(session: AsyncSession, statement: Statement) -> list[str]:
    """Say of each invoice over a month, or over what was paid in it, what it is."""
    window = Window(statement.start_at, statement.until_at)
    found = await invoices_of_month(
        session, statement.account_id, read_month(statement.month), window
    )
    return [
        f"Invoice {row.id}, {row.state}"
        + (f" with the number {row.number}" if row.number else "")
        + f": {money(row.amount_micros, row.currency)} "
        + ("for this month." if row.month else "for what was paid.")
        for row in found
    ] or ["No invoice is over it."]


async def accounts_of_month(
    session: AsyncSession, month: Month, *, zone: tzinfo
) -> list[AccountId]:
    """List the accounts that had an entry by the end of a month."""
    until = month.window(zone).until
    has_entries = select(Entry.id).where(Entry.account_id == Account.id, Entry.created_at < until)
    query = select(Account.id).where(has_entries.limit(1).exists()).order_by(Account.id)
    return [AccountId(one) for one in await session.scalars(query)]


async def unclosed_accounts(
    session: AsyncSession, month: Month, *, zone: tzinfo
) -> list[AccountId]:
    """List those of `accounts_of_month` that are not closed up to its end."""
    until = month.window(zone).until
    closed = select(Account.id).where(Account.closed_until >= until)
    is_closed = set(await session.scalars(closed))
    return [
        one for one in await accounts_of_month(session, month, zone=zone) if one not in is_closed
    ]
