"""A closed month cannot change: whoever raced its closing is entered in the next one."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions, dsn
from relay.database.ids import AccountId
from relay.ledger.closing import close_month, close_windows, figures_of
from relay.ledger.entries import top_up
from relay.ledger.figures import read_figures
from relay.ledger.tables import ClosedMonth, TopupKind
from relay.months import Month, Window, month_of
from tests.ledger.books import audit_books
from tests.ledger.test_quota_after import finish, live_tasks
from tests.relay_app import CLIP_MICROS, Relay, running_relay
from tests.waiting import wait_until

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MONTH = Month(2020, 1)
ENTRIES = "SELECT kind, created_at FROM entries ORDER BY id"


WAITERS = """
SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def add(sessions: Sessions, account_id: int, number: int) -> None:
    async with sessions.begin() as session:
        await add_in(session, account_id, number)


async def add_in(session: AsyncSession, account_id: int, number: int) -> None:
    await top_up(
        session,
        AccountId(account_id),
        amount_micros=7,
        kind=TopupKind.BONUS,
        reference=f"gift {number}",
        currency="USD",
        actor="tests",
    )


async def close(sessions: Sessions, account_id: int, until: datetime) -> ClosedMonth:
    async with sessions.begin() as session:
        windows = {MONTH: Window(LONG_AGO, until)}
        (row,) = await close_windows(session, AccountId(account_id), windows, actor="tests")
        return row


async def test_whoever_races_the_closing_is_of_the_next_month(books: str) -> None:
    """A charge that has the account is waited for, and is in. A charge and a top-up whose
    transactions began before the month's end, and who have the account later, are not."""
    async with running_relay(books) as relay:
        ids = await live_tasks(relay, "acme")
        account_id = (await relay.row("SELECT account_id FROM tenants"))["account_id"]
        await relay.add_tenant("beta")
        other_id = (await relay.row("SELECT max(account_id) AS id FROM tenants"))["id"]
        early, late = [await asyncpg.connect(dsn(books)) for _ in range(2)]
        before, behind = early.transaction(), late.transaction()
        await before.start()
        await behind.start()
        began_at: datetime = await late.fetchval("SELECT now()")
        async with relay.sessions.begin() as session:
            await session.execute(text("SELECT 1"))  # it begins
            await finish(early, ids[:1])
            until: datetime = await early.fetchval("SELECT clock_timestamp()")
            assert began_at < until

            closing = asyncio.create_task(close(relay.sessions, account_id, until))
            await wait_until(lambda: has_waiter(relay))
            await before.commit()
            row = await closing
            other = await close(relay.sessions, other_id, until)
            await finish(late, ids[1:3])
            await behind.commit()
            await add_in(session, other_id, 1)

        kinds = [(one["kind"], one["created_at"] >= until) for one in await relay.rows(ENTRIES)]
        assert kinds == [
            *(("topup", False), ("topup", False), ("charge", False)),
            *(("charge", True), ("charge", True), ("topup", True)),
        ]
        async with relay.sessions() as session:
            for one in (row, other):
                window = Window(one.start_at, one.until_at)
                account = AccountId(one.account_id)
                assert await read_figures(session, account, window) == figures_of(one)
        assert (row.entries, row.closing_micros) == (2, 10_000_000 - CLIP_MICROS)
        for connection in (early, late):
            await connection.close()


async def has_waiter(relay: Relay) -> bool:
    """Whether somebody waits for a row or for who has written it."""
    return bool(await relay.rows(WAITERS))


async def test_closings_beside_charges_and_topups_keep_every_figure(books: str) -> None:
    """Eight charges, twelve gifts and four windows closed at once: each entry is in one of them,
    or after them all, and the audit recomputes every hash."""
    async with running_relay(books) as relay:
        ids = await live_tasks(relay, "acme", "beta")
        accounts = [row["account_id"] for row in await relay.rows("SELECT * FROM tenants")]
        connections = [await asyncpg.connect(dsn(books)) for _ in ids]

        async def close_up_to_now(account_id: int) -> None:
            start = LONG_AGO
            for month in (MONTH, MONTH.next):
                until = datetime.now(UTC)
                windows = {month: Window(start, until)}
                async with relay.sessions.begin() as session:
                    await close_windows(session, AccountId(account_id), windows, actor="tests")
                start = until

        await asyncio.gather(
            *(finish(one, [id_]) for one, id_ in zip(connections, ids, strict=True)),
            *(add(relay.sessions, accounts[number % 2], number) for number in range(12)),
            *(close_up_to_now(account_id) for account_id in accounts),
        )

        for one in connections:
            await one.close()
        closed = await relay.rows("SELECT * FROM closed_months")
        assert len(closed) == 4
        behind = await relay.row(
            "SELECT count(*) FROM entries e JOIN accounts a ON a.id = e.account_id"
            " WHERE e.created_at >= a.closed_until"
        )
        assert sum(row["entries"] for row in closed) + behind["count"] == 2 + 8 + 12
        report = await audit_books(books)
        assert report.ok, report.differences


async def test_months_are_closed_in_order_and_for_ever(books: str) -> None:
    """Those before one are closed with it, each begins where the last one ended; again is nothing,
    and the row refuses a change."""
    async with running_relay(books) as relay:
        await relay.add_tenant(quota_micros=10 * CLIP_MICROS)
        account_id = AccountId((await relay.row("SELECT account_id FROM tenants"))["account_id"])
        connection = await asyncpg.connect(dsn(books))
        await connection.execute(
            "ALTER TABLE entries DISABLE TRIGGER entries_are_final;"
            "UPDATE entries SET created_at = now() - interval '70 days';"
            "ALTER TABLE entries ENABLE TRIGGER entries_are_final"
        )
        last = month_of(datetime.now(UTC), UTC).previous

        async def close_all() -> list[str]:
            async with relay.sessions.begin() as session:
                closed = await close_month(session, account_id, last, zone=UTC, actor="tests")
                return [row.month for row in closed]

        first, second = await asyncio.gather(close_all(), close_all())

        assert min((len(first), len(second))) == 0
        months = first or second
        assert months[-1] == str(last)
        assert len(months) in (2, 3)
        rows = await relay.rows("SELECT * FROM closed_months ORDER BY month")
        assert [row["start_at"] for row in rows[1:]] == [row["until_at"] for row in rows[:-1]]
        assert [row["opening_micros"] for row in rows[1:]] == [
            row["closing_micros"] for row in rows[:-1]
        ]
        assert rows[0]["paid_micros"] == rows[-1]["closing_micros"] == 10 * CLIP_MICROS
        assert rows[-1]["until_at"] - timedelta(days=27) > rows[-1]["start_at"]
        for change in ("UPDATE closed_months SET entries = 9", "DELETE FROM closed_months"):
            with pytest.raises(asyncpg.RaiseError, match="never changed"):
                await connection.execute(change)
        await connection.close()
