"""What is told of tasks of the studio's, to whom, and what can be done with them."""

import uuid
from typing import Any

import pytest

from relay.desk.tokens import issue_token
from relay.tenants.scope import Scope
from relay.worker.forget_old import Ages, forget_old
from tests.relay_app import ACTOR, Relay, bearer
from tests.studio.asking import PICTURE, SOUND, VIDEO, ended, make, seen
from tests.studio.v1 import asked

CLIP = {"prompt": "a red fox in the snow"}


async def ask(relay: Relay, token: Any, method: str, path: str, **more: Any) -> Any:
    return await relay.client.request(method, f"/api/kling/{path}", headers=bearer(token), **more)


async def test_another_tenants_task_does_not_exist(studio: Relay) -> None:
    """Nor can it be cancelled or done once more, nor is it listed."""
    owner, other = await studio.add_tenant("owner"), await studio.add_tenant("other")
    task_id = (await make(studio, owner, "text-to-video", CLIP)).json()["task_id"]

    for method, path in (
        ("GET", f"ai-task/{task_id}"),
        ("POST", f"ai-task/{task_id}/cancel"),
        ("POST", f"ai-task/{task_id}/retry"),
        ("GET", f"ai-task/{uuid.uuid4()}"),
        ("GET", "ai-task/not-an-id"),
    ):
        answer = await ask(studio, other, method, path)
        assert answer.status_code == 400, (path, answer.text)
        assert answer.json()["error_message"] == "Task not found"
    assert (await ask(studio, other, "GET", "ai-tasks")).json()["tasks"] == []
    assert (await ended(studio, owner, task_id))["status"] == "completed"


async def test_a_key_that_only_reads_creates_and_cancels_nothing(studio: Relay) -> None:
    token = await studio.add_tenant("reader")
    task_id = (await make(studio, token, "text-to-video", CLIP)).json()["task_id"]
    await ended(studio, token, task_id)
    async with studio.sessions.begin() as session:
        key = await issue_token(session, ACTOR, "reader", studio.keys, scope=Scope.READ)
    reads = await ask(studio, key, "GET", f"ai-task/{task_id}")

    refused = [
        await make(studio, key, "text-to-video", CLIP),
        await ask(studio, key, "POST", f"ai-task/{task_id}/cancel"),
        await ask(studio, key, "PUT", "retention", json={"days": 1}),
    ]

    assert reads.status_code == 200
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert await studio.rows("SELECT 1 FROM runs WHERE token_id = $1", key.id) == []


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("text-to-video", {}, "prompt must be given"),
        ("text-to-video", {"prompt": 5}, "prompt must be a text"),
        ("text-to-video", {"prompt": "x", "model": "a", "model_name": "b"}, "model "),
        ("image-to-video", {"prompt": "x"}, "image must be given"),
        ("image-to-video", {"image": "no base64!"}, "image must be a URL"),
        (
            "lip-sync",
            {"video_url": VIDEO, "video_id": "v", "audio_url": SOUND},
            "video_url is one of",
        ),
        ("lip-sync", {"audio_url": SOUND}, "video_url is one of"),
        ("avatar", {"image": PICTURE, "text": "hello"}, "voice_id must be given"),
        ("multi-image-to-video", {"prompt": "x", "images": []}, "images must be 1 to 7"),
        ("replace-background", {"image": PICTURE}, "prompt must be given"),
    ],
)
async def test_a_body_that_cannot_be_meant_names_its_field_and_writes_nothing(
    studio: Relay, path: str, body: Any, told: str
) -> None:
    token = await studio.add_tenant(f"wrong-{uuid.uuid4().hex[:8]}")

    answer = await make(studio, token, path, body)

    assert answer.status_code == 400, answer.text
    refusal = answer.json()
    assert (refusal["success"], refusal["error_code"]) == (False, 1201)
    assert refusal["error_message"].replace(":", "").startswith(told), refusal
    assert await studio.rows("SELECT 1 FROM runs WHERE token_id = $1", token.id) == []


async def test_what_kling_has_cannot_be_cancelled_and_that_is_said(studio: Relay) -> None:
    """It is finished and charged; of what had ended nothing is changed."""
    token = await studio.add_tenant("cancels")
    task_id = (await make(studio, token, "text-to-video", CLIP)).json()["task_id"]

    told = (await ask(studio, token, "POST", f"ai-task/{task_id}/cancel")).json()
    last = await ended(studio, token, task_id)
    again = (await ask(studio, token, "POST", f"ai-task/{task_id}/cancel")).json()
    chinese = await studio.client.post(
        f"/api/kling/ai-task/{task_id}/cancel",
        headers=bearer(token) | {"Accept-Language": "zh-CN"},
    )

    assert told["success"] is False
    assert "Kling is making it" in told["message"] or "had ended" in told["message"]
    assert (last["status"], last["charged"]) == ("completed", "0.21")
    assert again["success"] is False
    assert "had ended" in again["message"]
    assert chinese.json()["message"].startswith("任务已经结束")


