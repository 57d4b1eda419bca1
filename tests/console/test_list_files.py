"""Every list as a file: what the page shows, all of it, as CSV and as Excel; nothing that runs."""

import csv
import io
from collections.abc import AsyncIterator
from zipfile import ZipFile

import msgspec
import pytest
from msgspec.structs import replace

from relay.alerts.rules import RULES
from relay.trial.report import Finding, Outcome
from tests.console.visiting import visiting
from tests.desk.acts import TRIAL
from tests.relay_app import CLIP, Relay, fixture_relay

EVIL = "=cmd|' /C calc'!A0"
LISTS = {
    "/tasks/list": "status",
    "/tenants/list": "name",
    "/tenants/1/entries": "kind",
    "/deliveries/list": "state",
    "/changes/list": "act",
    "/prices/list": "endpoint",
    "/prices/history/list": "valid_to",
    "/prices/multipliers/list": "times",
    "/money/entries": "kind",
    "/channels/list": "state",
    "/pauses/list": "reason",
    "/tenants/1/tokens/list": "api_key_hint",
    "/tenants/1/notices/list": "event",
    "/alerts/rules/list": "muted_until",
    "/alerts/places/list": "shown",
    "/channels/1/trial": "relied_on",
    "/channels/1/trials/list": "differing",
    "/money/invoices/profiles/list": "tax_id",
    "/operators/list": "role",
    "/backup/list": "made_at",
}
"""Each with a column that it has."""


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_channel()
        token = await running.add_tenant()
        for _ in range(2):
            assert (await running.submit(token, CLIP)).status_code == 200
        await running.rows("UPDATE tenants SET name = $1, contact = $1", EVIL)
        await running.rows("UPDATE tasks SET is_flagged = true WHERE id = 2")
        await running.rows(
            "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state, reason)"
            " SELECT id, tenant_id, 'https://acme.test', 'succeed', '{}', 'dead', $1 FROM tasks",
            EVIL,
        )
        await running.rows(
            "INSERT INTO backups (made_at, place, bytes, error, actor)"
            " VALUES (now(), 'there', 7, NULL, $1), (now(), 'there', NULL, $1, 'relay')",
            EVIL,
        )
        await running.rows(
            "INSERT INTO invoice_profiles (account_id, basis, kind, title)"
            " SELECT account_id, 'topups', 'general', $1 FROM tenants",
            EVIL,
        )
        await running.rows(
            "INSERT INTO alert_rules (name, is_firing, found, checked_at)"
            " VALUES ('books-differ', true, jsonb_build_object('', $1::text), now())",
            EVIL,
        )
        report = replace(TRIAL, findings=[Finding("it", EVIL, "that", Outcome.DIFFERS)])
        await running.rows("UPDATE channels SET trial = $1", msgspec.json.encode(report).decode())
        yield running


async def test_each_list_is_a_file(relay: Relay) -> None:
    """By its filter; a name that a spreadsheet would run is a text; money is a number."""
    async with visiting(relay) as ann:
        read = {}
        for place, column in LISTS.items():
            as_csv, as_xlsx = [await ann.get(f"{place}/{form}") for form in ("csv", "xlsx")]
            assert (as_csv.status_code, as_xlsx.status_code) == (200, 200), place
            told = csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig")))
            rows = list(told)
            assert column in (told.fieldnames or ()), place
            assert not any(cell.startswith(("=", "@")) for row in rows for cell in row.values()), (
                place
            )
            with ZipFile(io.BytesIO(as_xlsx.content)) as packed:
                sheet = packed.read("xl/worksheets/sheet1.xml").decode()
            assert (sheet.count("<row "), "<f>" in sheet) == (2 + len(rows), False), place
            assert "attachment" in as_csv.headers["content-disposition"]
            assert (await ann.get(f"{place}/exe")).status_code == 404
            read[place] = rows
        assert len(read["/tasks/list"]) == len(read["/deliveries/list"]) == 2
        assert {row["reason"] for row in read["/deliveries/list"]} == {f"'{EVIL}"}
        assert read["/tenants/list"][0]["name"] == f"'{EVIL}"
        assert read["/tasks/list"][0]["created_at"].endswith("Z")
        assert [row["bytes"] for row in read["/backup/list"]] == ["", "7"]
        (profile,) = read["/money/invoices/profiles/list"]
        assert (profile["title"], profile["due"]) == (f"'{EVIL}", "10")
        assert len(read["/alerts/rules/list"]) == len(RULES)
        assert [row["seen"] for row in read["/channels/1/trial"]] == ["that"]
        assert [row["name"] for row in read["/operators/list"]] == ["ann"]
        assert len((await ann.get("/alerts/rules/list/csv", state="firing")).text.split()) > 1
        stuck = await ann.get("/tasks/list/csv", stuck="on")
        assert stuck.text.count("\r\n") == 1 + 1
        assert (
            'href="/console/tasks/list/csv?stuck=on"' in (await ann.get("/tasks", stuck="on")).text
        )
        wrong = await ann.get("/tasks/list/csv", since="soon")
        assert wrong.headers["location"] == "/console/tasks?since=soon"
