"""Home: what needs a person now, each a link to the list behind it, and the figures beside it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from relay.desk.backups import mark_restored
from relay.desk.invoices import ProfileChanges, request_invoice, set_invoice_profile
from relay.desk.money import add_quota
from relay.operators.tables import Role
from tests.admin.office import act
from tests.console.test_gate import charged_task
from tests.console.visiting import visiting
from tests.relay_app import Relay, fixture_relay

EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>"""
TROUBLES = (
    (
        "INSERT INTO channel_conditions"
        " (channel_id, pack, model, state, reason, since, failed_at, try_at)"
        " SELECT id, 'video', '', 'parked', $1, now(), now(), now() FROM channels"
    ),
    (
        "INSERT INTO alert_rules (name, is_firing, found, checked_at)"
        " VALUES ('channel-parked', true, jsonb_build_object($1::text, 'no units'), now())"
    ),
    (
        "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state, ended_at)"
        " SELECT id, tenant_id, 'https://a.test/' || $1, 'succeed', '{}', 'dead', now() FROM tasks"
    ),
    (
        "INSERT INTO audits (read_at, differences, drift_micros, accounts, tasks, entries, actor)"
        " VALUES (now(), 2, 7, 1, 1, 1, $1)"
    ),
)
"""What goes wrong, with words of others in it."""


async def test_a_new_relay_says_what_to_do(database_url: str) -> None:
    """It names each step until the first task, crosses out what is done, and has no figures."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        first = await ann.read("")
        assert "Add a channel: an account of yours at Kling" in first
        assert "RELAY_PUBLIC_URL" in first
        assert "/console/figures" not in first
        assert 'class="done"' not in first

        task_id = await charged_task(relay)

        second = await ann.read("")
        assert "what to do next" not in second
        assert "Nothing. No alert fires" in second
        figures = await ann.read("/figures")
        assert "0.42" in figures
        assert "100%" in figures
        today = datetime.now(UTC).date()
        assert f'href="/console/tasks?since={today}' in figures
        assert f'href="/console/money/entries?kind=charge&since={today}"' in figures
        assert figures.count("Time to result") == 2, "today, and in 30 days"
        await trouble(relay, task_id)
        await every_trouble_is_told(relay)


async def trouble(relay: Relay, task_id: int) -> None:
    """Have everything go wrong that Home tells of."""
    for statement in TROUBLES:
        await relay.rows(statement, EVIL)
    await relay.rows("UPDATE tasks SET is_flagged = true WHERE id = $1", task_id)
    await relay.rows(
        "INSERT INTO price_misses (key, wanted) VALUES ('\\x00', $1)",
        '{"endpoint": "text2video", "model": "<b>none</b>"}',
    )
    await act(relay, add_quota, "acme", amount_micros=5_000_000, currency="USD", reference="wire 1")
    await act(relay, set_invoice_profile, "acme", ProfileChanges(title="Acme"))
    await act(relay, request_invoice, "acme", currency="USD")


async def every_trouble_is_told(relay: Relay) -> None:
    """With the way to its list; support reads less of it, and nothing of money."""
    async with visiting(relay, "bob") as bob, visiting(relay, "sue", Role.SUPPORT) as sue:
        page = (await bob.get("")).text
        (channel,) = await relay.rows("SELECT id FROM channels")
        for told in (
            'href="/console/alerts?state=firing#channel-parked"',
            'href="/console/alerts#books-differ"',
            "The books differ in 2 rows",
            'href="/console/tasks?stuck=on"',
            'href="/console/tasks?flagged=on"',
            f'href="/console/channels/{channel["id"]}"',
            'href="/console/deliveries?state=dead"',
            "1 kind of task has no price",
            "1 invoice is asked for",
        ):
            assert told in page, told
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>none" not in page

        less = await sue.read("")
        assert "The books differ" not in less
        assert "1 callback was given up" in less
        figures = await sue.read("/figures")
        assert "Tasks by day" in figures
        for secret in ("Margin", "Cost", "Charged", "0.42"):
            assert secret not in figures

    await act(relay, mark_restored, as_of=datetime.now(UTC) - timedelta(days=1), source="a copy")
    async with visiting(relay, "eve") as eve:
        page = await eve.read("")
        assert "This database was set back to" in page
        assert "pause is in force" not in page, "it is the same, said better"
        answer: Any = await eve.post("/figures")
        assert answer.status_code == 405
