"""Statements: each sum is that of the entries, whatever the document, and a month's are all."""

import csv
import io
import zipfile
from datetime import UTC, date
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import asdict

from relay.desk.money import add_quota, adjust_quota
from relay.ledger.tables import TopupKind
from relay.months import Month, Window, first_moment, month_of, read_zone
from relay.usage.documents import month_sheet, owed, statement_sheet
from relay.usage.sheet import Cell, Sheet, amount, shown, to_csv, to_html, to_xlsx
from relay.usage.statement import (
    Statement,
    Summary,
    accounts_of_month,
    begin_snapshot,
    read_statement,
    read_summary,
)
from relay.usage.sums import UsageKey, read_usage
from relay.worker.close_months import close_due, due_month
from tests.relay_app import ACTOR, Relay, running_relay
from tests.usage.business import make_business

ZONE = read_zone("Asia/Shanghai")
MONTHS = [Month(2026, number) for number in (8, 9, 10, 11)]
WITHIN = Window(MONTHS[0].window(ZONE).start, MONTHS[-1].window(ZONE).until)
EDGES = [month.window(ZONE).start for month in MONTHS]
NASTY = '=HYPERLINK("x","y")<script>,\u6c34'


async def statements_of(relay: Relay, month: Month) -> list[Statement]:
    async with relay.sessions() as session:
        await begin_snapshot(session)
        found = []
        for account_id in await accounts_of_month(session, month, zone=ZONE):
            of: dict[str, Any] = {"zone": ZONE, "currency": "USD"}
            statement = await read_statement(session, account_id, month, **of)
            found.append(statement)
            assert_same(await read_summary(session, account_id, month, **of), statement)
        return found


def assert_same(summary: Summary, statement: Statement) -> None:
    """A page says what the document says, but for the hash."""
    told, stated = asdict(summary), asdict(statement)
    figures, in_full = asdict(told.pop("figures")), asdict(stated.pop("figures"))
    assert len(in_full.pop("entries_sha256")) == 64
    assert (told, figures) == (stated, in_full)
    assert summary.is_right == statement.is_right
    counted = msgspec.structs.replace(summary.figures, entries=summary.figures.entries + 1)
    other = msgspec.structs.replace(summary, figures=counted)
    assert other.is_right == (summary.closed_figures is None)


async def test_months_chain_and_agree_with_usage(database_url: str) -> None:
    """300 tasks of two tenants, half of them at a month's edge: each month opens with what the one
    before it closed with, charges are usage's of the month, and the last closing is the quota."""
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        for name in ("acme", NASTY):
            await relay.add_tenant(name, quota_micros=0)
        await make_business(relay, ("acme", NASTY), within=WITHIN, edges=EDGES, count=300)
        async with relay.sessions.begin() as session:
            for number, kind in enumerate(TopupKind):
                await add_quota(
                    *(session, ACTOR, "acme"),
                    amount_micros=-5 if kind is TopupKind.CORRECTION else 1_000_007,
                    kind=kind,
                    reference=f"r{number}",
                    currency="USD",
                )
            await adjust_quota(
                session, ACTOR, "acme", amount_micros=-3, reason="why", currency="USD"
            )
        this = month_of((await relay.row("SELECT now() AS now"))["now"], ZONE)
        by_month = {}
        month = MONTHS[0]
        while month <= max(this, MONTHS[-1]):
            by_month[month] = await statements_of(relay, month)
            month = month.next

        for before, after in zip(by_month.values(), list(by_month.values())[1:], strict=False):
            closings = {one.account_id: one.figures.closing_micros for one in before}
            for one in after:
                assert one.figures.opening_micros == closings.get(one.account_id, 0)
        for month, statements in by_month.items():
            assert all(one.is_right for one in statements)
            async with relay.sessions() as session:
                usage = await read_usage(
                    *(session, [UsageKey.TENANT], month.window(ZONE)), zone=ZONE, currency="USD"
                )
            charged = {one.keys["tenant"]: one.charged_micros for one in usage}
            for one in statements:
                figures = one.figures
                spent = figures.charge_micros + figures.refund_micros + figures.correction_micros
                assert -spent == charged.get(one.tenants[0], 0)
        last = by_month[max(this, MONTHS[-1])]
        assert [one.figures.closing_micros for one in last] == [
            one.quota_now_micros for one in last
        ]
        of_acme = {one.tenants[0]: one.figures for one in by_month[this]}["acme"]
        assert of_acme.paid_micros == of_acme.bonus_micros == 1_000_007
        assert (of_acme.topup_correction_micros, of_acme.adjust_micros) == (-5, -3)

        to_tenants, by_tenants = owed(last)
        assert to_tenants - by_tenants == sum(one.quota_now_micros for one in last)
        data = to_csv(month_sheet("m", last, currency="USD")).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(data)))
        assert Decimal(rows[-1][-2]) * 1_000_000 == to_tenants - by_tenants
        for one in by_month[MONTHS[1]]:
            lines = [row for row in statement_sheet(one).rows if row[0] == "Charges"]
            assert sum(Decimal(row[-1]) for row in lines) == amount(one.figures.charge_micros)

        await _closed_by_itself(relay)


