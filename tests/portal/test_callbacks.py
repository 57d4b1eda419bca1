"""What a tenant's URLs were told, by what it is signed, and where it is told of its business."""

from collections.abc import AsyncIterator

import pytest

from relay.deliveries.signature import read_secrets
from relay.tenants.scope import Scope
from tests.console.story import MARKUP
from tests.deliveries.tenant_server import TenantServer
from tests.portal.keys import add_callback
from tests.portal.test_keys import SECRET
from tests.portal.visiting import visiting
from tests.relay_app import Relay, fixture_relay


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    here = "127.0.0.0/8"
    async with fixture_relay(database_url, portal=True, callback_allow=here) as running:
        await running.add_channel()
        yield running


async def test_callbacks_are_listed_shown_and_sent_again(relay: Relay) -> None:
    """By state and task, each with its attempts and its body; markup in them is none."""
    token = await relay.add_tenant()
    task_id = (await relay.submit(token)).json()["data"]["task_id"]
    called = await add_callback(relay, MARKUP)
    async with visiting(relay) as ann, visiting(relay, scope=Scope.READ) as reader:
        for query in ({}, {"state": "dead"}, {"task": task_id}):
            assert f"/portal/callbacks/{called}" in await ann.read("/callbacks", **query), query
        for query in ({"state": "due"}, {"task": "nothing"}, {"cursor": "nothing"}):
            page = await ann.read("/callbacks", **query)
            assert f"/portal/callbacks/{called}" not in page, query
        assert "This filter cannot be used" in await ann.read("/callbacks", state="x")
        pages = [(await ann.get(one)).text for one in ("/callbacks", f"/callbacks/{called}")]
        assert "<img src=x" not in "".join(pages)
        assert "HTTP 502" in pages[1]
        assert "/replay" not in await reader.read(f"/callbacks/{called}")
        assert (await reader.post(f"/callbacks/{called}/replay")).status_code == 403

        sent = await ann.post(f"/callbacks/{called}/replay")
        assert sent.headers["location"] == f"/portal/callbacks/{called}?said=due"
        again = await ann.post(f"/callbacks/{called}/replay")
        assert (again.status_code, "banner bad" in again.text) == (422, True)
        acts = await relay.rows("SELECT actor FROM changes WHERE act = 'delivery.replay'")
        assert [row["actor"] for row in acts] == ["tenant:acme"]
        for path in ("/callbacks/msg_nothing", "/callbacks/msg_nothing/replay", "/callbacks/a%00b"):
            assert (await ann.get(path)).status_code == 404, path


async def test_a_list_of_callbacks_goes_on(relay: Relay) -> None:
    """Fifty at a time, by a place that stands in the address."""
    await relay.submit(await relay.add_tenant())
    called = [await add_callback(relay, str(number)) for number in range(51)]
    async with visiting(relay) as ann:
        first = await ann.read("/callbacks")
        assert (first.count("data-drawer"), called[0] in first) == (50, False)
        second = await ann.read("/callbacks", cursor=called[1])
        assert (second.count("data-drawer"), called[0] in second) == (1, True)


async def test_a_url_is_tried(relay: Relay) -> None:
    """What it answers is shown, and whether it was signed; what it cannot be stands beside it."""
    await relay.add_tenant()
    async with visiting(relay) as ann, TenantServer() as server:
        wrong = await ann.post("/callbacks/ping", url="ftp://x")
        assert (wrong.status_code, 'id="url-error"' in wrong.text) == (422, True)
        told = await ann.post("/callbacks/ping", url=server.url())
        assert (told.status_code, "no: there is no webhook secret yet" in told.text) == (200, True)
        fast = await ann.post("/callbacks/ping", url=server.url())
        assert (fast.status_code, "One test callback in 6 seconds" in fast.text) == (429, True)
        assert len(server.posts) == 1


async def test_the_secret_is_shown_once(relay: Relay) -> None:
    """Another one is made only by who says so; who may not sees how to check, and no button."""
    await relay.add_tenant()
    tenant = await relay.row("SELECT id FROM tenants")
    async with visiting(relay) as ann, visiting(relay, scope=Scope.CALL) as caller:
        assert "There is none yet" in await ann.read("/callbacks/signature")
        page = await caller.read("/callbacks/signature")
        assert ("is_genuine" in page, '<form method="post" action="/portal/callbacks' in page) == (
            True,
            False,
        )
        made = await ann.post("/callbacks/signature")
        first = next(one for one in SECRET.findall(made.text) if one.startswith("whsec_"))
        kept = await ann.post("/callbacks/signature")
        assert kept.status_code == 422
        assert first not in await ann.read("/callbacks/signature")
        form = await ann.read("/callbacks/signature")
        since = form.partition('name="issued_at" value="')[2].partition('"')[0]
        made = await ann.post("/callbacks/signature", rotate="on", issued_at=since)
        twice = await ann.post("/callbacks/signature", rotate="on", issued_at=since)
        assert (twice.status_code, "was made meanwhile" in twice.text) == (422, True)
        second = next(one for one in SECRET.findall(made.text) if one.startswith("whsec_"))
        async with relay.sessions() as session:
            assert await read_secrets(session, tenant["id"], relay.keys) == [second, first]
        assert "The one before signs beside it" in await ann.read("/callbacks/signature")


async def test_places_for_notices_are_added_tried_and_removed(relay: Relay) -> None:
    """What is wrong is told beside its field; an address is not shown again."""
    await relay.add_tenant()
    async with visiting(relay) as ann:
        await ann.post("/callbacks/signature")
        good = {"kind": "webhook", "to": "https://hooks.example.com/secret-path", "lang": "en"}
        for field, value in (
            ("kind", "pigeon"),
            ("to", "ftp://x"),
            ("to", ""),
            ("lang", "fr"),
            ("low", "x"),
        ):
            wrong = await ann.post("/callbacks/notices/add", **good | {field: value})
            assert (wrong.status_code, f'id="{field}-error"' in wrong.text) == (422, True), field
        assert await relay.rows("SELECT 1 FROM notice_places") == []

        events = ["quota.low", "price.changing"]
        added = await ann.post("/callbacks/notices/add", **good, low="1.5", event=events)
        assert added.headers["location"] == "/portal/callbacks/notices?said=added"
        row = await relay.row("SELECT * FROM notice_places")
        assert (row["events"], row["low_micros"], row["lang"]) == (events, 1_500_000, "en")
        page = await ann.read("/callbacks/notices")
        assert ("hooks.example.com" in page, "secret-path" in page, "1.50" in page) == (
            *(True, False, True),
        )
        there = f"/callbacks/notices/{row['id']}"
        assert (await ann.post(f"{there}/test")).headers["location"].endswith("said=due")
        again = await ann.post(f"{there}/test")
        assert (again.status_code, "banner bad" in again.text) == (422, True)
        assert "Test" in await ann.read("/callbacks/notices")
        assert "hooks.example.com" in await ann.read(f"{there}/remove")
        assert (await ann.post(f"{there}/remove")).headers["location"].endswith("said=removed")
        assert await relay.rows("SELECT 1 FROM notice_places") == []
        for path in (f"{there}/remove", "/callbacks/notices/4711/remove"):
            assert (await ann.get(path)).status_code == 404
            assert (await ann.post(path)).status_code == 404
