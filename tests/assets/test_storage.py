"""What is kept is measured by the day, and a month of it charged once, whoever tries."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from relay.assets.months import KeptMonth, list_kept_months
from relay.assets.storage import UNCHARGED, Stored, measure, read_month_stored
from relay.database.engine import Sessions, open_engine, open_sessions
from relay.database.ids import AccountId
from relay.desk.errors import Busy, NotPossible
from relay.desk.money import adjust_quota
from relay.desk.storage import charge_storage
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tenants import TenantChanges, change_tenant, open_tenant, remove_tenant
from relay.invoices.covered import read_uncovered
from relay.invoices.tables import Basis
from relay.months import Month, month_of
from relay.usage.audit import audit_all
from relay.usage.documents import statement_sheet
from relay.usage.statement import begin_snapshot, read_statement
from relay.worker.forget_old import ASSET_DAYS, Ages, forget_old
from relay.worker.keep_storage import keep_storage
from tests.relay_app import ACTOR

QUOTA = 10_000_000
AGES = Ages(*[365] * 6)


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


def statement_bytes() -> int:
    """What those of `add_tenant` had on the first day."""
    return (last_month().next.first - last_month().first).days * 1_500_000_000


async def close_this_month(sessions: Sessions, account_id: AccountId) -> None:
    """Close it before its end, with 7 charged for tasks."""
    await rows(
        sessions,
        "INSERT INTO closed_months SELECT :account, :month, :start, :until,"
        " 0, 0, 0, 0, -7, 0, 0, 0, 0, 1, 'x', now(), 'relay' RETURNING 1",
        account=account_id,
        month=str(this_month()),
        **this_month().window(UTC)._asdict(),
    )


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
    await close_this_month(sessions, account_id)
    async with sessions.begin() as session:
        [month] = await read_uncovered(session, account_id, Basis.STATEMENTS)
    assert month.amount_micros == 3_000_000 + 7
    await rows(sessions, "UPDATE storage_charges SET amount_micros = 1 RETURNING 1")
    async with sessions.begin() as session:
        found = {one.rule: one.actual for one in (await audit_all(session)).differences}
    assert found["what a month of kept files was charged is one adjustment, of its amount"] == (
        3_000_000
    )


async def test_what_is_given_back_is_on_no_invoice(sessions: Sessions) -> None:
    """Of 3, ten who give back 1 find three: the invoice over that month has nothing of it left."""
    _, account_id = await add_tenant(sessions, "acme")
    await charge(sessions, "acme")

    async def give_back(micros: int = 1_000_000, month: Month | None = None) -> None:
        async with sessions.begin() as session:
            await adjust_quota(
                *(session, ACTOR, "acme"),
                amount_micros=micros,
                reason="files of a test",
                currency="USD",
                storage=month or last_month(),
            )

    outcomes = await asyncio.gather(*(give_back() for _ in range(10)), return_exceptions=True)
    while outcomes.count(None) < 3:  # on a slow machine some give up waiting for the one
        outcomes += await asyncio.gather(give_back(), return_exceptions=True)

    assert sum(one is None for one in outcomes) == 3
    assert all(one is None or isinstance(one, NotPossible | Busy) for one in outcomes)
    for micros, month in ((1, None), (-1, None), (1, this_month())):
        with pytest.raises(NotPossible, match=r"no such amount"):
            await give_back(micros, month)
    [account] = await rows(sessions, "SELECT quota_micros FROM accounts")
    assert account["quota_micros"] == QUOTA
    async with sessions.begin() as session:
        await begin_snapshot(session)
        assert (await audit_all(session)).ok
        statement = await read_statement(
            session, account_id, this_month(), zone=UTC, currency="USD"
        )
        months = await list_kept_months(
            session, first=last_month(), last=this_month(), tenant_id=None
        )
    assert sum(line.amount_micros for line in statement.storage) == 0
    assert sum("given back" in note for note in statement_sheet(statement).notes) == 3
    assert months == [
        KeptMonth(
            *("acme", str(last_month()), Decimal("1.5")),
            *(statement_bytes(), 3_000_000, 3_000_000, 3_000_000),
        )
    ]
    await close_this_month(sessions, account_id)
    async with sessions.begin() as session:
        [covered] = await read_uncovered(session, account_id, Basis.STATEMENTS)
    assert covered.amount_micros == 7


async def test_who_was_removed_owes_the_last_month(sessions: Sessions) -> None:
    """It is charged to the account, once; days that nobody needs any more are forgotten."""
    tenant_id, _ = await add_tenant(sessions, "acme")
    await add_tenant(sessions, "beta")
    async with sessions.begin() as session:
        await adjust_quota(
            session, ACTOR, "acme", amount_micros=-QUOTA, reason="all", currency="USD"
        )
        await remove_tenant(session, ACTOR, "acme")
    for day, price in (("2020-01-01", None), ("2020-02-01", 5), ("2020-03-01", 5)):
        await rows(
            sessions,
            "INSERT INTO asset_days VALUES (:id, CAST(:day AS date), 7, :price) RETURNING 1",
            id=tenant_id,
            day=date.fromisoformat(day),
            price=price,
        )
    await rows(
        sessions,
        "INSERT INTO storage_charges (tenant_id, month, account_id, gb_months, amount_micros)"
        " SELECT id, '2020-02', account_id, 0, 0 FROM tenants WHERE id = :id RETURNING 1",
        id=tenant_id,
    )

    for _ in range(2):
        await keep_storage(sessions, zone=UTC, gb_month_micros=5, currency="USD")
    await forget_old(sessions, AGES)

    [account] = await rows(
        sessions,
        "SELECT quota_micros FROM accounts a JOIN tenants n ON n.account_id = a.id"
        " WHERE n.id = :id",
        id=tenant_id,
    )
    assert account["quota_micros"] == -3_000_000
    left = await rows(sessions, "SELECT day FROM asset_days WHERE tenant_id = :id", id=tenant_id)
    assert {one["day"] for one in left} == {date(2020, 3, 1), last_month().first}


async def test_a_tenant_has_a_price_of_its_own(sessions: Sessions) -> None:
    """And its sub-tenants have it; 0 is nothing, and others pay what everybody does."""
    ids = {name: (await add_tenant(sessions, name))[0] for name in ("acme", "free", "beta")}
    async with sessions.begin() as session:
        for name, price in (("acme", 7), ("free", 0)):
            changes = TenantChanges(asset_gb_month_micros=price)
            await change_tenant(session, ACTOR, name, changes)
        below = await open_sub_tenant(session, ACTOR, "acme", "eu", resale=Decimal(1))
        ids["acme/eu"] = below.id
    await rows(
        sessions,
        "INSERT INTO asset_objects (tenant_id, sha256, bytes, stored_at)"
        " SELECT id, 'x', 9, now() FROM tenants RETURNING 1",
    )

    async with sessions.begin() as session:
        await measure(session, this_month().first, gb_month_micros=5)

    found = await rows(
        sessions, "SELECT * FROM asset_days WHERE day = :day", day=this_month().first
    )
    prices = {row["tenant_id"]: row["gb_month_micros"] for row in found}
    assert {name: prices[ids[name]] for name in ids} == {
        "acme": 7,
        "free": 0,
        "beta": 5,
        "acme/eu": 7,
    }


async def test_days_are_found_by_their_day(sessions: Sessions) -> None:
    """Of 300 days of 300 tenants neither who is uncharged nor what is forgotten reads all."""
    tenant_id, _ = await add_tenant(sessions, "acme")
    async with sessions.begin() as session:
        await session.execute(
            text("ALTER TABLE asset_days DROP CONSTRAINT asset_days_tenant_id_fkey")
        )
        await session.execute(
            text(
                "INSERT INTO asset_days SELECT :id + t, DATE '2020-01-01' + d, 7, 5"
                " FROM generate_series(1, 300) t, generate_series(1, 300) d"
            ),
            {"id": tenant_id},
        )
        await session.execute(text("ANALYZE asset_days"))
        for statement, values in (
            (UNCHARGED, {"first": last_month().first, "until": this_month().first}),
            (text(ASSET_DAYS), {"days": 400 * 20, "at_once": 1000}),
        ):
            explained = text(f"EXPLAIN {statement.text}")
            plan = "\n".join(await session.scalars(explained, values))
            assert "asset_days_day_idx" in plan, plan
            assert "Seq Scan on asset_days" not in plan, plan


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
