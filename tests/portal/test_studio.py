"""The studio's pages: panels with what is wrong beside its field, prices, and what was begun."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import msgspec
import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.tenants.scope import Scope
from tests.clones import cloned
from tests.portal.test_try_it import PNG
from tests.portal.visiting import OURS, visiting
from tests.portal.work import token_of
from tests.relay_app import Relay, bearer, fixture_relay

TALK = "/studio/make/workflow/digital-human"
SAID = {
    "text": "Good morning",
    "voice_id": "genshin_vindi2",
    "image": "https://files.example.com/fox.png",
}
ROOM_ON_CLOUD_NINE = {"prompt": "a room on cloud nine"}


@pytest.fixture(scope="module")
async def relay(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Relay]:
    """One for all, without a worker: what Kling has stays there."""
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, portal=True, studio=True) as relay,
    ):
        await relay.add_channel()
        await relay.add_tenant(quota_micros=1_000_000_000)
        yield relay
        assert (await relay.audit()).ok


def hidden(page: str) -> dict[str, str]:
    """Read what the form of a page that confirms would send."""
    found = re.findall(r'<input type="hidden" name="(json|sure|key)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in found}


async def runs_of(relay: Relay, kind: str) -> list[Any]:
    return await relay.rows("SELECT * FROM runs WHERE kind = $1 ORDER BY id", kind)


async def test_a_run_is_begun_once_within_what_was_seen(relay: Relay) -> None:
    """The price page begins nothing; a second click on it begins no second one."""
    async with visiting(relay) as ann:
        home = await ann.read("/studio")
        assert ("Digital human" in home, "up to 16.807 USD, by its length" in home) == (True, True)
        assert "from 0.273 USD" in home
        page = await ann.post(TALK, **SAID)
        assert (page.status_code, "Begin it for at most 16.807 USD" in page.text) == (200, True)
        assert ("0.007" in page.text, "16.80" in page.text) == (True, True), "each step's"
        assert "costs what its length costs" in page.text
        assert await runs_of(relay, "digital_human") == []
        given = hidden(page.text)
        changed = await ann.post(f"{TALK}/start", **given | {"sure": "1"})
        assert (changed.status_code, "has changed" in changed.text) == (422, True)
        assert await runs_of(relay, "digital_human") == []

        first = await ann.post(f"{TALK}/start", **given)
        second = await ann.post(f"{TALK}/start", **given)
        (run,) = await runs_of(relay, "digital_human")
        assert (run["cap_micros"], run["token_id"]) == (16_807_000, ann.token_id)
        there = f"/portal/studio/runs/{run['public_id']}?said=sent"
        assert (first.status_code, first.headers["location"]) == (303, there)
        assert second.headers["location"] == there
        shown = await ann.read(f"/studio/runs/{run['public_id']}")
        assert ("Cancel it…" in shown, "koubo/digital-human" in shown) == (True, True)
        assert 'data-live="/portal/studio/runs/' in shown


async def test_what_is_wrong_stands_beside_its_field(relay: Relay) -> None:
    """Whether the page finds it or the studio does; in the visitor's language; nothing is begun."""
    before = await relay.rows("SELECT id FROM runs")
    async with visiting(relay) as ann:
        for path, fields, field in (
            (TALK, {}, "text"),
            (TALK, SAID | {"voice_id": ""}, "voice_id"),
            (TALK, SAID | {"audio_url": "https://x.example/a.mp3"}, "audio_url"),
            (TALK, SAID | {"image": "fox.png"}, "image"),
            (TALK, SAID | {"voice_speed": "9"}, "voice_speed"),
            (TALK, SAID | {"mode": "dear"}, "mode"),
            (TALK, SAID | {"text": "a" * 1001}, "text"),
            ("/studio/make/image/replace-background", {"image": SAID["image"]}, "prompt"),
            ("/studio/make/image/face-swap", {"image": SAID["image"]}, "face_image"),
            ("/studio/make/image/image-generation", {"prompt": "a", "model": "x"}, "model"),
        ):
            answer = await ann.post(path, **fields)
            assert (answer.status_code, f'id="{field}-error"' in answer.text) == (422, True), field
            assert hidden(answer.text) == {}
        ann.client.headers["accept-language"] = "zh"
        told = unescape((await ann.post(TALK, **SAID | {"text": "a" * 1001})).text)
        assert "最多 1000 个字符" in told
        for path in ("/studio/make/workflow/no-such", "/studio/make/image/digital-human"):
            assert (await ann.get(path)).status_code == 404
    assert await relay.rows("SELECT id FROM runs") == before


