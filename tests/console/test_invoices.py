"""Invoices in the console: asked for over what is free, issued with a file, rejected, reversed."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from relay.desk.money import add_quota
from relay.ledger.tables import TopupKind
from relay.operators.tables import Role
from tests.admin.office import act, asking, office, read_csv
from tests.console.test_money import table
from tests.console.test_tenants import EVIL, id_of, rows_of_csv
from tests.console.visiting import ORIGIN, Visit, visiting
from tests.relay_app import Relay, fixture_relay

PROFILE = {"kind": "special", "basis": "topups", "title": f"Acme {EVIL}", "tax_id": "9131"}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_tenant("acme", quota_micros=0)
        # Whoever takes a number for a name acts on the account of another one.
        (row,) = await running.rows("SELECT account_id FROM tenants")
        await running.add_tenant(str(row["account_id"]), quota_micros=0)
        for number, amount in enumerate((7_000_001, 3_000_000, 5)):
            topup = {"kind": TopupKind.PAID, "reference": f"wire {number}", "currency": "USD"}
            await act(running, add_quota, "acme", amount_micros=amount, **topup)
        yield running


async def upload(ann: Visit, path: str, file: tuple[str, bytes], **fields: str) -> httpx.Response:
    return await ann.client.post(
        f"/console{path}",
        data={"csrf": ann.csrf, **fields},
        files={"file": file},
        headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"},
    )


async def changes_of(relay: Relay) -> list[tuple[str, str]]:
    rows = await relay.rows("SELECT act, actor FROM changes WHERE act LIKE 'invoice.%' ORDER BY id")
    return [(row["act"], row["actor"]) for row in rows]


async def ask_for(ann: Visit, here: str, *entries: int, **fields: Any) -> httpx.Response:
    given = [str(entry) for entry in entries]
    return await ann.post(f"{here}/request", entry=given, **fields)


async def test_an_invoice_is_asked_for_issued_and_taken_back(relay: Relay) -> None:
    """Over what was chosen, no amount twice; with its number and file, which comes back in its
    bytes; each act once, with its change; and what is taken back is free again."""
    here = f"/money/invoices/profiles/{await id_of(relay, 'acme')}"
    async with visiting(relay) as ann:
        assert "No invoice was asked for yet" in await ann.read("/money/invoices")
        assert "not been said yet" in await ann.read(here)
        refused = await ask_for(ann, here, 1)
        assert (refused.status_code, "it has no invoice profile" in refused.text) == (409, True)
        for fields, says in (
            ({"title": ""}, "Fill this in."),
            ({"kind": "paper"}, "Choose one of the list."),
        ):
            answer = await ann.post(f"{here}/change", **PROFILE | fields)
            assert (answer.status_code, says in answer.text) == (422, True)
        assert (await ann.post(f"{here}/change", **PROFILE)).status_code == 303
        found = (await ann.get("/money/invoices/profiles", tenant="acme")).headers["location"]
        assert found == f"/console{here}"
        (listed,) = table((await ann.get("/money/invoices/profiles")).text)
        assert (listed["Tenant"], listed["On no invoice yet"]) == ("acme", "10.000006")

        free = table(await ann.read(here))
        assert [row["Amount"] for row in free] == ["+7.000001", "+3.00", "+0.000005", "10.000006"]
        for entries in ([], [99], ["x"]):
            assert (await ask_for(ann, here, *entries)).status_code in (409, 422)
        first = await ask_for(ann, here, 1, 3)
        assert first.headers["location"].startswith("/console/money/invoices/1?")
        twice = await ask_for(ann, here, 1)
        assert (twice.status_code, "on an invoice already" in twice.text) == (409, True)
        changed = await ann.post(f"{here}/change", **PROFILE | {"basis": "statements"})
        assert (changed.status_code, "invoiced twice" in changed.text) == (409, True)

        one = await ann.get("/money/invoices/1")
        assert ("7.000006" in one.text, "<img src=x" in one.text) == (True, False)
        assert [row["Amount"] for row in table(one.text)] == ["+7.000001", "+0.000005"]
        await issue(ann)
        for act_ in ("reject", "issue"):
            again = await ann.post(f"/money/invoices/1/{act_}", reason="x", number="26-2")
            assert (again.status_code, "issued with the number 26-1" in again.text) == (409, True)
        assert (await ann.post("/money/invoices/1/reverse", reason="")).status_code == 422
        assert (await ann.post("/money/invoices/1/reverse", reason=EVIL)).status_code == 303
        assert len(table(await ann.read(here))) == 4
        assert (await ask_for(ann, here, 1)).status_code == 303
        assert (await ann.post("/money/invoices/2/reject", reason="tax number")).status_code == 303
        assert await changes_of(relay) == [
            (f"invoice.{name}", "operator:ann")
            for name in (
                *("set_profile", "request", "issue", "issue", "reverse", "request", "reject"),
            )
        ]
        assert (await relay.audit()).differences == []


async def issue(ann: Visit) -> None:
    here = "/money/invoices/1"
    assert (await ann.post(f"{here}/issue", number="")).status_code == 422
    assert (await ann.get(f"{here}/file")).status_code == 404
    assert (await ann.post(f"{here}/issue", number="26-1")).status_code == 303
    assert "Add its file" in await ann.read(here)
    for name, data, status in (
        ("big.pdf", bytes(5 * 1024 * 1024 + 1), 422),
        ("huge.pdf", bytes(6 * 1024 * 1024), 413),
        ("empty.pdf", b"", 409),
        ('..\\a "1" \u00e9.pdf', b"%PDF-1.7 \x00\xff", 303),
        ("b.pdf", b"%PDF", 409),
    ):
        answer = await upload(ann, f"{here}/issue", (name, data), number="26-1")
        assert answer.status_code == status, (name, answer.text)
    file = await ann.get(f"{here}/file")
    assert (file.content, file.headers["content-type"]) == (
        *(b"%PDF-1.7 \x00\xff", "application/octet-stream"),
    )
    disposition = file.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="a--1-')
    assert "\n" not in disposition


async def test_invoices_are_listed_for_tax_software(relay: Relay) -> None:
    """By state, account and month, as a page and as the file that programs get; a viewer reads
    them, and may do nothing; of another account's or no invoice nothing is told."""
    here = f"/money/invoices/profiles/{await id_of(relay, 'acme')}"
    async with (
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
        office(relay) as client,
    ):
        program = await asking(relay, client, "bob", Role.OWNER)
        await ann.post(f"{here}/change", **PROFILE)
        for entry in (1, 2, 3):
            assert (await ask_for(ann, here, entry)).status_code == 303
        await ann.post("/money/invoices/1/issue", number="26-1")
        await ann.post("/money/invoices/2/reject", reason="no")
        other = await relay.row("SELECT name FROM tenants WHERE name <> 'acme'")
        for query, ids in (
            ({}, ["3", "2", "1"]),
            ({"state": "requested"}, ["3"]),
            ({"state": "issued", "account": "acme"}, ["1"]),
            ({"account": other["name"]}, []),
            ({"month": "2020-01"}, []),
        ):
            page = await vic.get("/money/invoices", **query)
            assert ([row["Invoice"] for row in table(page.text)], "<img src=x" in page.text) == (
                *(ids, False),
            )
            rows = await rows_of_csv(vic, "/money/invoices/list/csv", **query)
            assert rows == await read_csv(program, "invoices", **query)
            assert [row["id"] for row in rows] == ids
        assert rows_are_of_buyer(await rows_of_csv(vic, "/money/invoices/list/csv"))
        assert "Choose one of the list." in await vic.read("/money/invoices", state="lost")
        assert (await vic.get("/money/invoices/list/csv", state="lost")).status_code == 303
        home = await ann.read("")
        assert 'href="/console/money/invoices?state=requested"' in home

        for place in (*("3/issue", "3/reject", "profiles/1/request", "profiles/1/change"),):
            fields = {"number": "x", "reason": "x", "entry": "1", **PROFILE}
            refused = await vic.post(f"/money/invoices/{place}", **fields)
            assert refused.status_code == 403, place
        assert not re.search("It was made|Reject…", await vic.read("/money/invoices/3"))
        for place in ("4", "4/issue", "4/file", "3/burn", "profiles/99", str(10**30)):
            assert (await ann.get(f"/money/invoices/{place}")).status_code == 404, place
        noted = await relay.rows("SELECT 1 FROM changes WHERE act = 'office.refuse'")
        assert len(noted) == 1


def rows_are_of_buyer(rows: list[dict[str, str]]) -> bool:
    wanted = {"title": f"Acme {EVIL}", "tax_id": "9131", "kind": "special", "currency": "USD"}
    return all(wanted.items() <= row.items() for row in rows)
