"""What a tenant is told of its tasks: the list of all endpoints, and what happened to one."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from relay.database.ids import TaskId
from relay.desk.tasks import refund, release
from relay.tasks.own_list import OwnFilter, list_own
from relay.tasks.tables import TaskState
from relay.tenants.scope import Scope
from tests.limits.limiting import sub_tenant
from tests.proxy.keys import asked, data, key
from tests.proxy.test_own_books import make
from tests.queue.waiting_line import full_relay, queued
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, fixture_relay

CLIP_PRICE = str(Decimal(CLIP_MICROS) / 1_000_000)
IMAGES = "/v1/images/generations"
IMAGE = {"model_name": "kling-v2", "prompt": "a fox"}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_channel()
        yield running


async def listed(relay: Relay, token: Any, query: str = "") -> list[str]:
    told = await data(relay, token, "GET", f"/relay/tasks{query}")
    return [one["task_id"] for one in told["tasks"]]


async def test_tasks_of_all_endpoints_are_listed_newest_first(relay: Relay) -> None:
    """By pages that lose and double none, and by each filter; another tenant's are none."""
    token, other = await relay.add_tenant(), await relay.add_tenant("other")
    second = await key(relay)
    ids = []
    for by, path, body in (
        (token, TEXT2VIDEO, CLIP | {"external_task_id": "mine"}),
        (other, TEXT2VIDEO, CLIP),
        (second, IMAGES, IMAGE),
        (token, TEXT2VIDEO, CLIP),
    ):
        ids.append((await data(relay, by, "POST", path, body))["task_id"])
    clip, foreign, image, last = ids
    own_row = await relay.task(clip)

    assert await listed(relay, token) == [last, image, clip]
    assert await listed(relay, other) == [foreign]
    assert await listed(relay, token, "?endpoint=text2video") == [last, clip]
    assert await listed(relay, token, "?model=kling-v2") == [image]
    assert await listed(relay, token, f"?token={second.id}") == [image]
    assert await listed(relay, token, "?external_task_id=mine") == [clip]
    assert await listed(relay, token, f"?request_id={own_row['request_id']}") == [clip]
    assert await listed(relay, other, f"?request_id={own_row['request_id']}") == []
    assert await listed(relay, other, "?external_task_id=mine") == []
    assert await listed(relay, other, f"?token={token.id}") == []
    assert await listed(relay, token, "?from=2020-01-01&to=2020-02-01") == []
    assert await listed(relay, token, f"?month={own_row['created_at']:%Y-%m}") == [
        last,
        image,
        clip,
    ]
    paged, before = [], ""
    while True:
        page = await data(relay, token, "GET", f"/relay/tasks?pageSize=1{before}")
        paged += page["tasks"]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert [one["task_id"] for one in paged] == [last, image, clip]
    assert paged == (await data(relay, token, "GET", "/relay/tasks"))["tasks"]


async def test_what_cannot_be_a_filter_is_said(relay: Relay) -> None:
    token = await relay.add_tenant()
    await relay.add_tenant("other")
    wrong = [
        *("state=refused", "state=x", "endpoint=x", "token=x", "token=0", "before=0"),
        *("pageSize=501", "from=soon", "to=2026-01-01", "tenant=other", "tenant=acme"),
    ]

    told = [await asked(relay, token, "GET", f"/relay/tasks?{one}") for one in wrong]

    assert [answer[:2] for answer in told] == [(400, 1201)] * len(wrong), told


async def test_a_list_is_by_state_in_klings_words(database_url: str) -> None:
    """What waits for room is `submitted`, and `queued` alone too; what was refused is none."""
    async with full_relay(database_url, slots=0) as (relay, _):
        token = await relay.add_tenant(quota_micros=100_000_000)
        first = await queued(relay, token)
        second = await queued(relay, token)
        (number,) = await relay.rows("SELECT id FROM tasks WHERE public_id = $1", second)
        assert (await asked(relay, token, "POST", f"/relay/tasks/{second}/cancel"))[0] == 200
        told = await data(relay, token, "GET", "/relay/tasks")
        by_state = {
            state: await listed(relay, token, f"?state={state}")
            for state in ("queued", "submitted", "processing", "succeed", "failed")
        }
        steps = await data(relay, token, "GET", f"/relay/tasks/{second}/timeline")
        relay_row = await relay.row("SELECT state FROM tasks WHERE id = $1", number["id"])

    assert relay_row["state"] == "failed"
    assert [(one["task_id"], one["task_status"], one["is_queued"]) for one in told["tasks"]] == [
        (second, "failed", False),
        (first, "submitted", True),
    ]
    assert by_state == {
        "queued": [first],
        "submitted": [first],
        "processing": [],
        "succeed": [],
        "failed": [second],
    }
    assert [one["what"] for one in steps["timeline"]] == [
        *("created", "held", "queued", "ended", "released"),
    ]


