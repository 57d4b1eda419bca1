"""What is tried in the portal: the form, the price before it, and one task for it."""

import re
from html import unescape
from typing import Any

import msgspec
import pytest

from relay.kling.catalogue import Catalogue
from relay.kling.inputs import FORMS, put
from relay.tenants.scope import Scope
from tests.portal.visiting import OURS, Visit, visiting
from tests.relay_app import CLIP_MICROS, Relay, fixture_relay

CLIP = {"model_name": "kling-v3", "prompt": "a red fox", "mode": "std", "duration": "5"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(2000)


def hidden(page: str) -> dict[str, str]:
    """Read what the form of a page that confirms would send."""
    found = re.findall(r'<input type="hidden" name="(path|json|sure|key)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in found}


async def tasks_of(relay: Relay) -> list[Any]:
    return await relay.rows("SELECT id, hold_micros, token_id, model FROM tasks ORDER BY id")


async def test_a_clip_is_made_once_at_the_price_that_was_seen(database_url: str) -> None:
    """Nothing is sent by the first page; a second click on the second page makes no second task."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        async with visiting(relay) as ann:
            assert "Text to video" in await ann.read("/try")
            form = await ann.read("/try/text2video")
            assert '<option value="kling-v3"' in form
            page = await ann.post("/try/text2video", **CLIP)
            assert (page.status_code, "Create it for 0.42 USD" in page.text) == (200, True)
            assert await tasks_of(relay) == []
            given = hidden(page.text)
            assert msgspec.json.decode(given["json"]) == CLIP

            first = await ann.post("/try/text2video/send", **given)
            second = await ann.post("/try/text2video/send", **given)
            assert (first.status_code, second.status_code) == (303, 303)
            assert first.headers["location"] == second.headers["location"]
            assert first.headers["location"].startswith("/portal/tasks/")
            (task,) = await tasks_of(relay)
            assert (task["hold_micros"], task["token_id"]) == (CLIP_MICROS, ann.token_id)


async def test_a_price_that_changed_meanwhile_is_shown_anew(database_url: str) -> None:
    """Nothing is sent at another price than the one that was seen, nor for another endpoint."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        async with visiting(relay) as ann:
            given = hidden((await ann.post("/try/text2video", **CLIP)).text)
            for wrong in ({"sure": "0.1"}, {"sure": ""}, {"path": "/v1/videos/image2video"}):
                answer = await ann.post("/try/text2video/send", **given | wrong)
                assert answer.status_code == 422, wrong
            longer = msgspec.json.encode(CLIP | {"duration": "10"}).decode()
            answer = await ann.post("/try/text2video/send", **given | {"json": longer})
            assert (answer.status_code, "has changed" in answer.text) == (422, True)
            assert await tasks_of(relay) == []


async def test_what_is_wrong_stands_beside_its_field(database_url: str) -> None:
    """And what the relay refuses is told in its words; nothing is held."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant(quota_micros=100_000)
        async with visiting(relay) as ann:
            for fields, error in (
                ({"mode": "std"}, "prompt-error"),
                ({"prompt": "a", "mode": "dear"}, "mode-error"),
                ({"json": "{"}, "json-error"),
                ({"json": "[]"}, "json-error"),
            ):
                answer = await ann.post("/try/text2video", **fields)
                assert (answer.status_code, f'id="{error}"' in answer.text) == (422, True), fields
            page = await ann.post("/try/text2video", json='{"model_name": "no-such"}')
            assert page.status_code == 422
            given = hidden((await ann.post("/try/text2video", **CLIP)).text)
            answer = await ann.post("/try/text2video/send", **given)
            assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
            assert await tasks_of(relay) == []
            assert (await ann.get("/try/no-such")).status_code == 404
            assert (await ann.get("/try/presets-voices")).status_code == 404


async def test_a_file_goes_as_base64_and_is_kept_nowhere(database_url: str) -> None:
    """It passes to Kling in the create's body; code that is shown has it cut short."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        async with visiting(relay) as ann:
            page = await _upload(ann, PNG)
            given = hidden(page.text)
            body = msgspec.json.decode(given["json"])
            assert len(body["image"]) == 2680
            assert page.text.count(body["image"]) == 1, "in the form that sends it, and not as code"
            assert (await ann.post("/try/image2video/send", **given)).status_code == 303
            assert len(await tasks_of(relay)) == 1
            whole = str(await relay.rows("SELECT * FROM tasks"))
            assert body["image"][:60] not in whole
            large = await _upload(ann, bytes(10 * 1024 * 1024 + 1))
            assert (large.status_code, 'id="image-error"' in large.text) == (422, True)


async def _upload(ann: Visit, content: bytes) -> Any:
    return await ann.client.post(
        "/portal/try/image2video",
        data={"csrf": ann.csrf, "model_name": "kling-v3", "duration": "5", "prompt": "it moves"},
        files={"image__file": ("fox.png", content, "image/png")},
        headers=OURS,
    )


async def test_who_may_create_nothing_is_offered_nothing(database_url: str) -> None:
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        async with visiting(relay, scope=Scope.READ) as ann:
            assert "/portal/try" not in await ann.read("")
            assert (await ann.get("/try")).status_code == 404
            assert (await ann.post("/try/text2video", **CLIP)).status_code == 404
            answer = await ann.post("/try/text2video/send", path="/v1/videos/text2video", json="{}")
            assert answer.status_code == 404


def test_forms_are_of_endpoints_and_make_bodies() -> None:
    """Each row is of an endpoint that creates; fields that price a task are among them."""
    endpoints = {one.name: one for one in Catalogue.with_added(()).endpoints}
    assert FORMS.keys() <= {name for name, one in endpoints.items() if one.method == "POST"}
    for name, inputs in FORMS.items():
        paths = [one.path for one in inputs]
        assert len(set(paths)) == len(paths), name
        assert ("{model}" in endpoints[name].path) == ("model" in paths), name


@pytest.mark.parametrize(
    ("path", "values", "body"),
    [
        ("prompt", ["a"], {"prompt": "a"}),
        ("input.image", ["a"], {"input": {"image": "a"}}),
        ("image_list[].image", ["a", "b"], {"image_list": [{"image": "a"}, {"image": "b"}]}),
        ("contents[prompt].text", ["a"], {"contents": [{"type": "prompt", "text": "a"}]}),
    ],
)
def test_a_field_is_put_where_its_path_says(path: str, values: list[object], body: object) -> None:
    made: dict[str, object] = {}
    put(made, path, values)
    assert made == body
