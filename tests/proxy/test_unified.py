"""New-api's own paths: its customers' bodies become Kling's creates, charged as those are."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from relay.desk.actor import Actor, ActorKind
from relay.desk.gates import GateChanges, set_gates
from relay.desk.move_in import move_models
from relay.desk.moving.steps import task_steps
from relay.desk.tokens import issue_token
from relay.new_api.rows import read_task
from relay.new_api.unified import read_create
from relay.tenants.scope import Scope
from tests.new_api.installations import NEWEST, TASK, rows_of
from tests.relay_app import ACTOR, CLIP_MICROS, Relay, fixture_relay
from tests.waiting import wait_until

GENERATIONS, VIDEOS = "/v1/video/generations", "/v1/videos"
CLIP = {"model": "kling-v3", "prompt": "a paper boat", "duration": 5}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url, new_api_paths=True, refresh_s=0.0) as running:
        await running.add_channel()
        yield running


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_that_only_looks_makes_nothing(relay: Relay) -> None:
    """On either path; what it may not do on Kling's it may not here."""
    await relay.add_tenant()
    async with relay.sessions.begin() as session:
        read = await issue_token(session, ACTOR, "acme", relay.keys, scope=Scope.READ)

    for path in (GENERATIONS, VIDEOS):
        refused = await relay.client.post(path, headers=bearer(read.api_key), json=CLIP)
        assert refused.status_code == 403
    assert await relay.rows("SELECT FROM tasks") == []


async def test_a_create_is_klings_and_is_charged_once(relay: Relay) -> None:
    """From the unified body to its end, on each path that it can be asked for."""
    token = await relay.add_tenant()
    head = bearer(token.api_key)

    made = await relay.client.post(GENERATIONS, headers=head, json=CLIP | {"size": "720x1280"})

    assert made.status_code == 200, made.text
    created = made.json()
    assert created["id"] == created["task_id"]
    assert created["id"].startswith("task_")
    assert (created["object"], created["status"], created["model"]) == (
        *("video", "queued", "kling-v3"),
    )
    klings = created["id"].removeprefix("task_")
    assert (await relay.client.get(f"/v1/videos/text2video/{klings}", headers=head)).json()[
        "code"
    ] == 0
    patient = bearer((await relay.add_tenant("gamma")).api_key)
    slow = await relay.client.post(
        GENERATIONS, headers=patient, json=CLIP | {"prompt": "[slow 3600]"}
    )
    running = await relay.client.get(f"{VIDEOS}/{slow.json()['id']}/content", headers=patient)
    assert running.status_code == 400
    assert running.json()["error"]["message"].startswith("Task is not completed yet")

    async def ended() -> Any:
        asked = await relay.client.get(f"{GENERATIONS}/{created['id']}", headers=head)
        return asked.json() if asked.json()["data"]["status"] == "SUCCESS" else None

    task = await wait_until(ended)
    assert await relay.account() == (10_000_000 - CLIP_MICROS, 0)
    assert (task["code"], task["data"]["status"], task["data"]["progress"]) == (
        *("success", "SUCCESS", "100%"),
    )
    assert (
        task["data"]["result_url"]
        == task["data"]["data"]["data"]["task_result"]["videos"][0]["url"]
    )
    video = (await relay.client.get(f"{VIDEOS}/{created['id']}", headers=head)).json()
    assert (video["status"], video["metadata"]["url"]) == ("completed", task["data"]["result_url"])
    other = bearer((await relay.add_tenant("beta")).api_key)
    for path in (f"{GENERATIONS}/{created['id']}", f"{VIDEOS}/{created['id']}"):
        assert (await relay.client.get(path, headers=other)).json()["code"] == "task_not_exist"


