"""`/metrics/business`: the same figures from every replica, and as the database has them."""

import pytest

from relay.desk.money import add_quota, adjust_quota
from relay.desk.tasks import refund
from relay.ledger.audits import note_audit
from relay.worker.chores import check_books
from tests.callbacks.news import told
from tests.metrics.conftest import ObedientKling
from tests.metrics.exposition import Scraped, ask, scrape
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, Relay, running_relay
from tests.tasks.looking import look_now

BUSINESS = "/metrics/business"


async def read_anew(relay: Relay) -> Scraped:
    """Scrape as after ten seconds."""
    relay.app.state.business_metrics.forget()
    return await scrape(relay.app, BUSINESS)


async def test_what_is_open_held_and_in_doubt(relay: Relay) -> None:
    """Two clips that Kling has, one of which nobody knows, and one that is being sent for long."""
    token = await relay.add_tenant()
    await relay.add_channel("second", priority=-1)
    for prompt in ("a fox", "a fox", "silence", "refuse 1301"):
        await relay.submit(token, {**CLIP, "prompt": prompt})
    await relay.rows(
        "UPDATE tasks SET state = 'pending', kling_id = NULL, channel_id = 2,"
        " submit_deadline_at = now() - interval '1 minute' WHERE kling_id = '1001'"
    )
    await relay.rows(
        "UPDATE tasks SET created_at = now() - interval '1 hour',"
        " next_look_at = now() - interval '2 minutes' WHERE kling_id = '1000'"
    )

    scraped = await read_anew(relay)

    opened = {
        tuple(dict(labels).values()): n for labels, n in scraped.all("relay_tasks_open").items()
    }
    assert {frozenset(key): n for key, n in opened.items()} == {
        frozenset({"main", "submitted"}): 1,
        frozenset({"second", "pending"}): 1,
        frozenset({"main", "unknown"}): 1,
    }
    oldest = scraped.value("relay_task_oldest_seconds", channel="main", state="submitted")
    assert 3600 <= oldest < 7200
    assert scraped.value("relay_unknown_outcomes") == 2
    assert scraped.value("relay_looks_late") == 1
    assert scraped.value("relay_holds") == 3
    assert scraped.value("relay_holds_micros") == 3 * CLIP_MICROS
    assert scraped.value("relay_quota_micros") == 10_000_000
    assert scraped.value("relay_books_charged_micros_total") == 0
    assert scraped.value("relay_channel_enabled", channel="second") == 1
    await relay.rows("UPDATE tasks SET kling_id = '1001' WHERE state = 'pending'")


async def test_the_books_add_up_to_what_was_charged(relay: Relay, kling: ObedientKling) -> None:
    """Three charges, of which one is corrected away and one refunded in part; other entries too."""
    token = await relay.add_tenant()
    async with relay.sessions.begin() as session:
        await add_quota(
            session, ACTOR, "acme", amount_micros=5_000_000, reference="i-1", currency="USD"
        )
        await adjust_quota(
            session, ACTOR, "acme", amount_micros=-1_000_000, reason="slip", currency="USD"
        )
    for _ in range(3):
        await relay.submit(token)
    await relay.get(token, "1000")
    await relay.get(token, "1001")
    await relay.call_back("1002", told(kling.tasks["1002"], "succeed", task_id="1002"))
    kling.ended = "failed"
    await look_now(relay)
    task = await relay.task("1000")
    async with relay.sessions.begin() as session:
        await refund(session, ACTOR, task["id"], amount_micros=20_000, reason="late")

    scraped = await read_anew(relay)

    entries = {
        dict(labels)["kind"]: micros for labels, micros in scraped.all("relay_books_micros").items()
    }
    assert entries == {
        "topup": 15_000_000,
        "adjust": -1_000_000,
        "refund": 20_000,
        "correction": CLIP_MICROS,
    }
    assert scraped.value("relay_books_charged_micros_total") == 3 * CLIP_MICROS
    (row,) = await relay.rows("SELECT sum(amount_micros) AS s FROM entries WHERE kind = 'charge'")
    assert row["s"] == -3 * CLIP_MICROS
    quota = 14_000_000 - 2 * CLIP_MICROS + 20_000
    assert scraped.value("relay_quota_micros") == quota
    assert scraped.value("relay_holds") == scraped.value("relay_accounts_overdrawn") == 0
    assert scraped.value("relay_tasks_flagged") == 1
    assert scraped.value("relay_callback_last_timestamp_seconds", channel="main") > 1.7e9


async def test_the_last_audit_and_its_drift_are_shown(relay: Relay) -> None:
    """None before there was one; then the newest, by whomever it was made."""
    await relay.add_tenant()
    before = await read_anew(relay)
    await check_books(relay.sessions)
    right = await read_anew(relay)
    await relay.rows("UPDATE accounts SET quota_micros = quota_micros + 700, held_micros = 300")
    async with relay.sessions.begin() as session:
        await note_audit(session, await relay.audit(), actor="system:ann")
    wrong = await read_anew(relay)
    await relay.rows("UPDATE accounts SET quota_micros = quota_micros - 700, held_micros = 0")

    audits = await relay.rows("SELECT * FROM audits ORDER BY id")
    assert before.all("relay_audit_last_timestamp_seconds") == {}
    assert right.value("relay_audit_last_timestamp_seconds") == pytest.approx(
        audits[0]["read_at"].timestamp()
    )
    assert (right.value("relay_books_differences"), right.value("relay_books_drift_micros")) == (
        0,
        0,
    )
    assert wrong.value("relay_books_differences") == 3
    assert wrong.value("relay_books_drift_micros") == 1000
    assert [row["actor"] for row in audits] == ["relay", "system:ann"]


