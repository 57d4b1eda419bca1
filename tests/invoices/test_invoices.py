"""Invoices: no amount is on two, whoever asks at once; and what is taken back is free."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import asyncpg
import pytest

from relay.database.ids import AccountId
from relay.desk.errors import Busy, NotPossible, Unusable
from relay.desk.invoices import (
    InvoicePaper,
    ProfileChanges,
    issue_invoice,
    reject_invoice,
    request_invoice,
    reverse_invoice,
    set_invoice_profile,
)
from relay.desk.money import add_quota
from relay.desk.months import close_month
from relay.invoices.covered import read_corrections_since, read_uncovered
from relay.invoices.tables import FILE_BYTES_MAX, Basis, Invoice
from relay.ledger.tables import TopupKind
from relay.months import month_of
from tests.relay_app import ACTOR, Relay, fixture_relay
from tests.usage.business import BALANCE, FILL_ENTRY, FILL_TASKS

UNITS = 1_000_000
AGED = """
UPDATE entries SET created_at = created_at - interval '40 days' WHERE account_id = $1
"""
STORAGE = """
INSERT INTO storage_charges (tenant_id, month, account_id, gb_months, amount_micros, entry_id)
SELECT t.id, '2000-01', t.account_id, 1, -e.amount_micros, e.id
FROM entries e JOIN tenants t USING (account_id) WHERE e.kind = 'adjust'
"""
RAW_ITEM = """
INSERT INTO invoice_items (invoice_id, is_live, account_id, entry_id, amount_micros)
SELECT invoice_id, is_live, account_id, entry_id, amount_micros FROM invoice_items LIMIT 1
"""


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        for name in ("acme", "beta"):
            await running.add_tenant(name, quota_micros=0)
        yield running


async def act(relay: Relay, function: Any, *args: Any, **values: Any) -> Any:
    async with relay.sessions.begin() as session:
        return await function(session, ACTOR, *args, **values)


async def pay(
    relay: Relay, amount: int, reference: str, kind: TopupKind = TopupKind.PAID, to: str = "acme"
) -> int:
    await act(
        *(relay, add_quota, to),
        amount_micros=amount,
        reference=reference,
        kind=kind,
        currency="USD",
    )
    return int((await relay.row("SELECT max(id) AS id FROM entries"))["id"])


async def ask(relay: Relay, of: str = "acme", **values: Any) -> Invoice:
    invoice: Invoice = await act(relay, request_invoice, of, currency="USD", **values)
    return invoice


async def account_of(relay: Relay, name: str) -> AccountId:
    row = await relay.row("SELECT account_id FROM tenants WHERE name = $1", name)
    return AccountId(row["account_id"])


async def due(relay: Relay, name: str = "acme", basis: Basis = Basis.TOPUPS) -> list[int]:
    async with relay.sessions() as session:
        found = await read_uncovered(session, await account_of(relay, name), basis)
    return [one.amount_micros for one in found]


async def test_what_was_paid_is_invoiced_once(relay: Relay) -> None:
    """Of sixteen requests at once, each on a connection of its own, one is written; bonuses are on
    none, corrections are; rejected and reversed ones free what they covered, and audit agrees."""
    await pay(relay, 100 * UNITS, "one")
    await pay(relay, 7 * UNITS, "gift", TopupKind.BONUS)
    await pay(relay, -30 * UNITS, "less", TopupKind.CORRECTION)
    with pytest.raises(NotPossible, match="no invoice profile"):
        await ask(relay)
    await act(relay, set_invoice_profile, "acme", ProfileChanges(title="Acme"))
    assert await due(relay) == [100 * UNITS, -30 * UNITS]

    asked = await asyncio.gather(*(ask(relay) for _ in range(16)), return_exceptions=True)

    made = [one for one in asked if isinstance(one, Invoice)]
    assert [one.amount_micros for one in made] == [70 * UNITS]
    refused = [one for one in asked if not isinstance(one, Invoice)]
    assert all(isinstance(one, NotPossible | Busy) for one in refused)
    with pytest.raises(asyncpg.UniqueViolationError, match="invoice_items_one_entry"):
        await relay.rows(RAW_ITEM)
    with pytest.raises(asyncpg.CheckViolationError, match="live_by_state"):
        await relay.rows("UPDATE invoices SET state = 'rejected', reason = 'x'")

    await act(relay, reject_invoice, made[0].id, reason="wrong tax number")
    assert await due(relay) == [100 * UNITS, -30 * UNITS]
    again = await ask(relay)
    paper = InvoicePaper("a.pdf", b"%PDF")
    with pytest.raises(Unusable, match="a file has 1 to 5,242,880 bytes"):
        await act(
            *(relay, issue_invoice, again.id),
            number="26-1",
            paper=InvoicePaper("a.pdf", bytes(FILE_BYTES_MAX + 1)),
        )
    await act(relay, issue_invoice, again.id, number="26-1")
    await act(relay, issue_invoice, again.id, number="26-1", paper=paper)
    with pytest.raises(NotPossible, match="it has a file"):
        await act(relay, issue_invoice, again.id, number="26-1", paper=paper)
    for function in (reject_invoice, issue_invoice):
        of = {"number": "26-2"} if function is issue_invoice else {"reason": "no"}
        with pytest.raises(NotPossible, match="it is issued with the number 26-1"):
            await act(relay, function, again.id, **of)
    await _corrected_later(relay, again)
    await act(relay, reverse_invoice, again.id, reason="red letter")
    assert await due(relay) == [100 * UNITS, -30 * UNITS, -5 * UNITS]
    last = (await ask(relay)).id
    with pytest.raises(NotPossible, match="26-1 is the number of invoice"):
        await act(relay, issue_invoice, last, number="26-1")
    assert await due(relay) == []
    states = await relay.rows("SELECT state FROM invoices ORDER BY id")
    assert [row["state"] for row in states] == ["rejected", "reversed", "requested"]
    assert (await relay.audit()).differences == []
    await relay.rows("UPDATE invoice_items SET amount_micros = 1 WHERE invoice_id = $1", last)
    rules = {one.rule for one in (await relay.audit()).differences}
    assert {rule.split(" ")[0] for rule in rules} == {"an", "what"}


async def _corrected_later(relay: Relay, invoice: Invoice) -> None:
    """What corrects a top-up after that is seen with the invoice that is over it."""
    await pay(relay, -5 * UNITS, "less again", TopupKind.CORRECTION)

    async with relay.sessions() as session:
        row = await session.get_one(Invoice, invoice.id)
        later = await read_corrections_since(session, row)

    assert [(one.amount_micros, one.reference) for one in later] == [(-5 * UNITS, "less again")]
    with pytest.raises(NotPossible, match="comes to -5"):
        await ask(relay)


async def test_a_closed_month_is_invoiced_once_and_never_beside_topups(relay: Relay) -> None:
    """Charges of the month and of files, less refunds; one that is open is none; who is invoiced by
    top-ups is not by months meanwhile, and what was paid in it is on no second one."""
    account_id = await account_of(relay, "beta")
    await pay(relay, 50 * UNITS, "paid", to="beta")
    await relay.add_channel()
    connection = await asyncpg.connect(relay.database_url)
    now = await connection.fetchval("SELECT now() - interval '40 days'")
    task = await connection.fetchrow(
        *(FILL_TASKS, "beta", False, "succeed", "1", "m", "video", "{}", now),
        *(900_000, 100_000, None),
    )
    assert task is not None
    for kind, amount in (("charge", -900_000), ("refund", 100_000)):
        await connection.execute(FILL_ENTRY, account_id, kind, amount, task["id"], "why", now)
    await connection.execute(FILL_ENTRY, account_id, "adjust", -300_000, None, "files", now)
    await connection.execute(STORAGE)
    await connection.execute("ALTER TABLE entries DISABLE TRIGGER entries_are_final")
    await connection.execute(AGED, account_id)
    await connection.execute("UPDATE entries SET created_at = $1, quota_after_micros = NULL", now)
    await connection.execute("ALTER TABLE entries ENABLE TRIGGER entries_are_final")
    await connection.execute(BALANCE)
    await connection.close()
    month = month_of(now, UTC)
    await act(relay, set_invoice_profile, "beta", ProfileChanges(title="Beta"))
    by_topups = await ask(relay, "beta")
    by_month = ProfileChanges(basis=Basis.STATEMENTS)
    with pytest.raises(NotPossible, match="invoiced by topups already"):
        await act(relay, set_invoice_profile, "beta", by_month)
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="invoices_live_basis_fkey"):
        await relay.rows("UPDATE invoice_profiles SET basis = 'statements'")
    await act(relay, reject_invoice, by_topups.id, reason="by months")
    await act(relay, set_invoice_profile, "beta", by_month)
    with pytest.raises(NotPossible, match="is not closed"):
        await ask(relay, "beta", month=str(month))
    await act(relay, close_month, account_id, month, zone=UTC)

    asked = await asyncio.gather(
        *(ask(relay, "beta", month=str(month)) for _ in range(8)), return_exceptions=True
    )

    made = [one for one in asked if isinstance(one, Invoice)]
    assert [(one.amount_micros, one.month) for one in made] == [(1_100_000, str(month))]
    with pytest.raises(NotPossible, match="invoiced by statements: say a month"):
        await ask(relay, "beta")
    assert await due(relay, "beta", Basis.STATEMENTS) == []
    rules = [one for one in (await relay.audit()).differences if "invoice" in one.rule]
    assert rules == []