async def test_a_filter_goes_on_where_a_page_ended(relay: Relay) -> None:
    """Where few fit, a page may be empty; whoever goes on finds each of them once."""
    token = await relay.add_tenant()
    ids = [(await data(relay, token, "POST", TEXT2VIDEO, CLIP))["task_id"] for _ in range(6)]
    rows = [await relay.task(one) for one in ids]
    for one in (ids[0], ids[4]):
        await relay.rows("UPDATE tasks SET model = 'rare' WHERE kling_id = $1", one)
    found, pages, before = [], 0, 2**63 - 1
    while True:
        wanted = OwnFilter(
            tenant_id=rows[0]["tenant_id"],
            account_id=rows[0]["account_id"],
            endpoints=["text2video"],
            model="rare",
            before_id=before,
        )
        page, next_before = await list_own(
            relay.parts.store.pool, wanted, limit=5, budget_s=0, step=2
        )
        found += [one["shown_id"] for one in page]
        pages += 1
        if next_before is None:
            break
        before = next_before

    assert found == [ids[4], ids[0]]
    assert pages > 2


async def test_a_timeline_tells_what_is_the_tenants(relay: Relay) -> None:
    """Moments, its own money and callbacks; no channel, operator, reason or id of ours."""
    token = await relay.add_tenant()
    second, read = await key(relay), await key(relay, Scope.READ)
    other = await relay.add_tenant("other")
    task = await make(relay, token)
    row = await relay.task(task)
    assert await relay.act(refund, TaskId(row["id"]), "private: a long story")

    told = await data(relay, read, "GET", f"/relay/tasks/{task}/timeline")
    by_second = await data(relay, second, "GET", f"/relay/tasks/{task}/timeline")
    shown = await data(relay, token, "GET", f"/relay/tasks/{task}")
    foreign = await asked(relay, other, "GET", f"/relay/tasks/{task}/timeline")

    assert [(one["what"], one.get("amount")) for one in told["timeline"]] == [
        ("created", None),
        ("held", CLIP_PRICE),
        ("submitted", None),
        ("ended", None),
        ("charged", CLIP_PRICE),
        ("refunded", CLIP_PRICE),
    ]
    assert [one["what"] for one in by_second["timeline"]] == ["created", "submitted", "ended"]
    assert foreign[:2] == (400, 1201)
    whole = str(told) + str(shown)
    for private in ("private", "main", ACTOR.name, row["injected_id"], row["kling_request_id"]):
        assert private not in whole, private
    assert shown["charged"] == "0"
    assert shown["quote"]["hold"] == CLIP_PRICE
    assert shown["quote"]["price"]["seconds"] == 5
    assert shown["results"] == list(row["result_urls"])
    assert shown["results"]


async def test_money_of_other_keys_is_not_told_to_a_call_key(relay: Relay) -> None:
    token = await relay.add_tenant()
    second, read = await key(relay), await key(relay, Scope.READ)
    mine, theirs = await asyncio.gather(make(relay, token), make(relay, second))

    by_call = (await data(relay, token, "GET", "/relay/tasks"))["tasks"]
    by_read = (await data(relay, read, "GET", "/relay/tasks"))["tasks"]

    assert {one["task_id"]: one.get("charged") for one in by_call} == {
        mine: CLIP_PRICE,
        theirs: None,
    }
    assert [one for one in by_call if one["task_id"] == theirs and "held" in one] == []
    assert {one["charged"] for one in by_read} == {CLIP_PRICE}
    assert "quote" not in await data(relay, token, "GET", f"/relay/tasks/{theirs}")


async def test_a_parent_sees_its_sub_tenants_at_its_own_prices(relay: Relay) -> None:
    """By name, and by keys that see all; a sub-tenant sees its own alone, at its own price."""
    parent = await relay.add_tenant()
    eu = await sub_tenant(relay, "eu", "1.3")
    read = await key(relay, Scope.READ)
    house, task = await make(relay, parent), await make(relay, eu)

    assert await listed(relay, read) == [house]
    below = (await data(relay, read, "GET", "/relay/tasks?tenant=eu"))["tasks"]
    own = (await data(relay, eu, "GET", "/relay/tasks"))["tasks"]
    steps = await data(relay, eu, "GET", f"/relay/tasks/{task}/timeline")
    steps_above = await data(relay, read, "GET", f"/relay/tasks/{task}/timeline")
    shown = await data(relay, eu, "GET", f"/relay/tasks/{task}")

    assert [(one["task_id"], one["charged"]) for one in below] == [(task, CLIP_PRICE)]
    assert [(one["task_id"], one["charged"]) for one in own] == [(task, "0.546")]
    assert {one["amount"] for one in steps["timeline"] if "amount" in one} == {"0.546"}
    assert {one["amount"] for one in steps_above["timeline"] if "amount" in one} == {CLIP_PRICE}
    assert shown["quote"]["hold"] == "0.546"
    assert CLIP_PRICE not in str(shown) + str(own) + str(steps)
    for token in (parent, eu):
        assert (await asked(relay, token, "GET", "/relay/tasks?tenant=eu"))[:2] == (400, 1201)


async def test_what_was_released_is_told_as_its_tenant_is(relay: Relay) -> None:
    """By what it reads, and not by whom or why."""
    token = await relay.add_tenant()
    task = (await data(relay, token, "POST", TEXT2VIDEO, CLIP))["task_id"]
    row = await relay.task(task)
    assert await relay.act(release, TaskId(row["id"]), "private")

    told = await data(relay, token, "GET", f"/relay/tasks/{task}/timeline")

    ended = [one for one in told["timeline"] if one["what"] == "ended"]
    assert [one["task_status"] for one in ended] == [TaskState.FAILED]
    assert [one["amount"] for one in told["timeline"] if one["what"] == "released"] == [CLIP_PRICE]
    assert "private" not in str(told)
