"""A task that runs is shown with all fields that Kling's query has, however it was learned."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.edit import set_price
from relay.sandbox.settings import SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.relay_app import CLIP, SANDBOX_URL, Relay, bearer, fixture_relay

SLOW = SandboxSettings(task_seconds=600, public_url=SANDBOX_URL)
HOOK = "https://tenant.example/hook"
LEGACY = {
    *("task_id", "task_status", "task_status_msg", "task_info", "watermark_info"),
    *("created_at", "updated_at"),
}
NEW = {
    *("id", "status", "message", "create_time", "update_time", "external_id"),
    *("outputs", "billing"),
}
TRY_ON = NEW - {"id"} | {"task_id"}
PATHS: dict[str, tuple[str, str, set[str]]] = {
    # what makes it, how it is asked for, and what a query of Kling's has (docs/kling-api.md 5)
    "text2video": ("/v1/videos/text2video", "/v1/videos/text2video/{}", LEGACY),
    "an image": ("/v1/images/generations", "/v1/images/generations/{}", LEGACY),
    "2.0": ("/text-to-video/kling-3.0", "/tasks?task_ids={}", NEW),
    "a solution": ("/solutions/virtual_try_on", "/solutions?task_ids={}", TRY_ON),
}
EMPTY = {
    "task_status_msg": "",
    "watermark_info": {"enabled": False},
    "message": "",
    "outputs": [],
    "billing": [],
}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    """Everything has a price; Kling is asked for nothing again."""
    async with fixture_relay(
        database_url, sandbox=SLOW, with_callbacks=True, refresh_s=600.0
    ) as running:
        await running.add_channel()
        async with running.sessions.begin() as session:
            await set_price(
                session,
                PriceRow(endpoint="*", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=1),
            )
        yield running


async def create(relay: Relay, token: IssuedToken, path: str, external_id: str = "") -> str:
    """Make a task of any generation; its id at Kling."""
    own = {"external_task_id": external_id, "callback_url": HOOK}
    body = {**CLIP, **own} if path.startswith("/v1") else {"prompt": "a fox", "options": own}
    answer = await relay.client.post(path, json=body, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return str(data.get("id") or data["task_id"])


async def ask(relay: Relay, token: IssuedToken, path: str) -> dict[str, Any]:
    answer = await relay.client.get(path, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    found: dict[str, Any] = data[0] if isinstance(data, list) else data
    return found


def check(data: dict[str, Any], fields: set[str], external_id: str) -> None:
    """All of a query's fields, and where nothing is known Kling's empty values."""
    assert set(data) == fields
    assert {name: data[name] for name in EMPTY if name in fields} == {
        name: empty for name, empty in EMPTY.items() if name in fields
    }
    if "external_id" in fields:
        assert data["external_id"] == external_id
    else:
        assert data["task_info"] == ({"external_task_id": external_id} if external_id else {})


async def test_what_a_create_told_is_shown_as_a_querys(relay: Relay) -> None:
    """Each generation's fields, with and without an external id; asked for, listed, told on."""
    token = await relay.add_tenant()
    for name, (path, query, fields) in PATHS.items():
        for external_id in ("", f"mine {name}"):
            key = await create(relay, token, path, external_id)

            check(await ask(relay, token, query.format(key)), fields, external_id)
            told = await relay.row(
                "SELECT d.body FROM deliveries d JOIN tasks t ON t.id = d.task_id"
                " WHERE t.kling_id = $1",
                key,
            )
            check(json.loads(told["body"]), fields - {"watermark_info"}, external_id)

    listed = (await relay.client.get("/v1/videos/text2video", headers=bearer(token))).json()
    assert [set(data) for data in listed["data"]] == [LEGACY, LEGACY]
    page = await relay.client.post("/tasks", json={}, headers=bearer(token))
    assert [set(data) for data in page.json()["data"]["result"]] == [NEW, NEW]


TOLD: dict[str, dict[str, Any]] = {
    "text2video": {"task_status": "processing"},
    "an image": {"task_status": "failed", "task_info": {}, "created_at": 1},
    "2.0": {"status": "processing"},
    "a solution": {"status": "failed", "message": "no"},
}


async def test_what_a_callback_told_is_shown_as_a_querys(relay: Relay) -> None:
    """A callback of the fewest words adds to none of the fields, and takes none away."""
    token = await relay.add_tenant()
    for name, (path, query, fields) in PATHS.items():
        key = await create(relay, token, path)
        own = "task_id" if "task_id" in fields else "id"

        await relay.call_back(key, {own: key, **TOLD[name]})

        data = await ask(relay, token, query.format(key))
        assert set(data) >= {one for one in fields if not one.endswith(("_at", "_time"))}, name


async def test_a_task_without_a_word_of_klings_is_shown_in_its_generations(relay: Relay) -> None:
    """What only its row tells; a settle by hand, and a create whose reply was lost."""
    token = await relay.add_tenant()
    for path, query, fields in PATHS.values():
        key = await create(relay, token, path, "mine")
        await relay.rows(
            "UPDATE tasks SET reply = NULL, is_reply_full = true WHERE kling_id = $1", key
        )

        data = await ask(relay, token, query.format(key))

        expected = NEW if fields is TRY_ON else fields
        check(data, expected, "mine")
        await relay.rows("UPDATE tasks SET tenant_external_id = NULL")
