"""Closing an account's months: their figures are kept, and no entry falls into them any more.

Each is closed under the lock that every entry is written under. Whoever waits for it meanwhile
writes an entry that says the end of the month at the earliest (`entry_at` of `holds.py`), whenever
its own transaction began.
"""

from datetime import tzinfo

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.ledger.entries import UnknownAccount
from relay.ledger.figures import Figures, read_figures
from relay.ledger.tables import Account, ClosedMonth, Entry
from relay.months import Month, Window, month_of, read_month


class BooksDiffer(ValueError):
    """The entries do not come to the account's quota: a month of it cannot be vouched for."""


async def close_month(
    session: AsyncSession, account_id: AccountId, month: Month, *, zone: tzinfo, actor: str
) -> list[ClosedMonth]:
    """Close a month that is over, and those before it that are not closed yet; return them.

    None of an account that had no entry by then. Locks the account.

    Raises:
        UnknownAccount, BooksDiffer: nothing was written.
    """
    await _lock(session, account_id)
    closed = []
    first_at = await session.scalar(
        select(func.min(Entry.created_at)).where(Entry.account_id == account_id)
    )
    last = await find_last_closed(session, account_id)
    if first_at is None:
        return []
    one = read_month(last.month).next if last else month_of(first_at, zone)
    while one <= month:
        window = next_window(last, one, zone)
        last = await close_window(session, account_id, one, window, actor=actor)
        closed.append(last)
        one = one.next
    return closed


async def close_window(
    session: AsyncSession, account_id: AccountId, month: Month, window: Window, *, actor: str
) -> ClosedMonth:
    """Close one window as a month. Locks the account, and reads its entries after that.

    Raises:
        UnknownAccount, BooksDiffer: nothing was written.
    """
    await _lock(session, account_id)
    figures = await read_figures(session, account_id, window)
    if not figures.adds_up:
        raise BooksDiffer
    row = ClosedMonth(
        account_id=account_id,
        month=str(month),
        start_at=window.start,
        until_at=window.until,
        actor=actor,
        **msgspec.structs.asdict(figures),
    )
    session.add(row)
    await session.flush()
    await session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(closed_until=func.greatest(Account.closed_until, window.until))
    )
    return row


def next_window(last: ClosedMonth | None, month: Month, zone: tzinfo) -> Window:
    """Say what a month holds that is not closed: the one behind the last closed one begins there.

    So none is lost or doubled, though the time zone was changed since.
    """
    window = month.window(zone)
    if last is None or read_month(last.month).next != month:
        return window
    return Window(last.until_at, max(window.until, last.until_at))


async def find_last_closed(session: AsyncSession, account_id: AccountId) -> ClosedMonth | None:
    """Find the newest closed month of an account."""
    query = select(ClosedMonth).where(ClosedMonth.account_id == account_id)
    return await session.scalar(query.order_by(ClosedMonth.month.desc()).limit(1))


async def find_closed(
    session: AsyncSession, account_id: AccountId, month: Month
) -> ClosedMonth | None:
    return await session.get(ClosedMonth, (account_id, str(month)))


def figures_of(row: ClosedMonth) -> Figures:
    """Read the figures that were kept."""
    return Figures(**{name: getattr(row, name) for name in Figures.__struct_fields__})


async def _lock(session: AsyncSession, account_id: AccountId) -> None:
    query = select(Account.id).where(Account.id == account_id).with_for_update(key_share=True)
    if await session.scalar(query) is None:
        raise UnknownAccount(account_id)