async def test_how_channels_do(relay: Relay) -> None:
    """One whose video pack is parked and that has units of images, one that was disabled."""
    await relay.add_channel("spare", priority=-1)
    await relay.add_channel("gone", priority=-2)
    await relay.submit(await relay.add_tenant())
    await relay.rows("UPDATE channels SET enabled = false WHERE name = 'spare'")
    await relay.rows(
        "UPDATE channels SET enabled = false, removed_at = now(), name = 'gone (removed #3)'"
        " WHERE name = 'gone'"
    )
    await relay.rows("UPDATE channels SET room = '{\"video\": 5}' WHERE name = 'main'")
    await relay.rows(
        "INSERT INTO channel_conditions"
        " (channel_id, pack, model, state, reason, since, failed_at, try_at, room) VALUES"
        " (1, 'video', '', 'parked', '1102', now(), now(), now(), NULL),"
        " (1, 'image', '', 'cooling', '1303', now(), now(), now(), 9),"
        " (1, 'video', 'kling-v3', 'ok', '1303', now(), now(), now(), 3),"
        " (3, '', '', 'refused', '1002', now(), now(), now(), NULL)"
    )
    await relay.rows(
        "INSERT INTO channel_packs"
        " (channel_id, pack_id, name, kind, total, remaining, expires_at, status) VALUES"
        " (1, 'a', 'Video', 'video', 100, 0, now() + interval '9 days', 'online'),"
        " (1, 'b', 'Image', 'image', 100, 70.5, now() + interval '2 days', 'online'),"
        " (1, 'c', 'Image', 'image', 100, 20, now() - interval '2 days', 'online'),"
        " (3, 'd', 'Image', 'image', 100, 20, NULL, 'online')"
    )

    scraped = await read_anew(relay)

    states = scraped.all("relay_channel_state")
    now = [dict(labels) for labels, value in states.items() if value]
    assert {one["channel"]: one["state"] for one in now} == {"main": "parked", "spare": "off"}
    assert len(states) == 2 * 6
    assert scraped.value("relay_channel_enabled", channel="main") == 1
    taken = scraped.all("relay_channel_slots_taken")
    assert taken == {frozenset({("channel", "main"), ("pack", "video")}): 1}
    slots = {
        (dict(labels)["pack"], dict(labels)["model"]): value
        for labels, value in scraped.all("relay_channel_slots").items()
    }
    assert slots == {("video", ""): 5, ("image", ""): 9, ("video", "kling-v3"): 3}
    units = {
        dict(labels)["pack"]: value for labels, value in scraped.all("relay_channel_units").items()
    }
    assert units == {"video": 0, "image": 70.5}
    expiries = scraped.all("relay_channel_units_expire_timestamp_seconds")
    assert [dict(labels)["pack"] for labels in expiries] == ["image"]


async def test_deliveries_that_are_due_late_and_dead(relay: Relay) -> None:
    """One was given up, one waits for its next attempt, one should have gone an hour ago."""
    token = await relay.add_tenant()
    await relay.submit(token)
    await relay.rows(
        "INSERT INTO deliveries"
        " (task_id, tenant_id, url, task_status, body, state, next_attempt_at)"
        " SELECT id, tenant_id, 'https://tenant.example/hook', 'succeed', '{}', s.state, s.at"
        " FROM (SELECT * FROM tasks ORDER BY id LIMIT 1) t, (VALUES ('dead', now()),"
        " ('due', now() + interval '1 hour'), ('due', now() - interval '1 hour')) s (state, at)"
    )

    scraped = await read_anew(relay)

    assert scraped.value("relay_deliveries", state="dead") == 1
    assert scraped.value("relay_deliveries", state="due") == 2
    assert scraped.value("relay_deliveries_late") == 1
    assert 3600 <= scraped.value("relay_delivery_late_seconds") < 7200


async def test_within_ten_seconds_the_database_is_asked_once(relay: Relay) -> None:
    """Whoever asks; the figures say when they were read, and Prometheus takes them."""
    token = await relay.add_tenant()
    first = await scrape(relay.app, BUSINESS)
    await relay.submit(token)
    second = await scrape(relay.app, BUSINESS)
    third = await read_anew(relay)

    read_at = "relay_business_read_timestamp_seconds"
    assert first.text == second.text
    assert second.value("relay_holds") == 0
    assert third.value("relay_holds") == 1
    assert third.value(read_at) > first.value(read_at)
    assert "acme" not in third.text
    third.lint()


async def test_while_the_database_is_away_there_are_no_figures(database_url: str) -> None:
    """Old ones would be taken for new; what a process counted is shown all the same."""
    async with running_relay(database_url) as relay:
        await scrape(relay.app, BUSINESS)
        relay.app.state.business_metrics.forget()
        await relay.parts.store.pool.close()

        business = await ask(relay.app, BUSINESS)
        process = await ask(relay.app)

    assert business.status_code == 503
    assert business.text == "The database could not be asked; the log says why.\n"
    assert process.status_code == 200
