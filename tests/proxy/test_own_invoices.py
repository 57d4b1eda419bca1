"""A tenant asks for invoices itself: no amount twice, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.desk.invoices import (
    InvoicePaper,
    ProfileChanges,
    issue_invoice,
    reject_invoice,
    set_invoice_profile,
)
from relay.desk.money import add_quota
from relay.invoices.tables import PROFILE_FIELDS, Basis
from relay.ledger.tables import TopupKind
from relay.tenants.scope import Scope
from tests.proxy.keys import NOT_FOR_IT, asked, data, key
from tests.proxy.test_own_tenants import token_of
from tests.relay_app import ACTOR, Relay, bearer, fixture_relay

INVOICES, PROFILE = "/relay/invoices", "/relay/invoice-profile"
BUYER = dict.fromkeys(PROFILE_FIELDS) | {
    "kind": "special",
    "title": "Acme GmbH",
    "tax_id": "91310000MA1K35",
}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        yield running


async def act(relay: Relay, function: Any, *args: Any, **values: Any) -> None:
    async with relay.sessions.begin() as session:
        await function(session, ACTOR, *args, **values)


async def test_a_tenant_asks_for_its_invoices(relay: Relay) -> None:
    """Of four requests at once one is made, over what was paid; a rejected one frees it, with the
    reason told; of an issued one there is the number and the file. The changes name who asked."""
    await relay.add_tenant()
    await relay.add_tenant("other")
    manage, read = await key(relay, Scope.MANAGE), await key(relay, Scope.READ)
    for reference, kind in (("gift", TopupKind.BONUS), ("paid-2", TopupKind.PAID)):
        money = {"amount_micros": 5_000_000, "currency": "USD", "kind": kind}
        await act(relay, add_quota, "acme", reference=reference, reason="private", **money)
    none = await data(relay, read, "GET", PROFILE)
    without = await asked(relay, manage, "POST", INVOICES, {})

    put = await data(relay, manage, "PUT", PROFILE, BUYER)
    bonus = await asked(relay, manage, "POST", INVOICES, {"entries": [3]})
    free = (await data(relay, read, "GET", INVOICES))["free"]
    asks = (asked(relay, manage, "POST", INVOICES, {}) for _ in range(4))
    answers = await asyncio.gather(*asks)
    (made,) = [told for status, _, told in answers if status == 200]
    await act(relay, reject_invoice, made["id"], reason="wrong tax number")
    await data(relay, manage, "PUT", PROFILE, {"title": "Acme", "mail": "ap@acme.test"})
    again = await data(relay, manage, "POST", INVOICES)
    await act(
        *(relay, issue_invoice, again["id"]),
        number="26-1",
        paper=InvoicePaper("a.html", b"<script>"),
    )
    listed = await data(relay, read, "GET", INVOICES)
    first = await data(relay, read, "GET", f"{INVOICES}?pageSize=1")
    second = await data(relay, read, "GET", f"{INVOICES}?pageSize=1&before={first['next_before']}")
    issued, rejected = listed["invoices"]
    file = await relay.client.get(issued["file"]["path"], headers=bearer(read))
    acts = await relay.rows("SELECT actor, act FROM changes WHERE act ~ '^invoice' ORDER BY id")

    assert none == {"by": "topups", "profile": None}
    assert without == (400, 1201, "entries: it has no invoice profile; no invoice was requested")
    assert put == {"by": "topups", "profile": BUYER}
    assert [(one["entry_id"], one["amount"], one["reference"]) for one in free] == [
        *((1, "10", "opening"), (4, "5", "paid-2"))
    ]
    assert bonus[2].startswith("entries: entry 3: it is no paid top-up of this account")
    assert {status for status, _, _ in answers} <= {200, 400, 503}
    assert (made["state"], made["amount"], made["profile"]) == ("requested", "15", BUYER)
    assert (rejected["state"], rejected["reason"]) == ("rejected", "wrong tax number")
    assert issued["profile"] == dict.fromkeys(BUYER) | {
        "kind": "general",
        "title": "Acme",
        "mail": "ap@acme.test",
    }
    assert (issued["number"], issued["amount"], listed["free"]) == ("26-1", "15", [])
    assert [first["invoices"], second["invoices"]] == [[issued], [rejected]]
    assert second["next_before"] is None
    assert (file.content, file.headers["content-type"]) == (b"<script>", "application/octet-stream")
    assert "private" not in str(listed)
    assert [tuple(one) for one in acts if one["actor"] == "tenant:acme"] == [
        ("tenant:acme", f"invoice.{what}")
        for what in ("set_profile", "request", "set_profile", "request")
    ]
    assert (await relay.audit()).ok


async def test_invoices_are_the_accounts_and_nobody_elses(relay: Relay) -> None:
    """No sub-tenant has any, no key without the scope; what is another's does not exist; and by
    what an account is invoiced is the operator's to say."""
    call = await relay.add_tenant()
    await relay.add_tenant("other")
    manage, read = await key(relay, Scope.MANAGE), await key(relay, Scope.READ)
    other = await key(relay, Scope.MANAGE, "other")
    await data(relay, manage, "POST", "/relay/tenants", {"name": "eu"})
    below = await token_of(relay, manage, "eu", scope="manage")
    await data(relay, manage, "PUT", PROFILE, BUYER)
    made = await data(relay, manage, "POST", INVOICES)
    at = f"{INVOICES}/{made['id']}/file"
    paths = [("GET", INVOICES), ("POST", INVOICES), ("GET", at), ("GET", PROFILE), ("PUT", PROFILE)]
    before = await relay.rows("SELECT * FROM invoices, invoice_profiles")

    for method, path in paths:
        for token in (call, below) + (() if method == "GET" else (read,)):
            assert (await asked(relay, token, method, path, BUYER))[:2] == NOT_FOR_IT
    for one in (at, f"{INVOICES}/7/file", f"{INVOICES}/x/file", f"{INVOICES}/{'9' * 30}/file"):
        assert await asked(relay, other, "GET", one) == (400, 1201, "id: there is no such invoice")
    assert (await asked(relay, manage, "GET", at))[2] == "id: this invoice has no file"
    assert (await data(relay, other, "GET", INVOICES))["invoices"] == []
    await data(relay, other, "PUT", PROFILE, {"title": "Other"})
    for method, path, body, field in (
        ("POST", INVOICES, {"entries": [1]}, "entries: entry 1: it is no paid top-up of this"),
        ("POST", INVOICES, {"entries": ["1"]}, "entries: "),
        ("POST", INVOICES, {"month": "2026-11"}, "month: it is invoiced by topups"),
        ("POST", INVOICES, {"month": "soon"}, "month: must be a month"),
        ("PUT", PROFILE, {"title": ""}, "title: "),
        ("PUT", PROFILE, {"tax_id": "1"}, "body: "),
        ("PUT", PROFILE, {"title": "A", "tax_id": " 1"}, "tax_id: "),
        ("PUT", PROFILE, {"title": "A", "basis": "statements"}, "body: "),
    ):
        status, code, told = await asked(relay, other, method, path, body)
        assert (status, code, told[: len(field)]) == (400, 1201, field)
    assert (
        await relay.rows("SELECT * FROM invoices, invoice_profiles WHERE title <> 'Other'")
        == before
    )

    await act(relay, set_invoice_profile, "other", ProfileChanges(basis=Basis.STATEMENTS))
    assert (await data(relay, other, "GET", PROFILE))["by"] == "statements"
