"""Closing an account's months: their figures are kept, and no entry falls into them any more.

Each is closed under the lock that every entry is written under. Whoever waits for it meanwhile
writes an entry that says the end of the month at the earliest (`entry_at` of `holds.py`), whenever
its own transaction began.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo

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

    None of an account that had no entry by then.

    Raises:
        UnknownAccount, BooksDiffer: nothing was written.
    """
    windows = await _windows_to_close(session, account_id, month, zone)
    return await close_windows(session, account_id, windows, actor=actor)


async def close_windows(
    session: AsyncSession,
    account_id: AccountId,
    windows: Mapping[Month, Window],
    *,
    actor: str,
) -> list[ClosedMonth]:
    """Close windows that are over, each as a month, in their order; none that was meanwhile.

    They are summed up before the account is locked, which takes a second for some 200,000 entries
    and would hold up its charges. What was entered into them since, which is hardly ever anything,
    has a larger id than all that was read: then they are summed up again.

    Raises:
        UnknownAccount, BooksDiffer: nothing was written.
    """
    newest_id = await _newest_id(session, account_id)
    figures = {one: await read_figures(session, account_id, windows[one]) for one in windows}
    query = select(Account.id).where(Account.id == account_id).with_for_update(key_share=True)
    if await session.scalar(query) is None:
        raise UnknownAccount(account_id)
    closed = []
    for month, window in windows.items():
        if await find_closed(session, account_id, month) is not None:
            continue
        summed = figures[month]
        if await _has_newer(session, account_id, newest_id, window.until):
            summed = await read_figures(session, account_id, window)
        if not summed.adds_up:
            raise BooksDiffer
        closed.append(
            ClosedMonth(
                account_id=account_id,
                month=str(month),
                start_at=window.start,
                until_at=window.until,
                actor=actor,
                **msgspec.structs.asdict(summed),
            )
        )
    session.add_all(closed)
    await session.flush()
    if closed:
        await session.execute(
            update(Account)
            .where(Account.id == account_id)
            .values(closed_until=func.greatest(Account.closed_until, closed[-1].until_at))
        )
    return closed


async def _windows_to_close(
    session: AsyncSession, account_id: AccountId, month: Month, zone: tzinfo
) -> dict[Month, Window]:
    """Name the months up to one that are not closed; each begins where the one before it ends."""
    last = await find_last_closed(session, account_id)
    first_at = await session.scalar(
        select(func.min(Entry.created_at)).where(Entry.account_id == account_id)
    )
    if first_at is None:
        return {}
    one = read_month(last.month).next if last else month_of(first_at, zone)
    windows: dict[Month, Window] = {}
    while one <= month:
        windows[one] = next_window(None if windows else last, one, zone)
        one = one.next
    return windows


async def _newest_id(session: AsyncSession, account_id: AccountId) -> int:
    query = select(Entry.id).where(Entry.account_id == account_id)
    return await session.scalar(query.order_by(Entry.id.desc()).limit(1)) or 0


async def _has_newer(
    session: AsyncSession, account_id: AccountId, newest_id: int, until: datetime
) -> bool:
    """Tell whether something was entered behind an entry, and still before a moment."""
    query = select(Entry.id).where(
        Entry.account_id == account_id, Entry.id > newest_id, Entry.created_at < until
    )
    return await session.scalar(query.limit(1)) is not None


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
