"""What is kept is measured by the day, and a month of it charged once, whoever tries."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from relay.assets.storage import Stored, measure, read_month_stored
from relay.database.engine import Sessions, open_engine, open_sessions
from relay.database.ids import AccountId
from relay.desk.errors import Busy, NotPossible
from relay.desk.storage import charge_storage
from relay.desk.tenants import open_tenant
from relay.invoices.covered import read_uncovered
from relay.invoices.tables import Basis
from relay.months import Month, month_of
from relay.usage.audit import audit_all
from relay.usage.documents import statement_sheet
from relay.usage.statement import begin_snapshot, read_statement
from relay.worker.keep_storage import keep_storage
from tests.relay_app import ACTOR

QUOTA = 10_000_000


def this_month() -> Month:
    return month_of(datetime.now(UTC), UTC)


def last_month() -> Month:
    return this_month().previous


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(database_url)
    yield open_sessions(engine)
    await engine.dispose()


async def add_tenant(sessions: Sessions, name: str) -> tuple[int, AccountId]:
    """Open one that kept 1.5 GB-months in the month before: all of it on its first day, at 2."""
    async with sessions.begin() as session:
        tenant = await open_tenant(session, ACTOR, name, quota_micros=QUOTA, currency="USD")
        days = (last_month().next.first - last_month().first).days
        await session.execute(
            text("INSERT INTO asset_days VALUES (:id, :day, :bytes, 2000000)"),
            {"id": tenant.id, "day": last_month().first, "bytes": days * 1_500_000_000},
        )
        return tenant.id, AccountId(tenant.account_id)


async def charge(sessions: Sessions, name: str) -> Stored:
    async with sessions.begin() as session:
        return await charge_storage(session, ACTOR, name, last_month(), zone=UTC, currency="USD")


async def rows(sessions: Sessions, query: str, **values: Any) -> list[Any]:
    async with sessions.begin() as session:
        return list((await session.execute(text(query), values)).mappings())


async def test_of_ten_who_charge_a_month_one_does(sessions: Sessions) -> None:
    """1.5 GB-months at 2 are 3, by one entry, in this month's statement and invoice."""
    tenant_id, account_id = await add_tenant(sessions, "acme")

    outcomes = await asyncio.gather(
        *(charge(sessions, "acme") for _ in range(10)), return_exceptions=True
    )

    done = [one for one in outcomes if isinstance(one, Stored)]
    assert done == [Stored(Decimal("1.5"), 3_000_000, is_priced=True)]
    # On a slow machine some give up waiting for the one.
    assert sum(isinstance(one, NotPossible | Busy) for one in outcomes) == 9
    [entry] = await rows(sessions, "SELECT * FROM entries WHERE kind = 'adjust'")
    assert (entry["amount_micros"], entry["reference"]) == (-3_000_000, f"storage {last_month()}")
    [row] = await rows(sessions, "SELECT * FROM storage_charges")
    assert (row["tenant_id"], row["entry_id"], row["month"]) == (
        tenant_id,
        entry["id"],
        str(last_month()),
    )
    [account] = await rows(sessions, "SELECT quota_micros FROM accounts")
    assert account["quota_micros"] == QUOTA - 3_000_000

    async with sessions.begin() as session:
        await begin_snapshot(session)
        assert (await audit_all(session)).ok
        statement = await read_statement(
            session, account_id, this_month(), zone=UTC, currency="USD"
        )
    assert statement.is_right
    [line] = statement.storage
    assert (line.tenant, line.month, line.amount_micros) == ("acme", str(last_month()), -3_000_000)
    assert any("1.5 GB-months" in note for note in statement_sheet(statement).notes)
    async with sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO closed_months SELECT :account, :month, :start, :until,"
                " 0, 0, 0, 0, -7, 0, 0, 0, 0, 1, 'x', now(), 'relay'"
            ),
            {
                "account": account_id,
                "month": str(this_month()),
                **this_month().window(UTC)._asdict(),
            },
        )
        [month] = await read_uncovered(session, account_id, Basis.STATEMENTS)
    assert month.amount_micros == 3_000_000 + 7
    await rows(sessions, "UPDATE storage_charges SET amount_micros = 1 RETURNING 1")
    async with sessions.begin() as session:
        found = {one.rule: one.actual for one in (await audit_all(session)).differences}
    assert found["what a month of kept files was charged is one adjustment, of its amount"] == (
        3_000_000
    )


async def test_a_charge_that_breaks_off_is_made_again(sessions: Sessions) -> None:
    """Neither its row nor its entry is there before both are."""
    await add_tenant(sessions, "acme")

    async def break_off() -> None:
        async with sessions.begin() as session:
            await charge_storage(session, ACTOR, "acme", last_month(), zone=UTC, currency="USD")
            raise LookupError

    with pytest.raises(LookupError):
        await break_off()

    assert not await rows(sessions, "SELECT 1 FROM storage_charges")
    assert not await rows(sessions, "SELECT 1 FROM entries WHERE kind = 'adjust'")
    assert (await charge(sessions, "acme")).amount_micros == 3_000_000


async def test_workers_measure_and_charge_together(sessions: Sessions) -> None:
    """Of each day the most that was seen counts, at the price of its first look."""
    tenant_id, _ = await add_tenant(sessions, "acme")
    await add_tenant(sessions, "beta")
    await rows(sessions, "DELETE FROM asset_days WHERE tenant_id <> :id RETURNING 1", id=tenant_id)

    async def have(size: int) -> None:
        await rows(sessions, "DELETE FROM asset_objects RETURNING 1")
        await rows(
            sessions,
            "INSERT INTO asset_objects (tenant_id, sha256, bytes, stored_at)"
            " SELECT id, 'x', :size, now() FROM tenants RETURNING 1",
            size=size,
        )

    async def look(price: int | None) -> None:
        await keep_storage(sessions, zone=UTC, gb_month_micros=price, currency="USD")

    await have(500)
    await asyncio.gather(*(look(None) for _ in range(4)))
    await have(700)
    await asyncio.gather(*(look(5) for _ in range(4)))
    await have(20)
    await look(5)

    today = datetime.now(UTC).date()
    found = await rows(sessions, "SELECT * FROM asset_days WHERE day = :day", day=today)
    assert [(row["bytes"], row["gb_month_micros"]) for row in found] == [(700, None)] * 2
    [row] = await rows(sessions, "SELECT * FROM storage_charges")
    assert (row["tenant_id"], row["amount_micros"]) == (tenant_id, 3_000_000)
    entries = await rows(sessions, "SELECT 1 FROM entries WHERE kind = 'adjust'")
    assert len(entries) == 1
    with pytest.raises(NotPossible, match="no files at a price"):
        await charge(sessions, "beta")
    async with sessions.begin() as session:
        await measure(session, date(2026, 2, 1), gb_month_micros=280_000_000)
        month = last_month()._replace(year=2026, number=2)
        stored = await read_month_stored(session, tenant_id, month)
    assert stored == (Decimal(0), 0, True), "20 bytes for a day of 28 are half a micro at most"
