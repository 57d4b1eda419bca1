"""`/api/v1`: Kling's creates under other names, through the same door as on Kling's own paths."""

from typing import Any

from relay.studio.v1.creates import CREATES
from tests.relay_app import Relay, bearer
from tests.studio.asking import PICTURE, SOUND, VIDEO
from tests.studio.v1 import asked, books, finished, made, post

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
TALK = "SUQzBAAAAAAAI1RTU0UAAAAPAAADTGF2ZjU4"
RETIRED = "model_name: kling-v1-6 is retired since 2026-09-15"
CLIP = {"prompt": "a red fox", "duration": 5}
MASKS = [{"mask": PICTURE, "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}]
FACE: dict[str, Any] = {
    "face_id": "0",
    "sound_file": SOUND,
    "sound_start_time": 0,
    "sound_end_time": 2000,
    "sound_insert_time": 0,
}


async def test_every_create_is_klings_own_and_charged_once(studio: Relay) -> None:
    """All nine, each polled to its end; models that nobody named are those that Kling has today."""
    token = await studio.add_tenant("v1")
    before = len(asked(studio))
    old = {"model_name": "kling-v1-6", "prompt": "a fox", "duration": "5", "mode": "std"}
    source = (await studio.submit(token, old)).json()["data"]["task_id"]
    clip = await finished(studio, token, "create_text2video", source)
    faces = await made(studio, token, "lipsync/identify_face", {"video_url": VIDEO})
    assert faces["task_id"] is None
    found = faces["raw_data"]["data"]
    face = FACE | {
        "face_id": found["face_data"][0]["face_id"],
        "sound_file": f"data:audio/mpeg;base64,{TALK}",
    }
    bodies: dict[str, Any] = {
        "videos/create_text2video": CLIP,
        "videos/create_image2video": {"image": f"data:image/png;base64,{PIXEL}", "prompt": None},
        "videos/create_multi_image": {
            "image_list": [{"image": PICTURE}, {"image": f"data:image/PNG;base64,{PIXEL}"}],
            "prompt": "two foxes",
            "negative_prompt": "dogs",
        },
        "videos/create_motion_ctrl": {
            "image_url": PICTURE,
            "video_url": VIDEO,
            "character_orientation": "image",
            "mode": "std",
        },
        "videos/extend_video": {"video_id": clip["task_result"]["videos"][0]["id"]},
        "lipsync/create_sync_task": {"session_id": found["session_id"], "face_choose": [face]},
        "images/generate_image": {"prompt": "a fox", "n": "1", "of_tomorrow": 829836802793406551},
        "images/generate_omni": {"prompt": "<<<image_1>>>", "image_list": [{"image": PICTURE}]},
    }
    assert {create.path for create in CREATES} == {*bodies, "lipsync/identify_face"}

    told = {path: await made(studio, token, path, body) for path, body in bodies.items()}

    for create in CREATES:
        if create.path in told:
            task_id = told[create.path]["task_id"]
            for kind in (create.name, create.endpoint, create.endpoint.replace("-", "_")):
                await finished(studio, token, kind, task_id)
    notes = {path: one["notes"] for path, one in told.items() if one["notes"]}
    why = "negative_prompt has no effect: Kling has nothing of the kind"
    assert notes == {"videos/create_multi_image": [why]}
    held, charged = await books(studio, "v1")
    names = [create.sent_to or create.endpoint for create in CREATES if create.path in bodies]
    assert [endpoint for endpoint, _ in charged] == ["text2video", "identify-face", *names]
    assert held == 0
    assert all(micros for _, micros in charged), charged
    assert (await studio.audit()).ok
    seen = dict(asked(studio)[before + 1 :])
    models = {name: body.get("model_name") for name, body in seen.items()}
    assert models == {
        "text2video": "kling-v2-6",
        "image2video": "kling-v2-6",
        "omni-video": "kling-v3-omni",
        "motion-control": "kling-v2-6",
        "video-extend": None,
        "identify-face": None,
        "advanced-lip-sync": None,
        "generations": "kling-v3",
        "omni-image": "kling-image-o1",
    }
    assert seen["image2video"]["image"] == PIXEL
    assert [one["image_url"] for one in seen["omni-video"]["image_list"]] == [PICTURE, PIXEL]
    assert seen["omni-video"]["prompt"] == "two foxes <<<image_1>>> <<<image_2>>>"
    assert seen["omni-video"]["mode"] == "std"
    assert seen["advanced-lip-sync"]["face_choose"][0]["sound_file"] == TALK
    assert seen["generations"]["of_tomorrow"] == 829836802793406551


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "two videos": (
        "lipsync/identify_face",
        {"video_id": "1", "video_url": VIDEO},
        "video_id: cannot be used with video_url",
    ),
    "no video": ("lipsync/identify_face", {}, "video_id: is required, or video_url"),
    "a way of the camera without its type": (
        "videos/create_text2video",
        CLIP | {"camera_control": {"type": "down_back", "config": {"zoom": 1}}},
        "camera_control.config: can be used with type simple only",
    ),
    "two axes": (
        "videos/create_text2video",
        CLIP | {"camera_control": {"type": "simple", "config": {"zoom": 1, "pan": 2}}},
        "camera_control.config: must have exactly one value that is not 0",
    ),
    "an axis beyond": (
        "videos/create_text2video",
        CLIP | {"camera_control": {"type": "simple", "config": {"zoom": 11}}},
        "camera_control.config.zoom: must be a number from -10 to 10",
    ),
    "a tail and masks": (
        "videos/create_image2video",
        {"image": PICTURE, "image_tail": PICTURE, "dynamic_masks": MASKS},
        "image_tail: cannot be used with dynamic_masks",
    ),
    "a scale beyond": (
        "videos/create_text2video",
        CLIP | {"cfg_scale": 1.5},
        "cfg_scale: must be a number from 0 to 1",
    ),
    "another mode": (
        "videos/create_motion_ctrl",
        {
            "image_url": PICTURE,
            "video_url": VIDEO,
            "character_orientation": "image",
            "mode": "best",
        },
        "mode: must be one of std, pro",
    ),
    "a length that no model has": (
        "videos/create_text2video",
        CLIP | {"duration": 99},
        "duration: must be one of 5, 10",
    ),
    "no source": ("videos/extend_video", {"prompt": "on"}, "video_id: is required"),
    "two sounds": (
        "lipsync/create_sync_task",
        {"session_id": "1", "face_choose": [FACE | {"audio_id": "1"}]},
        "face_choose[0].audio_id: cannot be used with sound_file",
    ),
    "ten pictures": (
        "images/generate_image",
        {"prompt": "a fox", "n": 10},
        "n: must be a whole number from 1 to 9",
    ),
    "no words": ("images/generate_omni", {"image_list": []}, "prompt: is required"),
    "five pictures": (
        "videos/create_multi_image",
        {"prompt": "a fox", "image_list": [{"image": PICTURE}] * 5},
        "image_list: must have at most 4 items",
    ),
    "a kind that it is not": (
        "images/generate_omni",
        {"prompt": ["a fox"]},
        "prompt: must be a text",
    ),
    "a model that has ended": (
        "videos/create_text2video",
        CLIP | {"model_name": "kling-v1-6"},
        f"{RETIRED}; in its place there is kling-v2-6",
    ),
    "a model whose path has ended with it": (
        "videos/create_multi_image",
        {"prompt": "a fox", "image_list": [{"image": PICTURE}], "model_name": "kling-v1-6"},
        f"{RETIRED}; in its place there is kling-v3-omni of omni-video",
    ),
    "a model of other paths": (
        "videos/create_text2video",
        CLIP | {"model_name": "kling-video-o1"},
        "model_name: must be one of kling-v2-6, kling-v2-5-turbo, kling-v3",
    ),
}


async def test_what_kling_forbids_is_refused_at_once(studio: Relay) -> None:
    """400/1201 in this layer's words, the field named; nothing is held, and Kling is not asked."""
    token = await studio.add_tenant("forbidden")
    before = len(asked(studio))

    for name, (path, body, says) in REFUSED.items():
        answer = await post(studio, token, path, body)

        assert answer.status_code == 400, name
        assert answer.json() == {
            "task_id": None,
            "message": says,
            "code": 1201,
            "request_id": answer.headers["x-request-id"],
            "raw_data": None,
        }, name
    assert await books(studio, "forbidden") == (0, [])
    assert len(asked(studio)) == before


async def test_a_create_of_one_key_is_one(studio: Relay) -> None:
    """Sent twice, it is the same task, also on Kling's own path, and charged once."""
    token = await studio.add_tenant("keys")
    key = {"Idempotency-Key": "order 7"}

    first, second = [
        await post(studio, token, "videos/create_text2video", CLIP, **key) for _ in range(2)
    ]

    task_id = first.json()["task_id"]
    assert second.json()["task_id"] == task_id
    await finished(studio, token, "text2video", task_id)
    native = await studio.get(token, task_id)
    assert native.json()["data"]["task_status"] == "succeed"
    assert await books(studio, "keys") == (0, [("text2video", 210_000)])


async def test_what_kling_refuses_is_told_with_its_reply(studio: Relay) -> None:
    """With Kling's status and code; the hold is given back."""
    token = await studio.add_tenant("policy")

    answer = await post(studio, token, "videos/create_text2video", {"prompt": "a fox [error 1301]"})

    told = answer.json()
    assert (answer.status_code, told["code"], told["task_id"]) == (400, 1301, None)
    assert told["message"] == told["raw_data"]["message"]
    assert (await books(studio, "policy"))[0] == 0


async def test_others_tasks_and_paths_are_not_found(studio: Relay) -> None:
    """In this layer's words, for whoever asks."""
    token, other = await studio.add_tenant("mine"), await studio.add_tenant("theirs")
    task_id = (await made(studio, token, "videos/create_text2video", CLIP))["task_id"]

    async def told(path: str, **headers: str) -> tuple[int, int, str]:
        answer = await studio.client.get(f"/api/v1/{path}", headers=headers)
        said = answer.json()
        assert said["task_id"] is None
        return answer.status_code, said["code"], said["message"]

    mine, theirs = bearer(token), bearer(other)
    not_found = (400, 1201, "Task not found")
    assert (await told(f"tasks/text2video/{task_id}", **theirs))[:2] == not_found[:2]
    assert (await told(f"tasks/image2video/{task_id}", **mine))[:2] == not_found[:2]
    status, code, message = await told(f"tasks/lipstick/{task_id}", **mine)
    assert (status, code) == (400, 1201)
    assert message.startswith("type: must be one of text2video, image2video")
    assert (await told(f"tasks/text2video/{task_id}"))[:2] == (401, 1001)
    assert (await told("videos/create_text2video", **mine))[:2] == (404, 1202)
    await finished(studio, token, "text2video", task_id)


async def test_the_document_names_every_path(studio: Relay) -> None:
    token = await studio.add_tenant("reads")

    answer = await studio.client.get("/api/kling/openapi.json", headers=bearer(token))

    document = answer.json()
    paths = {path for path in document["paths"] if path.startswith("/api/v1/")}
    assert paths == {
        *(f"/api/v1/{create.path}" for create in CREATES),
        "/api/v1/tasks/{task_type}/{task_id}",
    }
    bodies = document["components"]["schemas"]
    names = {name for schema in bodies.values() for name in schema.get("properties", ())}
    assert {"camera_control", "face_choose", "element_list", "raw_data"} <= names