async def test_a_file_goes_along_and_is_bounded_where_none_is_kept(relay: Relay) -> None:
    """As base64, which code that is shown has cut short."""
    path = "/portal/studio/make/image/omni-image"
    async with visiting(relay) as ann:
        sent = {"csrf": ann.csrf, "prompt": "<<<image_1>>> in the snow"}

        async def send(content: bytes) -> Any:
            files = {"images__file": ("fox.png", content, "image/png")}
            return await ann.client.post(path, data=sent, files=files, headers=OURS)

        page, large = await send(PNG), await send(bytes(800_000))

        body = msgspec.json.decode(hidden(page.text)["json"])
        assert (len(body["images"]), len(body["images"][0])) == (1, 2680)
        assert page.text.count(body["images"][0]) == 1, "in the form that begins it alone"
        assert (large.status_code, 'id="images-error"' in large.text) == (422, True)


async def test_kling_cannot_stop_and_what_failed_is_done_again_at_its_price(relay: Relay) -> None:
    token = await token_of(relay)
    created = await relay.client.post(
        "/api/kling/image-generation", headers=bearer(token), json=ROOM_ON_CLOUD_NINE
    )
    run = created.json()["task_id"]
    async with visiting(relay) as ann:
        asked = await ann.read(f"/studio/runs/{run}/cancel")
        assert "Kling cannot be told to stop" in asked
        answer = await ann.post(f"/studio/runs/{run}/cancel")
        assert (answer.status_code, "Kling is making it" in answer.text) == (422, True)
        assert "There is nothing to try again" in await ann.read(f"/studio/runs/{run}/retry")
        await relay.rows(
            "UPDATE run_steps SET state = 'failed' FROM runs r WHERE r.id = run_id"
            " AND r.public_id::text = $1",
            run,
        )
        await relay.rows(
            "UPDATE runs SET state = 'failed', ended_at = now() WHERE public_id::text = $1", run
        )
        page = await ann.read(f"/studio/runs/{run}/retry")
        assert "Try again for at most 0.028 USD" in page
        answer = await ann.post(f"/studio/runs/{run}/retry")
        assert answer.headers["location"] == f"/portal/studio/runs/{run}?said=sent"
        (again,) = await runs_of(relay, "image_generation")
        assert (again["state"], again["token_id"]) == ("processing", ann.token_id)
        listed = await ann.read("/studio/runs", state="processing")
        assert run[:8] in listed
        assert run not in await ann.read("/studio/runs", state="failed")
        assert 'id="state-error"' in await ann.read("/studio/runs", state="dear")
        file = (await ann.get("/studio/runs/list/csv")).text
        assert run in file


async def test_a_list_goes_on_behind_its_cursor(relay: Relay) -> None:
    """By the id of the last one, so that what is new meanwhile moves nothing."""
    token = await relay.add_tenant("lists")
    for _ in range(3):
        await relay.client.post(
            "/api/kling/image-generation", headers=bearer(token), json=ROOM_ON_CLOUD_NINE
        )

    async def ask(**query: Any) -> Any:
        answer = await relay.client.get(
            "/api/kling/ai-tasks", params={"page_size": 2} | query, headers=bearer(token)
        )
        return answer.json()

    first = await ask()
    rest = await ask(before=first["next_before"])
    assert [len(first["tasks"]), len(rest["tasks"]), rest["next_before"]] == [2, 1, None]
    assert rest["total"] == 3
    assert rest["tasks"][0]["task_id"] not in {one["task_id"] for one in first["tasks"]}
    async with visiting(relay) as ann:  # of another tenant: their ids are none of its cursors
        page = await ann.read("/studio/runs", cursor=first["next_before"])
        assert "lists" not in page


async def test_a_key_sees_and_begins_what_its_scope_says(relay: Relay) -> None:
    """Whoever may only read is offered no form; a `call` key sees no money of another key's."""
    token = await token_of(relay)
    created = await relay.client.post(
        "/api/kling/omni-image", headers=bearer(token), json=ROOM_ON_CLOUD_NINE | {"n": 9}
    )
    run = created.json()["task_id"]
    money = "0.252"
    async with (
        visiting(relay, scope=Scope.READ) as reader,
        visiting(relay, scope=Scope.CALL) as caller,
    ):
        assert "/portal/studio/make" not in await reader.read("/studio")
        assert (await reader.get(TALK)).status_code == 404
        assert (await reader.post(f"{TALK}/start", json="{}", sure="1")).status_code == 404
        assert (await reader.post(f"/studio/runs/{run}/cancel")).status_code == 403
        seen = await reader.read(f"/studio/runs/{run}")
        assert (money in seen, "Cancel it…" in seen) == (True, False)
        for page in (f"/studio/runs/{run}", "/studio/runs", f"/studio/runs/{run}/cancel"):
            assert money not in await caller.read(page), page


async def test_without_a_studio_the_page_says_what_to_ask_for(database_url: str) -> None:
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with visiting(relay) as ann:
            assert "ask whoever gave you your keys" in await ann.read("/studio")
            assert "/portal/studio" not in await ann.read("/try")
            for path in (TALK, "/studio/runs", "/studio/voices", "/studio/runs/x"):
                assert (await ann.get(path)).status_code == 404
