"""Money in the console: entries and months of all accounts, to the micro as programs are told."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import text

from relay.desk.money import add_quota, adjust_quota
from relay.ledger.tables import TopupKind
from relay.months import Month, Window, month_of
from relay.operators.tables import Role
from tests.admin.office import act, asking, every_page, office, read_csv
from tests.console.test_gate import charged_task
from tests.console.test_tenants import EVIL, rows_of_csv
from tests.console.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay
from tests.usage.business import make_business

NOTHING = "\N{EN DASH}"
"""Where there is none, or an amount of 0."""
FIGURES = (
    *("opening", "paid", "bonus", "topup_correction", "charge", "refund", "correction"),
    *("adjust", "closing"),
)
HEADS = (
    *("Opening", "Top-ups, paid", "Top-ups, bonus", "Corrections of top-ups", "Charges"),
    *("Refunds", "Corrections of charges", "Adjustments", "Closing"),
)


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        yield running


def table(page: str) -> list[dict[str, str]]:
    """The first table of a page: a row as what stands under each head."""
    found = page.partition("<table")[2].partition("</table>")[0]
    rows = [
        [
            unescape(" ".join(re.sub(r"<[^>]+>", " ", cell).split()))
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", found, re.DOTALL)
    ]
    heads = [head.removesuffix(" USD") for head in rows[0]] if rows else []
    return [dict(zip(heads, row, strict=True)) for row in rows[1:]]


def micros(cell: str) -> int:
    """An amount as it is shown; a dash is nothing."""
    return 0 if cell == NOTHING else int(Decimal(cell.replace(",", "").lstrip("+")) * 1_000_000)


def this_month() -> Month:
    return month_of(datetime.now(UTC), UTC)


async def make_months(relay: Relay) -> tuple[Month, Month, Month]:
    """Two months of two tenants, with amounts of any micro, and something of this one."""
    now = this_month()
    last, before = now.previous, now.previous.previous
    await relay.add_channel()
    for name in ("acme", EVIL):
        await relay.add_tenant(name, quota_micros=0)
    within = Window(before.window(UTC).start, now.window(UTC).start)
    edges = [last.window(UTC).start]
    await make_business(relay, ("acme", EVIL), within=within, edges=edges, count=60)
    for kind, amount in (("paid", 7_000_001), ("bonus", 2), ("correction", -1)):
        topup = {"kind": TopupKind(kind), "reference": kind, "currency": "USD"}
        await act(relay, add_quota, "acme", amount_micros=amount, **topup)
    return before, last, now


async def test_entries_of_all_accounts_are_found_by_anything(relay: Relay) -> None:
    """By kind, tenant, day, reference, actor and task; with the file that programs get, and pages
    that go on; what cannot be a filter is told at its field, and the file leads there."""
    await charged_task(relay)
    await act(relay, adjust_quota, "acme", amount_micros=-1, reason=EVIL, currency="USD")
    for name, kind in (("wire 7", "paid"), ("wire 8", "paid"), ("gift", "bonus")):
        topup = {"kind": TopupKind(kind), "reference": name, "currency": "USD"}
        await act(relay, add_quota, "acme", amount_micros=3, **topup)
    await relay.add_tenant("beta", quota_micros=5)
    (task,) = await relay.rows("SELECT id FROM tasks")
    async with (
        visiting(relay, "vic", Role.VIEWER) as vic,
        office(relay) as client,
    ):
        ann = await asking(relay, client, "ann", Role.OWNER)
        whole = await every_page(ann, "entries", 50)
        told = await vic.get("/money/entries")
        assert "<img src=x" not in told.text
        shown = table(told.text)
        assert [int(row["Entry"]) for row in shown] == [one["id"] for one in whole]
        for row, one in zip(shown, whole, strict=True):
            assert micros(row["Amount"]) == one["amount_micros"]
            assert micros(row["Quota after it"]) == one["quota_after_micros"]
        as_csv = await vic.get("/money/entries/csv")
        assert list(csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig")))) == (
            await read_csv(ann, "entries")
        )
        assert (await vic.get("/money/entries/xlsx")).content[:2] == b"PK"
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        filters: list[tuple[dict[str, str], list[str]]] = [
            ({"kind": "adjust"}, ["Adjustment"]),
            ({"kind": "topup.bonus"}, ["Top-up, bonus"]),
            ({"reference": "wire"}, ["Top-up, paid"] * 2),
            ({"reference": "wire 8"}, ["Top-up, paid"]),
            ({"reference": "ire"}, []),
            ({"reference": "%"}, []),
            ({"actor": "tester", "kind": "adjust"}, ["Adjustment"]),
            ({"actor": "system:tester", "kind": "adjust"}, ["Adjustment"]),
            ({"actor": "ester"}, []),
            ({"tenant": "beta"}, ["Top-up, paid"]),
            ({"task": str(task["id"])}, ["Charge"]),
            ({"since": today, "tenant": "beta"}, ["Top-up, paid"]),
            ({"until": "2020-01-01"}, []),
        ]
        for query, kinds in filters:
            page = await vic.read("/money/entries", **query)
            assert [row["Kind"] for row in table(page)] == kinds, query
            assert ("No entry fits" in page) == (not kinds)
            assert len(await rows_of_csv(vic, "/money/entries/csv", **query)) == len(kinds)
        for query, says in (
            ({"kind": "gift"}, "Choose one of the list."),
            ({"tenant": "nobody"}, "There is no tenant nobody."),
            ({"since": "2026-02-30"}, "A day such as"),
            ({"task": "x"}, "A whole number"),
        ):
            assert says in await vic.read("/money/entries", **query)
            back = await vic.get("/money/entries/csv", **query)
            assert (back.status_code, "/money/entries?" in back.headers["location"]) == (303, True)
        assert (await vic.get("/money/entries/exe")).status_code == 404


async def test_entries_go_on_by_page(relay: Relay) -> None:
    """Of 51, one stands on the second page, and the file has all."""
    await relay.add_tenant("acme", quota_micros=0)
    await relay.rows(
        "INSERT INTO entries (account_id, kind, amount_micros, reason)"
        " SELECT account_id, 'adjust', 1, 'x' FROM tenants, generate_series(1, 51)"
    )
    async with visiting(relay) as ann:
        first = await ann.read("/money/entries", kind="adjust")
        cursor = re.search(r'rel="next" href="[^"]+[?&;]cursor=(\d+)"', unescape(first))
        assert cursor is not None
        second = await ann.read("/money/entries", kind="adjust", cursor=cursor[1])
        assert [len(table(page)) for page in (first, second)] == [50, 1]
        assert table(second)[0]["Quota after it"] == "0.000001"
        assert len(await rows_of_csv(ann, "/money/entries/csv", kind="adjust")) == 51


async def test_a_month_of_all_accounts_is_what_its_statements_are(relay: Relay) -> None:
    """To the micro before it is closed, after the month before it was, and when it is itself; its
    files are those of programs, and the whole of it what `relay month` writes."""
    before, last, now = await make_months(relay)
    async with visiting(relay) as ann, office(relay) as client:
        program = await asking(relay, client, "bob", Role.OWNER)
        for month in (before, last, now):
            await check_month(ann, program, str(month))
        assert "the month is not over" in await ann.read("/money/month")
        page = (await ann.get("/money/month", month=str(last))).text
        assert ("not closed yet" in page, "<img src=x" in page) == (True, False)
        for month in (before, last):
            await close(ann, str(month))
            for one in (before, last, now):
                await check_month(ann, program, str(one))
            rows = table((await ann.get("/money/month", month=str(month))).text)
            assert [row["State"] for row in rows] == ["closed", "closed", ""]

        as_csv = await ann.get(f"/money/month/{last}/csv")
        answer = await program("GET", f"months/{last}", accept="text/csv")
        assert as_csv.content == answer.content
        packed = ZipFile(io.BytesIO((await ann.get(f"/money/month/{last}/statements")).content))
        assert packed.read(f"month-{last}.csv") == as_csv.content
        assert len(packed.namelist()) == 9
        (of_acme,) = (one for one in packed.namelist() if re.search(r"-acme\.csv$", one))
        statement = await program("GET", f"statements/acme/{last}", accept="text/csv")
        assert packed.read(of_acme) == statement.content
        assert (await relay.audit()).differences == []

        assert "A month such as 2026-11." in await ann.read("/money/month", month="x")
        assert "No account had an entry" in await ann.read("/money/month", month="2020-01")
        for nothing in ("2026-13/csv", f"{last}/exe"):
            assert (await ann.get(f"/money/month/{nothing}")).status_code == 404


async def check_month(ann: Visit, program: Any, month: str) -> None:
    told = (await program("GET", f"months/{month}")).json()
    page = (await ann.get("/money/month", month=month)).text
    *lines, whole = table(page)
    assert len(lines) == len(told["statements"]) == 2
    assert whole["Account"] == "All accounts"
    sums = dict.fromkeys(FIGURES, 0)
    for line, statement in zip(lines, told["statements"], strict=True):
        assert line["Account"].endswith(str(statement["account_id"]))
        for head, name in zip(HEADS, FIGURES, strict=True):
            figure = statement["figures"][f"{name}_micros"]
            assert micros(line.get(head, NOTHING)) == figure, (month, head)
            sums[name] += figure
        assert micros(line["Owes"]) == statement["owed_micros"]
    for head, name in zip(HEADS, FIGURES, strict=True):
        assert micros(whole.get(head, NOTHING)) == sums[name], head
    assert micros(whole["Owes"]) == told["owed_by_tenants_micros"]
    owed = re.search(r'Owed to tenants</div>.*?class="money">([^<]+)<', page)
    assert owed is not None
    assert micros(owed[1]) == told["owed_to_tenants_micros"]


async def close(ann: Visit, month: str) -> None:
    asked = await ann.read("/money/month/close", month=month)
    assert "2 accounts are not closed" in asked
    answer = await ann.post("/money/month/close", month=month)
    assert (answer.status_code, answer.headers["location"]) == (
        *(303, f"/console/money/month?month={month}&said=month-closed"),
    )


async def test_a_month_is_closed_once_by_whom_may_and_when_it_is_over(relay: Relay) -> None:
    """One account or all, each with its change; nothing twice, nothing of a month that runs, and
    of an account that somebody writes to it is said, while the other is closed."""
    before, last, now = await make_months(relay)
    rows = await relay.rows("SELECT account_id FROM tenants ORDER BY id")
    acme, other = (int(row["account_id"]) for row in rows)

    async def closed() -> list[tuple[int, str]]:
        found = await relay.rows("SELECT account_id, month FROM closed_months ORDER BY 2, 1")
        return [(row["account_id"], row["month"]) for row in found]

    async with visiting(relay) as ann, visiting(relay, "sue", Role.SUPPORT) as sue:
        for answer in (
            await sue.get("/money/month/close", month=str(last)),
            await sue.post("/money/month/close", month=str(last)),
        ):
            assert answer.status_code == 403
        assert "Close this month" not in await sue.read("/money/month", month=str(last))
        running = await ann.post("/money/month/close", month=str(now))
        assert (running.status_code, "The month is not over" in running.text) == (409, True)
        assert (await ann.post("/money/month/close", month="x")).status_code == 422
        assert await closed() == []

        asked = await ann.read("/money/month/close", month=str(last), account=str(acme))
        assert f"acme ends {last} with" in asked
        one = await ann.post("/money/month/close", month=str(before), account=str(acme))
        assert (one.status_code, await closed()) == (303, [(acme, str(before))])
        nobody = await ann.post("/money/month/close", month=str(before), account="4711")
        assert nobody.status_code == 404
        async with relay.sessions.begin() as session:
            await session.execute(text(f"SELECT 1 FROM accounts WHERE id = {other} FOR UPDATE"))
            busy = await ann.post("/money/month/close", month=str(last))
        assert (busy.status_code, f"account {other}: Somebody else" in busy.text) == (409, True)
        assert "1 account was closed" in busy.text
        assert await closed() == [(acme, str(before)), (acme, str(last))]
        for _ in range(2):
            answer = await ann.post("/money/month/close", month=str(last))
            assert answer.status_code == 303
        assert await closed() == [
            *((acme, str(before)), (other, str(before))),
            *((acme, str(last)), (other, str(last))),
        ]
        changes = await relay.rows(
            "SELECT subject_id, actor FROM changes WHERE act = 'account.close_month' ORDER BY id"
        )
        assert [tuple(row.values()) for row in changes] == [
            (acme, "operator:ann"),
            (acme, "operator:ann"),
            (other, "operator:ann"),
        ]
        refused = await relay.rows("SELECT reason FROM changes WHERE act = 'office.refuse'")
        assert len(refused) == 1
        assert "Nothing is left to close" in await ann.read("/money/month/close", month=str(last))
