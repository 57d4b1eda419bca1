"""What a tenant is told of its money, its tasks and its months; by its key's scope."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from relay.desk.money import add_quota
from relay.desk.tasks import refund
from relay.ledger.tables import TopupKind
from relay.tenants.scope import Scope
from tests.proxy.keys import asked, data, key
from tests.queue.waiting_line import full_relay, queued
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, bearer, fixture_relay
from tests.waiting import wait_until

CLIP_PRICE = Decimal(CLIP_MICROS) / 1_000_000


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_channel()
        yield running


async def make(relay: Relay, token: Any) -> str:
    """Make one task and see it end."""
    task: str = (await data(relay, token, "POST", TEXT2VIDEO, CLIP))["task_id"]

    async def has_ended() -> bool:
        told = await data(relay, token, "GET", f"{TEXT2VIDEO}/{task}")
        return bool(told["task_status"] == "succeed")

    await wait_until(has_ended)
    return task


async def test_money_is_told_by_scope_and_adds_up(relay: Relay) -> None:
    """Balance, entries, usage and statement of one month say the same; a call key its own."""
    call = await relay.add_tenant()
    await relay.add_tenant("other")
    second, read = await key(relay), await key(relay, Scope.READ)
    tasks = await asyncio.gather(*(make(relay, token) for token in (call, second, second)))
    refunded = await relay.task(tasks[2])
    assert await relay.act(refund, refunded["id"], "private: a long story")
    async with relay.sessions.begin() as session:
        await add_quota(
            *(session, ACTOR, "acme"),
            amount_micros=1_500_000,
            currency="USD",
            reference="bonus-1",
            reason="private",
            kind=TopupKind.BONUS,
        )

    balance = await data(relay, read, "GET", "/relay/balance")
    every = await data(relay, read, "GET", "/relay/entries")
    own = await data(relay, call, "GET", "/relay/entries")
    paged, before = [], ""
    while True:
        page = await data(relay, read, "GET", f"/relay/entries?pageSize=2{before}")
        paged += page["entries"]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    used = await data(relay, read, "GET", "/relay/usage?by=token&by=model")
    own_use = await data(relay, call, "GET", "/relay/usage?by=day")
    tables = "table=model,token&table=day&table=token,model"
    at_once = await data(relay, read, "GET", f"/relay/usage?{tables}")
    of_call = await data(relay, call, "GET", "/relay/usage?table=day")
    by_day = await data(relay, read, "GET", "/relay/usage?by=day")
    stated = await data(relay, read, "GET", "/relay/statement")
    refused = await asked(relay, call, "GET", "/relay/statement")

    assert Decimal(balance["quota"]) == Decimal("11.5") - 2 * CLIP_PRICE
    assert (balance["held"], balance["available"]) == ("0", balance["quota"])
    assert paged == every["entries"]
    assert [line["kind"] for line in every["entries"]] == [
        *("topup", "refund", "charge", "charge", "charge", "topup")
    ]
    assert every["entries"][0]["quota_after"] == balance["quota"]
    assert sum(Decimal(line["amount"]) for line in every["entries"]) == Decimal(balance["quota"])
    assert [line["kind"] for line in own["entries"]] == ["topup", "charge", "topup"]
    assert {line["quota_after"] for line in own["entries"]} == {None}
    assert "private" not in str(every) + str(own)
    assert {line["token"]: line["charged"] for line in used["usage"]} == {
        call.id: str(CLIP_PRICE),
        second.id: str(CLIP_PRICE),
    }
    assert [(line["tasks"], line["charged"]) for line in own_use["usage"]] == [(1, str(CLIP_PRICE))]
    assert [one["by"] for one in at_once["tables"]] == [
        *(["model", "token"], ["day"], ["token", "model"])
    ]
    assert [one["usage"] for one in at_once["tables"]][1:] == [by_day["usage"], used["usage"]]
    assert list(at_once["tables"][0]["usage"][0])[:2] == ["model", "token"]
    assert of_call["tables"] == [{"by": ["day"], "usage": own_use["usage"]}]
    assert "usage" not in at_once
    assert "cost" not in str(used) + str(at_once)
    assert (stated["opening"], stated["closing"]) == ("0", balance["quota"])
    assert (stated["paid"], stated["bonus"]) == ("10", "1.5")
    assert refused[:2] == (403, 1103)


async def test_a_statement_comes_as_a_file(relay: Relay) -> None:
    await relay.add_tenant()
    read = await key(relay, Scope.READ)
    found = {
        form: await relay.client.get(f"/relay/statement?format={form}", headers=bearer(read))
        for form in ("csv", "html", "xlsx")
    }

    assert [one.status_code for one in found.values()] == [200] * 3
    assert found["csv"].headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(found["csv"].content.decode("utf-8-sig"))))
    assert rows[-1][2] == "Closing"
    assert found["html"].text.startswith("<!doctype html>")
    assert found["xlsx"].content[:2] == b"PK"


async def test_what_cannot_be_read_is_said(relay: Relay) -> None:
    await relay.add_tenant()
    read = await key(relay, Scope.READ)
    wrong = [
        *("usage?table=channel", "usage?table=day&by=day", "usage?table=day,task"),
        "usage?table=day&table=month&table=tenant&table=token&table=model&table=endpoint&table=day,model",
        *("usage?by=channel", "usage?month=2026-13", "usage?from=2026-11-01&month=2026-11"),
        *("usage?to=2026-11-01", "usage?from=2026-11-02&to=2026-11-01", "usage?from=soon"),
        *("usage?from=0001-01-01&to=0001-01-02", "usage?from=2020-01-01", "entries?kind=gift"),
        *("entries?pageSize=501", "entries?before=0", "entries?month=9999-99"),
        *("statement?month=x", "statement?format=pdf", "tasks/nothing"),
    ]
    told = [await asked(relay, read, "GET", f"/relay/{path}") for path in wrong]

    assert [answer[:2] for answer in told] == [(400, 1201)] * len(wrong), told


async def test_a_task_says_what_it_waits_for(database_url: str) -> None:
    """Room, Kling, nothing; with how long such tasks take, and money to whose it is."""
    async with full_relay(database_url, slots=0) as (relay, _):
        token = await relay.add_tenant(quota_micros=100_000_000)
        second, other = await key(relay), await relay.add_tenant("other")
        waiting = await queued(relay, token, external_task_id="order-1")
        told = await data(relay, token, "GET", "/relay/tasks/order-1")
        by_second = await data(relay, second, "GET", f"/relay/tasks/{waiting}")
        foreign = await asked(relay, other, "GET", f"/relay/tasks/{waiting}")

    assert (told["task_id"], told["task_status"], told["waits_for"]) == (
        *(waiting, "submitted", "room"),
    )
    assert (told["queue"]["place"], told["held"], told["charged"]) == (1, str(CLIP_PRICE), None)
    assert (told["kling_asked_at"], told["usual"]) == (None, None)
    assert "held" not in by_second
    assert foreign[:2] == (400, 1201)


async def test_a_task_that_ended_waits_for_nothing(relay: Relay) -> None:
    token = await relay.add_tenant()
    task = await make(relay, token)

    async def is_over() -> bool:
        return (await data(relay, token, "GET", f"/relay/tasks/{task}"))["waits_for"] is None

    await wait_until(is_over)
    told = await data(relay, token, "GET", f"/relay/tasks/{task}")

    assert (told["task_status"], told["charged"], told["held"]) == ("succeed", str(CLIP_PRICE), "0")
    assert told["usual"]["tasks"] == 1
    assert told["usual"]["p50_s"] == told["usual"]["p95_s"] >= 0
    assert told["kling_asked_at"] >= told["created_at"]


async def test_clients_of_new_api_are_answered_in_its_words(relay: Relay) -> None:
    """Of the key that asks, below `/` and `/v1`, with what the account has left."""
    call = await relay.add_tenant()
    second, read = await key(relay), await key(relay, Scope.READ)
    await asyncio.gather(make(relay, call), make(relay, second))
    left = Decimal(10) - 2 * CLIP_PRICE

    async def told(token: Any, path: str) -> Any:
        answer = await relay.client.get(path, headers=bearer(token))
        assert answer.status_code == 200
        return answer.json()

    token = await told(call, "/api/usage/token/")
    limit = await told(call, "/v1/dashboard/billing/subscription")
    used = await told(read, "/dashboard/billing/usage?start_date=2026-11-01&end_date=2026-11-30")

    assert token["code"] is True
    assert token["data"]["total_used"] == int(CLIP_PRICE * 500_000)
    assert token["data"]["total_available"] == int(left * 500_000)
    assert limit["hard_limit_usd"] == pytest.approx(float(left + CLIP_PRICE))
    assert used["total_usage"] == pytest.approx(float(2 * CLIP_PRICE * 100))
    assert (await relay.client.get("/api/usage/token/")).json()["code"] == 1001
