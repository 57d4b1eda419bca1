"""`/metrics`: what one process counted, by requests, calls, ends, callbacks and looks."""

import time
from datetime import UTC, datetime

from relay.kling.transport import Reply
from tests.callbacks.news import told
from tests.metrics.conftest import ObedientKling
from tests.metrics.exposition import ask, scrape
from tests.proxy.scripted_kling import Asked
from tests.relay_app import CLIP, CLIP_MICROS, Relay
from tests.tasks.looking import let_time_pass, look_now

CREATE = "text2video.create"


async def test_requests_calls_and_ends_are_counted_by_what_became_of_them(relay: Relay) -> None:
    """Seven creates, of which Kling takes one; it ends by a tenant's query, and is charged."""
    token = await relay.add_tenant()
    prompts = ("a fox", "refuse 1301", "break", "odd", "silence", "absence", "limit")
    answers = [await relay.submit(token, {**CLIP, "prompt": prompt}) for prompt in prompts]
    await relay.get(token, "1000")
    await relay.get(token, "1000")
    await relay.get(token, "nobody")
    await relay.client.get("/v1/videos/text2video", headers={"Authorization": "Bearer sk-no"})

    scraped = await scrape(relay.app)

    assert [answer.status_code for answer in answers] == [200, 400, 504, 504, 504, 503, 429]
    requests = "relay_http_requests_total"
    assert scraped.value(requests, route=CREATE, status="200", code="0") == 1
    assert scraped.value(requests, route=CREATE, status="400", code="1301") == 1
    assert scraped.value(requests, route=CREATE, status="429", code="1303") == 1
    assert scraped.value(requests, route=CREATE, status="504", code="5002") == 3
    assert scraped.value(requests, route=CREATE, status="503", code="5001") == 1
    assert scraped.value(requests, route="text2video.query", status="200", code="0") == 2
    assert scraped.value(requests, route="text2video.query", status="400", code="1201") == 1
    assert scraped.value(requests, route="unknown", status="401", code="1002") == 1
    assert sum(scraped.all(requests).values()) == 11
    assert sum(scraped.all("relay_http_overhead_seconds_count").values()) == 11

    calls = {
        (labels["operation"], labels["outcome"], labels["code"]): value
        for labels, value in (
            (dict(pairs), value) for pairs, value in scraped.all("relay_kling_calls_total").items()
        )
        if labels["channel"] == "main"
    }
    assert calls == {
        ("create", "ok", "0"): 1,
        ("create", "refused", "1301"): 1,
        ("create", "refused", "1303"): 1,
        ("create", "failed", ""): 1,
        ("create", "unread", ""): 1,
        ("create", "maybe_sent", ""): 1,
        ("create", "not_sent", ""): 1,
        ("query", "ok", "0"): 1,
    }
    timed = "relay_kling_call_seconds_count"
    assert scraped.value(timed, channel="main", operation="create") == 7

    ends = "relay_tasks_ended_total"
    clip = {"endpoint": "text2video", "model": "kling-v3"}
    assert scraped.value(ends, **clip, state="succeed") == 1
    assert scraped.value(ends, **clip, state="refused") == 3
    assert scraped.value("relay_task_seconds_count", **clip) == 1
    assert scraped.value("relay_charged_micros_total", **clip) == CLIP_MICROS
    assert scraped.value("relay_cost_units_total", pack="video") == 3
    assert scraped.value("relay_looks_total", by="tenant", answer="succeed") == 1


async def test_callbacks_are_counted_with_their_delay(relay: Relay) -> None:
    """By Kling's own clock; a repeat, a forged one and one about nobody have none.

    What Kling's own reply says of the cost again is counted no more.
    """
    token = await relay.add_tenant()
    await relay.submit(token)
    injected_id = str((await relay.row("SELECT injected_id FROM tasks"))["injected_id"])
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    body = told(injected_id, "succeed", task_id="1000", updated_at=now_ms - 3_600_000)

    await relay.call_back("1000", body)
    await relay.call_back("1000", body)
    await relay.call_back("1000", body | {"task_id": "1001"})
    await relay.call_back_on("kr-1-gone", 1, body)
    await relay.client.post("/internal/callback/guessed", json=body)
    await relay.client.get("/internal/callback")
    await look_now(relay)

    scraped = await scrape(relay.app)
    results = {
        dict(labels)["result"]: value
        for labels, value in scraped.all("relay_callbacks_total").items()
    }
    assert results == {
        "applied": 1,
        "nothing_new": 1,
        "not_applied": 1,
        "gone": 1,
        "forged": 1,
        "unreadable": 1,
        "asked": 0,
        "trial": 0,
        "failed": 0,
    }
    assert scraped.value("relay_callback_delay_seconds_bucket", le="1800.0") == 0
    assert scraped.value("relay_callback_delay_seconds_bucket", le="+Inf") == 1
    assert scraped.value("relay_callback_delay_seconds_sum") >= 3600
    assert scraped.value("relay_looks_total", by="worker", answer="succeed") == 1
    assert scraped.value("relay_cost_units_total", pack="video") == 3


