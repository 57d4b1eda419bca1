"""Usage and money on the portal: what is shown to the micro, as files, and what is done there."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from relay.desk.codes import make_codes
from relay.tenants.scope import Scope
from tests.console.story import MARKUP
from tests.limits.limiting import sub_tenant
from tests.portal.visiting import Visit, visiting
from tests.portal.work import add_invoice, pay, settled
from tests.proxy.keys import key
from tests.relay_app import ACTOR, Relay, fixture_relay


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url, portal=True) as running:
        await running.add_channel()
        yield running


async def rows_of(visit: Visit, path: str, **query: Any) -> list[list[str]]:
    answer = await visit.get(path, **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_usage_is_shown_by_day_model_and_key(relay: Relay) -> None:
    """To the micro, with each day of the window in the chart's table, and the same as files."""
    token = await relay.add_tenant()
    second = await key(relay)
    await relay.rows("UPDATE tokens SET name = $2 WHERE id = $1", second.id, f"one {MARKUP}")
    await settled(relay, token)
    await settled(relay, second, duration="10")
    today = datetime.now(UTC).date()

    async with visiting(relay) as ann, visiting(relay, scope=Scope.CALL) as caller:
        page = await ann.read("/usage")
        days = await rows_of(ann, "/usage/csv", by="day")
        models = await rows_of(ann, "/usage/csv", by="model")
        keys = await rows_of(ann, "/usage/csv", by="token")
        empty = await ann.read("/usage", month="2020-01")
        wrong = await ann.read("/usage", **{"from": "2026-11-02", "to": "2026-11-01"})
        raw = (await ann.get("/usage")).text
        own = await caller.read("/usage")
        bad = await ann.get("/usage/csv", by="channel")

    assert "1.26" in page
    assert page.count("data-value=") == 5 * today.day
    assert f">{today}</a>" in page
    assert f"one {MARKUP}" in page
    assert "<img" not in raw
    assert days[0][0] == "day"
    assert days[1][0] == str(today)
    assert [row[-2:] for row in days[1:]] == [["1.26", "USD"]]
    assert [row[:2] + row[-2:] for row in models[1:]] == [["text2video", "kling-v3", "1.26", "USD"]]
    assert {row[0]: row[-2] for row in keys[1:]} == {str(token.id): "0.42", str(second.id): "0.84"}
    assert "Nothing was made in this time." in empty
    assert "This day is before the first one." in wrong
    assert "1.26" not in own
    assert bad.status_code == 400


async def test_entries_are_shown_and_are_a_file(relay: Relay) -> None:
    """All of them by pages in the file; a reference that a spreadsheet would run is a text."""
    token = await relay.add_tenant()
    await pay(relay, 1_000_001, "=1+1")
    task = await settled(relay, token)

    async with visiting(relay) as ann:
        page = await ann.read("/money")
        charges = await ann.read("/money", kind="charge")
        whole = await rows_of(ann, "/money/entries/csv")
        paid = await rows_of(ann, "/money/entries/csv", kind="topup")
        wrong = await ann.read("/money", month="soon", kind="gift")

    assert "10.580001" in page
    assert "+1.000001" in page
    assert task in charges
    assert "+1.000001" not in charges
    head, *lines = whole
    assert [dict(zip(head, line, strict=True))["amount"] for line in lines] == [
        *("-0.42", "1.000001", "10"),
    ]
    assert lines[1][head.index("reference")] == "'=1+1"
    assert len(paid) == 3
    assert "A month such as 2026-11." in wrong
    assert "Choose one of the list." in wrong


async def test_a_statement_is_shown_and_handed_out(relay: Relay) -> None:
    """Of any month, as a page and as three kinds of file; not to a key that only calls."""
    token = await relay.add_tenant()
    await settled(relay, token)
    month = f"{datetime.now(UTC):%Y-%m}"

    async with visiting(relay, scope=Scope.READ) as ann, visiting(relay, scope=Scope.CALL) as other:
        page = await ann.read("/money/statement")
        before = await ann.read("/money/statement", month="2020-01")
        files = [
            await ann.get(f"/money/statement/{month}/{one}") for one in ("html", "xlsx", "csv")
        ]
        wrong = [
            (await ann.get(f"/money/statement/{one}")).status_code
            for one in ("x/csv", f"{month}/pdf")
        ]
        refused = [
            await other.get(f"/money/{one}") for one in ("statement", f"statement/{month}/csv")
        ]
        own = await other.read("/money")

    assert "9.58" in page
    assert "Nothing was charged in this month." in before
    assert [one.status_code for one in files] == [200] * 3
    assert all(one.headers["content-disposition"].startswith("attachment") for one in files)
    assert files[1].content[:2] == b"PK"
    assert wrong == [400, 400]
    assert [one.status_code for one in refused] == [403, 403]
    assert "/money/statement" not in own


