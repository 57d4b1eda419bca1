"""API 2.0 (docs/kling-api.md 3.2, 4.17, 5.5, 6)."""

import time
from typing import Any

import pytest

from relay.sandbox.new_models import MODELS
from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings
from tests.sandbox.bodies import BODIES, URL
from tests.sandbox.client import TEXT2VIDEO, Caller
from tests.sandbox.conftest import Opened
from tests.sandbox.receiver import Receiver

Body = dict[str, Any]

TEXT = "/text-to-video/kling-3.0"
IMAGE = "/image-to-video/kling-2.6"
OMNI = "/omni-video/kling-3.0-omni"
FIRST: Body = {"type": "first_frame", "url": URL}
LAST: Body = {"type": "last_frame", "url": URL}
WORDS: Body = {"type": "prompt", "text": "a cat"}
VOICE: Body = {"type": "voice", "voice_id": "829824295735410756", "id": "v"}


async def test_a_create_is_answered_in_its_own_shape(slow_kling: Caller) -> None:
    """5.5: data of five fields; times are unix ms; external_id is "" if none was given."""
    response = await slow_kling.create(
        TEXT, prompt="a cat", options={"external_task_id": "mine", "callback_url": ""}
    )
    nameless = await slow_kling.accepted(TEXT, prompt="a cat")

    reply = response.json()
    data = reply["data"]
    assert list(reply) == ["code", "message", "request_id", "data"]
    assert set(data) == {"id", "status", "create_time", "update_time", "external_id"}
    assert (data["status"], data["external_id"]) == ("submitted", "mine")
    assert abs(data["create_time"] - time.time() * 1000) < 5000
    assert nameless["external_id"] == ""


async def test_a_success_has_outputs_and_billing(kling: Caller) -> None:
    """5.5: succeeded; one video with string duration; one unit entry; strings stay strings."""
    data = await kling.new_finished(
        TEXT,
        prompt="a cat",
        settings={"duration": 7, "audio": "native", "resolution": "1080p"},
        options={"watermark_info": {"enabled": True}},
    )

    (video,) = data.pop("outputs")
    times = (data.pop("create_time"), data.pop("update_time"))
    assert set(video) == {"type", "id", "url", "watermark_url", "duration"}
    assert (video["type"], video["duration"]) == ("video", "7.1")
    assert times[0] < times[1]
    assert data == {
        "id": data["id"],
        "status": "succeeded",
        "message": "",
        "external_id": "",
        "billing": [{"charge_type": "unit", "amount": "8.4", "package_type": "video"}],
    }


async def test_billing_can_be_money_both_or_missing(kling: Caller) -> None:
    """5.5: entries of cash have currency and list price; `[fail]` has a message and no billing."""
    cash, mixed, none, failed = [
        (await kling.new_finished(TEXT, prompt=word))
        for word in ("[cash 0.42]", "[mixed 0.42]", "[no deduction]", "[fail]")
    ]

    money = {
        "charge_type": "cash",
        "cash_type": "balance",
        "amount": "0.42",
        "currency": "USD",
        "list_price": "0.42",
    }
    assert cash["billing"] == [money]
    assert mixed["billing"] == [
        {"charge_type": "unit", "amount": "3", "package_type": "video"},
        money,
    ]
    assert none["billing"] == failed["billing"] == failed["outputs"] == []
    assert failed["status"] == "failed"
    assert failed["message"]


async def test_each_change_is_called_back_in_the_flat_shape(kling: Caller) -> None:
    """Section 6: id, status, outputs, billing at the top; no code, no data."""
    async with Receiver() as receiver:
        task = await kling.accepted(TEXT, prompt="a cat", options={"callback_url": receiver.url})
        posts = await receiver.wait(3)

    by_status = {post.json["status"]: post.json for post in posts}
    assert set(by_status) == {"submitted", "processing", "succeeded"}
    assert {body["id"] for body in by_status.values()} == {task["id"]}
    assert set(by_status["succeeded"]) == {
        "id",
        "status",
        "message",
        "create_time",
        "update_time",
        "external_id",
        "outputs",
        "billing",
    }
    assert by_status["submitted"]["outputs"] == by_status["submitted"]["billing"] == []
    assert by_status["succeeded"]["billing"][0]["amount"] == "3"


@pytest.mark.parametrize(
    ("operation", "model"), [(one, model) for one, models in MODELS.items() for model in models]
)
async def test_every_model_of_the_table_is_accepted(
    slow_kling: Caller, operation: str, model: str
) -> None:
    """3.2: each with the smallest body of its operation."""
    path = f"/{operation}/{{model}}"

    response = await slow_kling.create(f"/{operation}/{model}", **BODIES[path])

    assert response.status_code == 200, response.text


async def test_an_unknown_model_is_1203(slow_kling: Caller) -> None:
    """Section 8: 404/1203, also for a model of another operation, a legacy name, and no model."""
    paths = ["/text-to-video/kling-o1", "/omni-video/kling-v3-omni", "/motion-control/x"]

    replies = [await slow_kling.create(path, prompt="a cat") for path in paths]
    bare = await slow_kling.create("/text-to-video", prompt="a cat")

    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(404, 1203)}
    assert (bare.status_code, bare.json()["code"]) == (404, 1202)


