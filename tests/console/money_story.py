"""The money of a relay whose console is looked at: a closed month, losses, codes and invoices."""

from datetime import UTC, datetime
from typing import Any

from relay.database.ids import AccountId
from relay.desk.codes import make_codes, redeem_code, revoke_codes
from relay.desk.invoices import (
    InvoicePaper,
    ProfileChanges,
    issue_invoice,
    reject_invoice,
    request_invoice,
    set_invoice_profile,
)
from relay.desk.money import add_quota, adjust_quota
from relay.desk.months import close_month
from relay.desk.storage import charge_storage
from relay.ledger.tables import TopupKind
from relay.months import month_of
from tests.admin.office import act
from tests.relay_app import Relay

AGED = """
UPDATE entries SET created_at = date_trunc('month', now()) - interval '10 days'
WHERE id <= (SELECT min(id) + 1 FROM entries)
"""


async def tell_money(relay: Relay, markup: str) -> list[str]:
    """Make it, and return the addresses of all pages that show it."""
    currency = {"currency": "USD"}
    for name, amount, kind in (("b-1", 1_500_000, "bonus"), ("p-1", 20_000_001, "paid")):
        topup: dict[str, Any] = {"kind": TopupKind(kind), "reference": name, "reason": markup}
        await act(relay, add_quota, "acme", amount_micros=amount, **topup, **currency)
    await act(relay, adjust_quota, "acme", amount_micros=-1, reason=markup, **currency)
    await _age(relay)
    await relay.rows(
        "UPDATE tasks SET cost_units = 9, cost_pack = 'video'"
        " WHERE id IN (SELECT id FROM tasks WHERE state = 'succeed' ORDER BY id LIMIT 1)"
    )
    of: dict[str, Any] = {"amount_micros": 5_000_000, "count": 3, "expires_at": None}
    made = await act(relay, make_codes, f"spring {markup}", **of, **currency)
    await act(relay, redeem_code, "acme", made[0].code, **currency)
    await act(relay, revoke_codes, f"spring {markup}", code_id=made[1].id, reason=markup)
    profile = ProfileChanges(title=f"Acme {markup}", tax_id="91310000MA1K35", address=markup)
    await act(relay, set_invoice_profile, "acme", profile)
    first = await act(relay, request_invoice, "acme", **currency)
    await act(relay, reject_invoice, first.id, reason=markup)
    second = await act(relay, request_invoice, "acme", **currency)
    paper = InvoicePaper("a.pdf", b"%PDF")
    await act(relay, issue_invoice, second.id, number="26317000000123456789", paper=paper)
    late = {"kind": TopupKind.PAID, "reference": "p-2", "amount_micros": 3_000_000}
    await act(relay, add_quota, "acme", **late, **currency)
    third = await act(relay, request_invoice, "acme", **currency)
    await act(relay, add_quota, "acme", **late | {"reference": "p-3"}, **currency)
    last = month_of(datetime.now(UTC), UTC).previous
    await relay.rows(
        "INSERT INTO asset_days SELECT id, $1, 60000000000, 2000000 FROM tenants"
        " WHERE name = 'acme'",
        last.first,
    )
    await act(relay, charge_storage, "acme", last, zone=UTC, **currency)
    return [
        "/tenants/1/kept",
        f"/tenants/1/kept/{last}/give-back",
        "/tenants/2/kept",
        "/money/entries",
        "/money/entries?kind=topup.bonus&actor=tester",
        "/money/entries?tenant=nobody&since=never",
        "/money/month",
        f"/money/month?month={last}",
        f"/money/month/close?month={last.previous}",
        "/money/month/close?month=x",
        "/money/margin",
        "/money/margin?by=channel&and=model",
        "/money/margin?since=2026-02-30",
        "/money/losses",
        "/money/losses?month=2020-01",
        "/money/bill",
        "/money/codes",
        "/money/codes/make",
        "/money/codes/redeem",
        "/money/codes/1",
        "/money/codes/1/revoke",
        "/money/invoices",
        "/money/invoices?state=requested",
        *(f"/money/invoices/{one.id}" for one in (first, second, third)),
        f"/money/invoices/{third.id}/issue",
        f"/money/invoices/{third.id}/reject",
        f"/money/invoices/{second.id}/reverse",
        "/money/invoices/profiles",
        "/money/invoices/profiles/1",
        "/money/invoices/profiles/2",
        "/money/invoices/profiles/1/change",
    ]


async def _age(relay: Relay) -> None:
    """Let the first two entries be of the month before, which is closed of the first account."""
    await relay.rows("ALTER TABLE entries DISABLE TRIGGER entries_are_final")
    await relay.rows(AGED)
    await relay.rows("ALTER TABLE entries ENABLE TRIGGER entries_are_final")
    (row,) = await relay.rows("SELECT account_id FROM tenants ORDER BY id LIMIT 1")
    last = month_of(datetime.now(UTC), UTC).previous
    await act(relay, close_month, AccountId(row["account_id"]), last, zone=UTC)