async def _closed_by_itself(relay: Relay) -> None:
    """A worker closes what was over so long ago; once, and a statement shows it then."""
    assert due_month(first_moment(date(2026, 3, 6), UTC), zone=UTC, after_days=5) == Month(2026, 2)
    assert due_month(first_moment(date(2026, 3, 5), UTC), zone=UTC, after_days=5) == Month(2026, 1)

    await close_due(relay.sessions, zone=ZONE, after_days=0)
    assert await relay.rows("SELECT 1 FROM closed_months") == []
    for _ in range(2):
        await close_due(relay.sessions, zone=ZONE, after_days=1)

    now = (await relay.row("SELECT now() AS now"))["now"]
    month = due_month(now, zone=ZONE, after_days=1)
    rows = await relay.rows("SELECT * FROM closed_months WHERE month = $1", str(month))
    assert len(rows) == 2
    assert {row["actor"] for row in rows} == {"relay"}
    for one in await statements_of(relay, month):
        assert one.is_right
        assert one.closed_figures == one.figures
    report = await relay.audit()
    assert [one for one in report.differences if "month" in one.rule] == []
    await relay.rows("ALTER TABLE entries DISABLE TRIGGER entries_are_final")
    await relay.rows(
        "UPDATE entries SET actor = 'another' WHERE id = (SELECT min(id) FROM entries)"
    )
    report = await relay.audit()
    assert len([one for one in report.differences if "closed month" in one.rule]) >= 1


def test_no_cell_of_a_document_is_run_or_rounded() -> None:
    """Formulas are texts in CSV and Excel, markup is text in HTML, a micro is a micro in all."""
    micros = (123_456_789_000_001, -1, 0, 1_500_000)
    rows: list[list[Cell]] = [
        [text, amount(one)] for text in (NASTY, "\tx", "@x") for one in micros
    ]
    sheet = Sheet(title="T [1]", facts=[("Tenant", NASTY)], columns=["Who", ">Much"], rows=rows)

    data = to_csv(sheet)
    assert data.startswith(b"\xef\xbb\xbf")
    read = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert read[1] == [f"'{NASTY}", "123456789.000001"]
    assert [row[0] for row in read[5::4]] == ["'\tx", "'@x"]
    assert read[2][1] == "-0.000001"
    page = to_html(sheet).decode()
    assert "<script>" not in page
    assert "123,456,789.000001" in page
    assert [shown(amount(one)) for one in micros] == [
        *("123,456,789.000001", "-0.000001", "0.00", "1.50")
    ]
    with zipfile.ZipFile(io.BytesIO(to_xlsx(sheet))) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
        strings = book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in cells
    assert "=HYPERLINK" in strings
    assert "<v>123456789.000001</v>" in cells