REFUSED: list[tuple[str, Body, str]] = [
    (TEXT, {}, "prompt"),
    (TEXT, {"prompt": "x" * 3073}, "prompt"),
    (TEXT, {"prompt": "a", "settings": {"duration": 16}}, "settings.duration"),
    (TEXT, {"prompt": "a", "settings": {"audio": "original"}}, "settings.audio"),
    (TEXT, {"prompt": "a", "settings": {"aspect_ratio": "4:3"}}, "settings.aspect_ratio"),
    (TEXT, {"prompt": "a", "settings": {"multi_shot": "maybe"}}, "settings.multi_shot"),
    (TEXT, {"prompt": "a", "options": {"callback_url": "ftp://x"}}, "options.callback_url"),
    ("/text-to-video/kling-2.6", {"prompt": "a", "settings": {"duration": 7}}, "settings.duration"),
    (
        "/text-to-video/kling-2.6",
        {"prompt": "a", "settings": {"audio": "native"}},
        "settings.resolution",
    ),
    (
        "/text-to-video/kling-3.0-turbo",
        {"prompt": "a", "settings": {"resolution": "4k"}},
        "settings.resolution",
    ),
    (IMAGE, {"contents": [WORDS]}, "contents"),
    (IMAGE, {"contents": [FIRST, LAST]}, "settings.resolution"),
    (IMAGE, {"contents": [{"type": "element", "element_id": "1"}]}, "contents[0].type"),
    (IMAGE, {"contents": [FIRST, {"type": "voice"}]}, "contents[1].voice_id"),
    (IMAGE, {"contents": [{"type": "first_frame"}]}, "contents[0].url"),
    (IMAGE, {"contents": [FIRST, FIRST]}, "contents"),
    (OMNI, {"contents": [WORDS, LAST]}, "contents"),
    (
        OMNI,
        {"contents": [WORDS, {"type": "base_video", "url": URL}], "settings": {"audio": "native"}},
        "settings.audio",
    ),
    (
        "/motion-control/kling-3.0",
        {"contents": BODIES["/motion-control/{model}"]["contents"]},
        "settings.character_orientation",
    ),
    ("/motion-control/kling-2.6", {"contents": [{"type": "image", "url": URL}]}, "contents"),
]


@pytest.mark.parametrize(("path", "body", "field"), REFUSED)
async def test_what_4_17_forbids_is_1201_and_names_the_field(
    slow_kling: Caller, path: str, body: Body, field: str
) -> None:
    """400/1201, nothing accepted."""
    response = await slow_kling.create(path, **body)

    reply = response.json()
    assert (response.status_code, reply["code"]) == (400, 1201), reply
    assert reply["message"].startswith(f"{field} ")
    assert await slow_kling.log("accepted") == []


@pytest.mark.parametrize(
    ("path", "body", "units"),
    [
        ("/text-to-video/kling-3.0-turbo", {"prompt": "a"}, "4"),
        (TEXT, {"prompt": "a", "settings": {"resolution": "4k", "duration": 3}}, "9"),
        (IMAGE, {"contents": [FIRST]}, "1.5"),
        (
            IMAGE,
            {
                "contents": [{"type": "prompt", "text": "@v says hi"}, FIRST, VOICE],
                "settings": {"audio": "native", "resolution": "1080p"},
            },
            "6",
        ),
        (OMNI, {"contents": [WORDS, {"type": "feature_video", "url": URL}]}, "4.5"),
        (
            "/motion-control/kling-2.6",
            {**BODIES["/motion-control/{model}"], "sandbox_fault": "[seconds 7.5]"},
            "4",
        ),
    ],
)
async def test_what_it_costs_is_what_section_10_says(
    slow_kling: Caller, path: str, body: Body, units: str
) -> None:
    """By resolution, seconds, audio, voice, video input; motion control by rounded seconds."""
    await slow_kling.accepted(path, **body)

    (entry,) = await slow_kling.log("accepted")
    assert entry["units"] == units


async def test_an_external_id_is_taken_over_both_generations(slow_kling: Caller) -> None:
    """Section 7: legacy first, then 2.0: 400/1201."""
    await slow_kling.accepted(TEXT2VIDEO, prompt="a cat", external_task_id="mine")

    again = await slow_kling.create(TEXT, prompt="a", options={"external_task_id": "mine"})

    assert "already exists" in again.json()["message"]


async def test_only_2_0_finds_tasks_of_another_generation(opened: Opened) -> None:
    """`GET /tasks` has no solution and none of another account, but legacy ones (section 17)."""
    other = Account("other-ak", "other-secret-key-that-is-long-enough", "other-api-key")
    async with opened(SandboxSettings(accounts=(DEFAULT_ACCOUNT, other))) as kling:
        legacy = await kling.accepted(TEXT2VIDEO, prompt="a cat")
        solution = await kling.accepted("/solutions/talking_agent")
        foreign = await Caller(kling.http, other).accepted(TEXT, prompt="a cat")
        new = await kling.accepted(TEXT, prompt="a cat")
        ids = [legacy["task_id"], solution["id"], foreign["id"]]

        found = await kling.get(f"/tasks?task_ids={','.join(ids)}")
        both = await kling.get(f"/tasks?task_ids={ids[0]},{new['id']}")
        as_legacy = await kling.get(f"{TEXT2VIDEO}/{new['id']}")

    assert [task["id"] for task in found.json()["data"]] == ids[:1]
    assert [task["id"] for task in both.json()["data"]] == [ids[0], new["id"]]
    assert as_legacy.json()["message"] == "Task not found by id/external id"