async def test_a_correction_is_counted_and_its_cost_once(
    relay: Relay, kling: ObedientKling
) -> None:
    """A callback says that it took 3 units, Kling's own reply that it failed; then nothing more."""
    token = await relay.add_tenant()
    await relay.submit(token)
    injected_id = kling.tasks["1000"]
    await relay.call_back("1000", told(injected_id, "succeed", task_id="1000"))
    kling.ended = "failed"

    await look_now(relay)
    await look_now(relay)

    scraped = await scrape(relay.app)
    clip = {"endpoint": "text2video", "model": "kling-v3"}
    assert scraped.value("relay_charged_micros_total", **clip) == CLIP_MICROS
    assert scraped.value("relay_corrected_micros_total") == CLIP_MICROS
    assert scraped.value("relay_cost_units_total", pack="video") == 3
    assert scraped.value("relay_tasks_ended_total", **clip, state="succeed") == 1
    assert scraped.value("relay_tasks_ended_total", **clip, state="failed") == 1
    assert scraped.value("relay_looks_total", by="worker", answer="failed") == 1


async def test_a_look_that_finds_nothing_is_counted(relay: Relay) -> None:
    """Of a submit without a verdict, by our external id."""
    token = await relay.add_tenant()
    await relay.submit(token, {**CLIP, "prompt": "silence"})
    await let_time_pass(relay, 1)

    await look_now(relay)

    scraped = await scrape(relay.app)
    assert scraped.value("relay_looks_total", by="worker", answer="not_found") == 1
    calls = "relay_kling_calls_total"
    query = {"channel": "main", "operation": "query"}
    assert scraped.value(calls, **query, outcome="refused", code="1201") == 1


async def test_klings_time_is_no_overhead(relay: Relay, kling: ObedientKling) -> None:
    """Of a create and of a poll that waits for its question, which each take Kling long."""
    token = await relay.add_tenant()
    answer = kling.answer

    async def slowly(asked: Asked) -> Reply:
        for _ in range(20):
            await relay.rows("SELECT 1")
        return await answer(asked)

    kling.answer = slowly
    began = time.perf_counter()
    await relay.submit(token)
    await relay.get(token, "1000")
    took_s = time.perf_counter() - began

    scraped = await scrape(relay.app)
    overhead_s = sum(scraped.all("relay_http_overhead_seconds_sum").values())
    klings_s = sum(scraped.all("relay_kling_call_seconds_sum").values())
    assert 0 < overhead_s < took_s - klings_s


async def test_codes_that_kling_does_not_have_are_one_series(relay: Relay) -> None:
    """Whatever answers in its place may invent them."""
    token = await relay.add_tenant()
    for code in (1301, 4001, 4002, 4003):
        await relay.submit(token, {**CLIP, "prompt": f"refuse {code}"})

    scraped = await scrape(relay.app)

    refused = {
        dict(labels)["code"]: value
        for labels, value in scraped.all("relay_kling_calls_total").items()
    }
    assert refused == {"1301": 1, "other": 3}
    told_to_tenants = {dict(labels)["code"] for labels in scraped.all("relay_http_requests_total")}
    assert told_to_tenants == {"1301", "other"}


async def test_a_channel_that_is_removed_disappears(relay: Relay) -> None:
    """With its new name it would come back; nobody asks it any more."""
    token = await relay.add_tenant()
    await relay.submit(token, {**CLIP, "prompt": "refuse 1301"})
    before = await scrape(relay.app)
    await relay.rows("UPDATE channels SET name = 'main (removed #1)'")
    relay.read_anew()
    await relay.parts.kling.directory.all()

    after = await scrape(relay.app)

    assert 'relay_kling_call_seconds_bucket{channel="main"' in before.text
    assert 'channel="' not in after.text
    assert after.value("relay_http_requests_total", route=CREATE, status="400", code="1301") == 1


async def test_prometheus_takes_it_and_nothing_of_a_tenant_is_in_it(
    relay: Relay, kling: ObedientKling
) -> None:
    """As Prometheus' own tool reads it; and in the newer format for who asks for that."""
    token = await relay.add_tenant("acme-of-berlin")
    await relay.submit(token, {**CLIP, "external_task_id": "order-4711"})
    await relay.get(token, "1000")
    await relay.call_back("1000", told(kling.tasks["1000"], "succeed", task_id="1000"))

    scraped = await scrape(relay.app)
    newer = await ask(relay.app, accept="application/openmetrics-text; version=1.0.0")

    for word in ("acme", "order-4711", token.access_key, '1000"', CLIP["prompt"]):
        assert str(word) not in scraped.text
    assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert newer.text.endswith("# EOF\n")
    assert scraped.value("relay_ready") == 1
    assert scraped.value("relay_database_connections", connections="reads", state="idle") == 1
    scraped.lint()


async def test_the_office_alone_shows_it(relay: Relay) -> None:
    """Tenants' port takes the path for one of Kling's, which wants a bearer."""
    index = await ask(relay.app, "/")
    outside = await relay.client.get("/metrics")
    misled = await ask(relay.app, host="evil.example")

    assert "/metrics " in index.text
    assert (outside.status_code, misled.status_code) == (401, 421)