async def test_a_name_that_a_model_had_there_is_klings_here(relay: Relay) -> None:
    """On new-api's paths alone, charged and bounded as Kling's own model; no name of Kling's is."""
    token = await relay.add_tenant()
    head = bearer(token.api_key)
    async with relay.sessions.begin() as session:
        names = {"clip": "kling-v3", "kling-v2-6": "kling-v3"}
        await move_models(session, ACTOR, "new-api", names)
        bound = await issue_token(session, ACTOR, "acme", relay.keys)
        await set_gates(session, ACTOR, GateChanges(models=["kling-v3"]), token_id=bound.id)

    made = await relay.client.post(GENERATIONS, headers=head, json=CLIP | {"model": "clip"})
    by_bound = await relay.client.post(
        VIDEOS, headers=bearer(bound.api_key), json=CLIP | {"model": "clip", "prompt": "a kite"}
    )
    own = await relay.client.post(GENERATIONS, headers=head, json=CLIP | {"model": "kling-v2-6"})
    unknown = await relay.client.post(GENERATIONS, headers=head, json=CLIP | {"model": "x\x00y"})
    on_klings = await relay.submit(token, {"model_name": "clip", "prompt": "a boat"})

    assert (made.status_code, made.json()["model"]) == (200, "clip")
    assert by_bound.status_code == 200
    assert own.status_code == 200
    assert (unknown.status_code, on_klings.status_code) == (400, 404)
    tasks = await relay.rows("SELECT model, hold_micros FROM tasks ORDER BY id")
    assert [row["model"] for row in tasks[:3]] == ["kling-v3", "kling-v3", "kling-v2-6"]
    assert tasks[0]["hold_micros"] == CLIP_MICROS


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"mode": "std", "duration": "5", "aspect_ratio": "1:1", "cfg_scale": 0.5}),
        ({"seconds": "10", "duration": None}, {"duration": "10"}),
        ({"duration": "10", "mode": "pro"}, {"duration": "10", "mode": "pro"}),
        ({"size": "1920x1080"}, {"aspect_ratio": "16:9"}),
        ({"metadata": {"negative_prompt": "rain", "duration": "10"}}, {"duration": "10"}),
        ({"images": ["https://a.test/a.png"]}, {"image": "https://a.test/a.png"}),
    ],
    ids=str,
)
def test_fields_are_mapped_as_new_api_does(given: dict[str, Any], sent: dict[str, Any]) -> None:
    """What is absent has new-api's own default."""

    endpoint, fields = read_create(msgspec.json.encode(CLIP | given), "application/json")

    klings = msgspec.json.decode(msgspec.json.encode(fields))
    assert {name: klings[name] for name in sent} == sent
    assert endpoint == ("image2video" if "image" in sent else "text2video")
    assert klings["model_name"] == CLIP["model"]


async def test_a_form_is_read_and_refusals_are_new_apis(relay: Relay) -> None:
    """Its envelope, and its statuses; nothing is held for what was refused."""
    token = await relay.add_tenant(quota_micros=1)
    head = bearer(token.api_key)

    async def posted(path: str, **content: Any) -> httpx.Response:
        return await relay.client.post(path, headers=head, **content)

    form = {name: (None, str(value)) for name, value in CLIP.items()}
    poor = await posted(VIDEOS, files=form)
    assert (poor.status_code, poor.json()["code"]) == (403, "insufficient_user_quota")
    bodies: tuple[Any, ...] = ({"prompt": "x"}, {"model": "kling-v1"}, [])
    for body in bodies:
        refused = await posted(GENERATIONS, json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    file = await posted(VIDEOS, files=form | {"input_reference": ("a.png", b"png")})
    assert "is a file" in file.json()["message"]
    unknown = await relay.client.get(f"{VIDEOS}/task_nowhere", headers=head)
    assert (unknown.status_code, unknown.json()["code"]) == (400, "task_not_exist")
    content = await relay.client.get(f"{VIDEOS}/task_nowhere/content", headers=head)
    assert (content.status_code, content.json()["error"]["type"]) == (404, "invalid_request_error")
    stranger = await relay.client.get(f"{VIDEOS}/task_1", headers=bearer("sk-nobody"))
    assert (stranger.status_code, stranger.json()["error"]["type"]) == (401, "new_api_error")
    assert (await relay.client.get("/v1/videos/1", headers=bearer("sk-nobody"))).json()[
        "code"
    ] == 1002


async def test_tasks_of_before_are_shown(relay: Relay) -> None:
    """Under the ids that they had there, on both of its paths."""
    token = await relay.add_tenant()
    head = bearer(token.api_key)
    tasks = [read_task(row) for row in rows_of(NEWEST, "")["tasks"] if row["platform"] == "50"]
    for step in task_steps(tasks, {2: 1, 3: 1}, "new-api"):
        async with relay.sessions.begin() as session:
            await step.work(session, Actor(ActorKind.SYSTEM, "ann"))

    shown = (await relay.client.get(f"{GENERATIONS}/{TASK}", headers=head)).json()["data"]
    failed = (await relay.client.get(f"{VIDEOS}/task_failed", headers=head)).json()

    assert (shown["task_id"], shown["status"], shown["result_url"]) == (
        *(TASK, "SUCCESS", "https://kling.test/v.mp4"),
    )
    assert (failed["status"], failed["error"]["message"]) == ("failed", "no")
