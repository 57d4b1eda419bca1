"""Tasks on the portal: what a list and one task show, and what is done from there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.portal.streams import OF_TENANT_MAX
from relay.tenants.scope import Scope
from tests.console.story import MARKUP
from tests.limits.limiting import sub_tenant
from tests.portal.visiting import visiting
from tests.portal.work import RESULT, settled
from tests.proxy.keys import data
from tests.queue.waiting_line import full_relay, queued
from tests.relay_app import CLIP, TEXT2VIDEO, Relay, fixture_relay


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url, portal=True) as running:
        await running.add_channel()
        yield running


async def test_a_list_shows_what_fits_and_what_it_came_to(relay: Relay) -> None:
    """By state, endpoint, key and own id; a wrong field is told beside it, and asks for nothing."""
    token = await relay.add_tenant()
    done = await settled(relay, token, external_task_id="order-1")
    live = (await data(relay, token, "POST", TEXT2VIDEO, CLIP))["task_id"]

    async with visiting(relay) as ann:
        every = await ann.read("/tasks")
        ended = await ann.read("/tasks", state="succeed", endpoint="text2video", token=token.id)
        own = await ann.read("/tasks", external_task_id="order-1")
        none = await ann.read("/tasks", model="other")
        wrong = await ann.read("/tasks", state="gone", token="x", to="2026-11-01", tenant="me")

    assert done in every
    assert live in every
    assert "0.42" in every
    assert (done in ended, live in ended) == (True, False)
    assert (done in own, live in own) == (True, False)
    assert "No task fits this filter." in none
    assert "Choose one of the list." in wrong
    assert "Say the first day, too." in wrong
    assert done not in wrong


async def test_lists_go_on_by_pages(relay: Relay) -> None:
    """Each task is on one page, and the last page has no older one."""
    token = await relay.add_tenant()
    ids = [(await data(relay, token, "POST", TEXT2VIDEO, CLIP))["task_id"] for _ in range(3)]
    row = await relay.task(ids[1])

    async with visiting(relay) as ann:
        older = await ann.read("/tasks", cursor=row["id"])

    assert [one in older for one in ids] == [True, False, False]
    assert "Newest" in older
    assert "Older" not in older


async def test_one_task_tells_its_story(relay: Relay) -> None:
    """Its moments, price, result and callbacks; markup in them is none."""
    token = await relay.add_tenant()
    task = await settled(relay, token, external_task_id=f"order {MARKUP}")

    async with visiting(relay) as ann:
        raw = (await ann.get(f"/tasks/{task}")).text
        page = await ann.read(f"/tasks/{task}")

    assert "<img" not in raw
    assert MARKUP in page
    for told in ("Kling has it", "Charged", "your server answered 500", "by Kling's list"):
        assert told in page, told
    words = " ".join(page.replace("\u00d7", "x").split())
    assert "0.6 units of video a second x 0.14 USD x 5 s" in words
    assert f'data-src="{RESULT}"' in page
    assert 'data-src="https://elsewhere' not in page
    assert "Kling keeps it for 30 days" in page
    assert "tester" not in page


async def test_any_id_of_the_tenants_leads_to_its_task(relay: Relay) -> None:
    """Its task id, its own id, also with a slash in it, and the id of the request."""
    token = await relay.add_tenant()
    task = await settled(relay, token, external_task_id="a/b c")
    row = await relay.task(task)

    async with visiting(relay) as ann:
        found = [await ann.get("/tasks/find", id=key) for key in (task, "a/b c", row["request_id"])]
        missed = await ann.read("/tasks/find", id="nothing")
        unknown = await ann.get("/tasks/nothing")

    assert [one.headers["location"] for one in found] == [f"/portal/tasks/{task}"] * 3
    assert "No task of yours has this id" in missed
    assert (unknown.status_code, "You have no such task." in unknown.text) == (404, True)


async def test_what_waits_is_cancelled_once(database_url: str) -> None:
    """It says its place and what comes back; a second time nothing changes, and it is said."""
    async with full_relay(database_url, slots=0, portal=True) as (relay, _):
        token = await relay.add_tenant(quota_micros=100_000_000)
        waiting = await queued(relay, token)
        async with visiting(relay) as ann, visiting(relay, scope=Scope.READ) as reader:
            page = await ann.read(f"/tasks/{waiting}")
            sure = await ann.read(f"/tasks/{waiting}/cancel")
            refused = await reader.post(f"/tasks/{waiting}/cancel")
            held = await relay.account()
            done = await ann.post(f"/tasks/{waiting}/cancel")
            again = await ann.post(f"/tasks/{waiting}/cancel")
            after = await ann.read(f"/tasks/{waiting}", said="done")
            changes = await relay.rows("SELECT * FROM changes WHERE act = 'task.cancel'")
        assert "/cancel" not in await read_as(relay, Scope.READ, f"/tasks/{waiting}")

    assert "Place 1" in page
    assert "0.42 USD that are held for it are given back" in sure
    assert refused.status_code == 403
    assert held == (100_000_000, 420_000)
    assert done.headers["location"] == f"/portal/tasks/{waiting}?said=done"
    assert (again.status_code, "nothing was changed" in again.text) == (422, True)
    assert "failed" in after
    assert len(changes) <= 1


async def read_as(relay: Relay, scope: Scope, path: str) -> str:
    async with visiting(relay, scope=scope) as reader:
        return await reader.read(path)


async def test_a_callback_is_sent_again(relay: Relay) -> None:
    """What was given up is due again; who may only read is not offered it, nor does it happen."""
    token = await relay.add_tenant()
    task = await settled(relay, token)
    row = await relay.row("SELECT webhook_id FROM deliveries ORDER BY id DESC LIMIT 1")
    path = f"/tasks/{task}/callbacks/{row['webhook_id']}"

    async with visiting(relay) as ann, visiting(relay, scope=Scope.READ) as reader:
        assert "Send again" not in await reader.read(f"/tasks/{task}")
        refused = await reader.post(path)
        before = await state_of(relay, row["webhook_id"])
        done = await ann.post(path)

    assert (refused.status_code, before) == (403, "dead")
    assert done.headers["location"] == f"/portal/tasks/{task}?said=due"
    assert await state_of(relay, row["webhook_id"]) == "due"


async def state_of(relay: Relay, webhook_id: str) -> Any:
    row = await relay.row("SELECT state FROM deliveries WHERE webhook_id = $1", webhook_id)
    return row["state"]


async def test_a_tenant_has_so_many_streams(relay: Relay) -> None:
    """One more is told not to ask again; another tenant has its own; what has ended makes room."""
    await relay.add_tenant()
    room = relay.faces.portal
    assert room is not None
    open_streams = room._behind.streams  # noqa: SLF001 (the streams that pages would open)

    async def look() -> int:
        await asyncio.sleep(0)
        return 1

    async def anybody() -> bool:
        await asyncio.sleep(0)
        return True

    async with visiting(relay) as ann:
        row = await relay.row("SELECT tenant_id FROM tokens WHERE id = $1", ann.token_id)
        held = [open_streams.changes(row["tenant_id"], look, anybody) for _ in range(OF_TENANT_MAX)]
        for one in held:
            await anext(one)
        refused = await ann.get("/tasks/events")
        beyond = [one async for one in open_streams.changes(row["tenant_id"], look, anybody)]
        other = open_streams.has_room(row["tenant_id"] + 1)
        for one in held:
            await one.aclose()

    assert (refused.status_code, beyond, other) == (204, [], True)
    assert open_streams.has_room(row["tenant_id"])
    assert open_streams._open == {}  # noqa: SLF001


async def test_a_sub_tenants_task_is_seen_and_not_touched(relay: Relay) -> None:
    """By its parent's keys that see all: its state and money, not its callbacks; no act of it."""
    await relay.add_tenant()
    below = await sub_tenant(relay, "eu", "1.3")
    task = await settled(relay, below)

    async with visiting(relay) as ann, visiting(relay, scope=Scope.CALL) as caller:
        listed = await ann.read("/tasks", tenant="eu")
        page = await ann.read(f"/tasks/{task}")
        cancelled = await ann.post(f"/tasks/{task}/cancel")
        hidden = await caller.get(f"/tasks/{task}")
        unheard = await caller.get(f"/tasks/{task}/events")
    async with visiting(relay, "acme/eu") as bob:
        own = await bob.read(f"/tasks/{task}")

    assert task in listed
    assert "0.42 USD" in page
    assert "hooks.example.com" not in page
    assert cancelled.status_code == hidden.status_code == unheard.status_code == 404
    assert "0.546" in own
    assert "0.42" not in own