async def test_a_list_is_by_state_and_kind_a_page_at_a_time(studio: Relay) -> None:
    """Newest first; a kind as in its path or as tasks have it; what is no state is told."""
    token = await studio.add_tenant("lists")
    made = []
    for path, body in (
        ("text-to-video", CLIP),
        ("face-swap", {"image": PICTURE, "face_image": PICTURE}),
        ("text-to-video", CLIP),
    ):
        task_id = (await make(studio, token, path, body)).json()["task_id"]
        await ended(studio, token, task_id)
        made.append(task_id)
    clips = [made[2], made[0]]

    for query, expected in {
        "": made[::-1],
        "status=completed": made[::-1],
        "status=failed": [],
        "task_type=text_to_video": clips,
        "task_type=text-to-video": clips,
        "task_type=face-swap&status=completed": [made[1]],
        "page=2&page_size=2": [made[0]],
        f"before={made[1]}": [made[0]],
    }.items():
        listed = (await ask(studio, token, "GET", f"ai-tasks?{query}")).json()
        assert [one["task_id"] for one in listed["tasks"]] == expected, query
    for query, told in {
        "status=over": "status: must be one of pending, processing, completed, failed, cancelled",
        "page=0": "page: must be at least 1",
        "page=two": "page: must be a whole number",
        "page_size=101": "page_size: must be at most 100",
        "before=none": "before: must be the id of a task",
        "batch=none": "batch: must be a UUID",
    }.items():
        answer = await ask(studio, token, "GET", f"ai-tasks?{query}")
        assert (answer.status_code, answer.json()["error_message"]) == (400, told)


async def test_a_chain_that_is_cancelled_begins_no_new_step(studio: Relay) -> None:
    """Its first step is finished and charged, its second one never begins."""
    token = await studio.add_tenant("stops")
    body = {"image": PICTURE, "text": "hello", "voice_id": "genshin_vindi2"}
    await studio.rows(
        "UPDATE accounts SET quota_micros = 50000000 WHERE id ="
        " (SELECT account_id FROM tenants WHERE name = 'stops')"
    )
    task_id = (await make(studio, token, "avatar", body)).json()["task_id"]
    # Its first step was sent by the request; the second is not sent before it is due.
    told = (await ask(studio, token, "POST", f"ai-task/{task_id}/cancel")).json()
    last = await ended(studio, token, task_id)

    if told["success"]:
        assert last["status"] == "cancelled"
        assert [step["state"] for step in last["steps"]] == ["done", "skipped"]
        assert last["charged"] == "0.007"
    await studio.rows(
        "UPDATE accounts SET quota_micros = quota_micros - 40000000 WHERE id ="
        " (SELECT account_id FROM tenants WHERE name = 'stops')"
    )


async def test_inputs_are_forgotten_when_their_tenant_says(studio: Relay) -> None:
    """At once with 0 days, never later than the operator's days, and the task stays."""
    token = await studio.add_tenant("forgets")
    task_id = (await make(studio, token, "text-to-video", CLIP)).json()["task_id"]
    before = await ended(studio, token, task_id)
    sealed = await studio.rows("SELECT input_sealed FROM runs WHERE token_id = $1", token.id)

    refused = await ask(studio, token, "PUT", "retention", json={"days": 31})
    answer = await ask(studio, token, "PUT", "retention", json={"days": 0})
    await forget_old(studio.sessions, Ages(30, 30, 30, 30, 30, inputs_days=30))
    after = await seen(studio, token, task_id)

    assert before["input_params"]["prompt"] == CLIP["prompt"]
    assert CLIP["prompt"] not in str(sealed)
    assert refused.status_code == 400
    assert answer.json() == {"days": 0}
    assert after["input_params"] is None
    assert (after["status"], after["charged"]) == ("completed", "0.21")
    bodies = await studio.rows(
        "SELECT s.body_sealed FROM run_steps s JOIN runs r ON r.id = s.run_id"
        " WHERE r.token_id = $1",
        token.id,
    )
    assert [row["body_sealed"] for row in bodies] == [None]


async def test_what_is_asked_for_without_effect_is_told(studio: Relay) -> None:
    """A clip is extended at its end, whichever side was named; Kling is sent nothing of that."""
    token = await studio.add_tenant("extends")
    old = CLIP | {"model_name": "kling-v1-6", "mode": "std", "duration": "5"}
    source = (await studio.submit(token, old)).json()["data"]["task_id"]
    data: Any = {}
    while data.get("task_status") != "succeed":
        data = (await studio.get(token, source)).json()["data"]
    clip = data["task_result"]["videos"][0]["id"]
    before = len(asked(studio))

    body = {"video_id": clip, "extend_direction": "backward"}
    answer = await make(studio, token, "video-extend", body)

    assert answer.json()["notes"] == [
        "extend_direction has no effect: Kling has nothing of the kind"
    ]
    sent = [body for _, body in asked(studio)[before:] if body.get("video_id") == clip]
    assert len(sent) == 1
    assert "extend_direction" not in sent[0]
    seen = await ended(studio, token, answer.json()["task_id"])
    assert (seen["status"], seen["input_params"]["extend_direction"]) == ("completed", "backward")


async def test_a_mask_is_a_second_picture_in_the_operators_words(studio: Relay) -> None:
    """An omni model takes no mask: it is shown the picture, and behind it the mask."""
    token = await studio.add_tenant("masks")
    mask = "https://files.example.com/mask.png"
    before = len(asked(studio))

    for body in ({}, {"mask_image": mask}):
        answer = await make(
            studio, token, "inpaint", {"image": PICTURE, "prompt": "a red hat"} | body
        )
        assert answer.status_code == 200, answer.text

    plain, masked = [sent for _, sent in asked(studio)[before:] if "hat" in sent["prompt"]]
    assert plain["image_list"] == [{"image": PICTURE}]
    assert masked["image_list"] == [{"image": PICTURE}, {"image": mask}]
    assert plain["prompt"].startswith("Change <<<image_1>>> as follows")
    assert masked["prompt"].startswith("<<<image_2>>> is a mask of <<<image_1>>>")