async def test_a_code_is_redeemed_once(relay: Relay) -> None:
    """It adds its amount; again it adds nothing and says so; a wrong one is told at its field."""
    await relay.add_tenant()
    async with relay.sessions.begin() as session:
        (code,) = await make_codes(
            *(session, ACTOR, "batch"),
            amount_micros=5_000_000,
            count=1,
            expires_at=None,
            currency="USD",
        )

    async with visiting(relay) as ann, visiting(relay, scope=Scope.READ) as reader:
        refused = await reader.post("/money/redeem", code=code.code)
        wrong = await ann.post("/money/redeem", code="7K3QM-7K3QM-7K3QM-7K3QM-7K3QM")
        empty = await ann.post("/money/redeem")
        first = await ann.post("/money/redeem", code=f" {code.code.lower()} ")
        again = await ann.post("/money/redeem", code=code.code)

    assert refused.status_code in (403, 422)
    assert (wrong.status_code, "cannot be redeemed" in wrong.text) == (422, True)
    assert (empty.status_code, "Fill this in." in empty.text) == (422, True)
    assert first.headers["location"] == "/portal/money?said=redeemed"
    assert again.headers["location"] == "/portal/money?said=redeemed-before"
    assert await relay.account() == (15_000_000, 0)


async def test_an_invoice_is_asked_for_once(relay: Relay) -> None:
    """Over what was chosen; the rest stays free; its file is handed out, and nothing is doubled."""
    await relay.add_tenant(quota_micros=0)
    first, second = await pay(relay, 2_000_000, "one"), await pay(relay, 3_000_000, "two")

    async with visiting(relay) as ann, visiting(relay, scope=Scope.READ) as reader:
        nobody = await ann.read("/money/invoices")
        unnamed = await ann.post("/money/invoices/profile", kind="general", title="")
        strange = await ann.post("/money/invoices/profile", kind="gift", title="x")
        named = await ann.post("/money/invoices/profile", kind="special", title=f"Acme {MARKUP}")
        page = await ann.read("/money/invoices")
        shown = await ann.read("/money/invoices/profile")
        nothing = await ann.post("/money/invoices")
        both = await ann.post("/money/invoices", entry=first, month="2026-10")
        odd = await ann.post("/money/invoices", entry="x")
        refused = await reader.post("/money/invoices", entry=first)
        done = await ann.post("/money/invoices", entry=first)
        again = await ann.post("/money/invoices", entry=first)
        after = await ann.read("/money/invoices")
        raw = (await ann.get("/money/invoices")).text
        changed = await reader.post("/money/invoices/profile", kind="special", title="Mine")

    assert "Nobody yet." in nobody
    assert (unnamed.status_code, "Fill this in." in unnamed.text) == (422, True)
    assert (strange.status_code, "Choose one of the list." in strange.text) == (422, True)
    assert named.headers["location"] == "/portal/money/invoices?said=saved"
    assert f"Acme {MARKUP}" in page
    assert f"Acme {MARKUP}" in shown
    assert [one.status_code for one in (nothing, both, odd)] == [422] * 3
    assert refused.status_code in (403, 422)
    assert done.headers["location"] == "/portal/money/invoices?said=invoice-requested"
    assert again.status_code == 422
    assert "asked for" in after
    assert f'value="{second}"' in after
    assert f'value="{first}"' not in after
    assert "<img" not in raw
    assert changed.status_code in (403, 422)
    rows = await relay.rows("SELECT amount_micros FROM invoices")
    assert [row["amount_micros"] for row in rows] == [2_000_000]


async def test_a_file_is_handed_out_as_one(relay: Relay) -> None:
    """By its kind, never as a page; of an invoice without one that is said."""
    await relay.add_tenant(quota_micros=0)
    invoice = await add_invoice(relay, await pay(relay, 2_000_000, "one"), "26-1")

    async with visiting(relay) as ann:
        file = await ann.get(f"/money/invoices/{invoice}/file")
        none = await ann.get("/money/invoices/4711/file")
        page = await ann.read("/money/invoices")
        head, line = await rows_of(ann, "/money/invoices/list/csv")
        as_xlsx = await ann.get("/money/invoices/list/xlsx")

    told = dict(zip(head, line, strict=True))
    assert (told["id"], told["number"], told["amount"]) == (str(invoice), "26-1", "2")
    assert (told["state"], told["file_name"]) == ("issued", "fapiao.pdf")
    assert as_xlsx.content[:2] == b"PK"
    assert (file.status_code, file.content) == (200, b"%PDF-1.7 of acme")
    assert file.headers["content-type"].startswith("application/pdf")
    assert file.headers["content-disposition"] == f'attachment; filename="invoice-{invoice}.pdf"'
    assert none.status_code == 404
    assert "fapiao.pdf" in page


async def test_a_sub_tenant_has_no_account_to_look_at(relay: Relay) -> None:
    """What it spent at its own price, and no statement, invoice or code."""
    await relay.add_tenant()
    below = await sub_tenant(relay, "eu", "1.3")
    await settled(relay, below)

    async with visiting(relay, "acme/eu") as bob:
        page = await bob.read("/money")
        usage = await bob.read("/usage")
        refused = [
            (await bob.get(f"/money/{one}")).status_code for one in ("statement", "invoices")
        ]

    assert "0.546" in page
    assert "0.546" in usage
    assert "0.42" not in page + usage
    assert "9.58" not in page
    assert "Redeem" not in page
    assert refused == [403, 403]
