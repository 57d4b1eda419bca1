"""Tenants in the console: what each has, every entry of its account, and its months."""

import csv
import io
import re
from datetime import UTC
from decimal import Decimal

from relay.desk.limits import set_limits
from relay.desk.money import add_quota, adjust_quota
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tenants import TenantChanges, change_tenant, open_tenant
from relay.ledger.tables import TopupKind
from relay.limits.tables import LimitKind
from relay.operators.tables import Role
from tests.admin.office import act
from tests.console.test_gate import charged_task
from tests.console.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay

EVIL = "\"'><img src=x onerror=alert(1)>"


async def id_of(relay: Relay, name: str) -> int:
    (row,) = await relay.rows(f"SELECT id FROM tenants WHERE name = $${name}$$")
    return int(row["id"])


def amount_of(page: str, label: str) -> int:
    """The first amount behind a label, in micros."""
    found = re.search(r'class="money">\+?([^<]*)<', page.partition(label)[2])
    assert found is not None, label
    return int(Decimal(found[1].replace(",", "")) * 1_000_000)


async def rows_of_csv(ann: Visit, path: str, **query: str) -> list[dict[str, str]]:
    answer = await ann.get(path, **query)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def open_them(relay: Relay) -> int:
    """Four tenants: acme with a charge of which its limit is full, its sub-tenant, one that is
    disabled with three entries, and one called by markup. Returns what was charged."""
    await charged_task(relay)
    for name, quota_micros in (("low one", 2_000_000), (EVIL, 0)):
        await act(relay, open_tenant, name, quota_micros=quota_micros, currency="USD")
    await act(relay, open_sub_tenant, "acme", "eu", resale=Decimal(2))
    await act(relay, change_tenant, "low one", TenantChanges(enabled=False, contact=EVIL))
    bonus = {"amount_micros": 1_500_000, "reference": "b-1", "kind": TopupKind.BONUS}
    await act(relay, add_quota, "low one", **bonus, currency="USD")
    taken = {"amount_micros": -500_000, "reason": EVIL}
    await act(relay, adjust_quota, "low one", **taken, currency="USD")
    (row,) = await relay.rows("SELECT -amount_micros AS micros FROM entries WHERE kind = 'charge'")
    day = {LimitKind.DAY: row["micros"]}
    await act(relay, set_limits, day, tenant="acme", zone=UTC)
    return int(row["micros"])


async def test_a_tenant_is_found_with_all_that_it_has_and_did(database_url: str) -> None:
    """The list by each filter, its file, an account's figures, entries by kind, and a month."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        charged_micros = await open_them(relay)
        acme, low = await id_of(relay, "acme"), await id_of(relay, "low one")
        await check_list(ann, acme)

        page = await ann.read(f"/tenants/{acme}")
        assert "Limits that are nearly used up" in page
        assert amount_of(page, "Charged this month") == charged_micros
        assert f'data-value="{charged_micros / 1_000_000:g}"' in page
        page = (await ann.get(f"/tenants/{low}")).text
        assert (">low one" in page, "disabled" in page, "<img src=x" in page) == (True, True, False)
        assert amount_of(page, "Available") == 3_000_000
        below = await ann.read(f"/tenants/{await id_of(relay, 'acme/eu')}")
        assert "A sub-tenant of acme" in below
        for nobody in (999, 10**30):
            assert (await ann.get(f"/tenants/{nobody}")).status_code == 404

        await check_entries(ann, low)
        of_task = await ann.read(f"/tenants/{acme}/entries", kind="charge")
        assert re.search(r'href="/console/tasks/\d+" data-drawer', of_task)
        await check_statement(ann, low)


async def check_list(ann: Visit, acme: int) -> None:
    filters: list[tuple[dict[str, str], set[str]]] = [
        ({}, {"acme", "acme/eu", "low one", EVIL}),
        ({"like": "LOW"}, {"low one"}),
        ({"like": "onerror"}, {"low one", EVIL}),
        ({"enabled": "no"}, {"low one"}),
        ({"which": "sub"}, {"acme/eu"}),
        ({"parent": str(acme)}, {"acme/eu"}),
        ({"which": "own", "below": "3.000001"}, {"low one", EVIL}),
        ({"which": "own", "below": "3"}, {EVIL}),
        ({"price_group": "none such"}, set()),
    ]
    for query, names in filters:
        rows = await rows_of_csv(ann, "/tenants/list/csv", **query)
        assert {row["name"] for row in rows} == names, query
        shown = (await ann.get("/tenants", **query)).text
        assert shown.count("<tr>") == (1 + len(names) if names else 0)
        assert ("No tenant fits" in shown, "<img src=x" in shown) == (not names, False)
    wrong = await ann.read("/tenants", below="much")
    assert "A number such as 12.50." in wrong
    assert (await ann.get("/tenants/list/csv", below="much")).status_code == 303


async def check_entries(ann: Visit, low: int) -> None:
    where = f"/tenants/{low}/entries"
    assert "<img src=x" not in (await ann.get(where)).text
    rows = await rows_of_csv(ann, f"{where}/csv")
    assert [Decimal(row["amount"]) for row in rows] == [Decimal(it) for it in ("-0.5", "1.5", "2")]
    assert [Decimal(row["quota_after"]) for row in rows] == [3, Decimal("3.5"), 2]
    for kind, number in {"adjust": 1, "topup.bonus": 1, "topup.paid": 1, "charge": 0}.items():
        found = await ann.read(where, kind=kind)
        assert found.count("<tr>") == (1 + number if number else 0), kind
    assert "Choose one of the list." in await ann.read(where, kind="gift")
    assert "No entry fits" in await ann.read(where, month="2020-01")
    assert "A month such as 2026-11." in await ann.read(where, month="2020-13")


async def check_statement(ann: Visit, low: int) -> None:
    month = await ann.read(f"/tenants/{low}/statement")
    assert "the month is not over" in month
    assert [amount_of(month, line) for line in ("Opening", "bonus", "Closing", "Held now")] == [
        *(0, 1_500_000, 3_000_000, 0)
    ]
    for form, has in {"html": b"<style>", "csv": b"Opening", "xlsx": b"PK"}.items():
        answer = await ann.get(f"/tenants/{low}/statements/2026-01/{form}")
        assert (answer.status_code, has in answer.content) == (200, True)
        assert answer.headers["content-disposition"].startswith("attachment")
    for nothing in ("2026-13/csv", "2026-01/exe"):
        assert (await ann.get(f"/tenants/{low}/statements/{nothing}")).status_code == 404
    assert "This month cannot be shown" in await ann.read(f"/tenants/{low}/statement", month="x")


async def test_lists_of_tenants_go_on_by_page(database_url: str) -> None:
    """Of 51, one stands on the second page, and the file has all; a viewer may read them."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        await relay.rows(
            "WITH a AS (INSERT INTO accounts (quota_micros)"
            " SELECT 0 FROM generate_series(1, 51) RETURNING id)"
            " INSERT INTO tenants (name, account_id) SELECT 't-' || id, id FROM a"
        )
        first = await vic.read("/tenants")
        cursor = first.partition('rel="next" href="/console/tenants?cursor=')[2].partition('"')[0]
        second = await vic.read("/tenants", cursor=cursor)
        assert (first.count("<tr>"), second.count("<tr>")) == (51, 2)
        assert "Newest" in second
        assert len(await rows_of_csv(vic, "/tenants/list/csv")) == 51
