"""Owners: ids are learned wherever Kling tells them, and a request goes where they live."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.owners.two_accounts import TTS, URL, Shop, kling_error
from tests.relay_app import bearer

FACE = {
    "face_id": "0",
    "sound_start_time": 0,
    "sound_end_time": 2000,
    "sound_insert_time": 0,
}


def clip(**more: Any) -> dict[str, Any]:
    return {"model_name": "kling-v3", "prompt": "a fox", "image": URL, **more}


async def owner_of(shop: Shop, kind: str, name: str) -> Any:
    (row,) = await shop.relay.rows(
        "SELECT t.name AS tenant, o.channel_id, o.task_id, o.expires_at, o.created_at"
        " FROM owners o JOIN tenants t ON t.id = o.tenant_id"
        " WHERE kind = $1 AND resource_id = $2",
        kind,
        name,
    )
    return row


@pytest.mark.parametrize("on", ["one", "two"])
async def test_a_video_is_extended_on_the_account_that_made_it(shop: Shop, on: str) -> None:
    """Learned from the tenant's own query, for 30 days; the first channel is asked for nothing."""
    token = await shop.tenant()
    video = await shop.video(token, on=on)
    shop.kling.asked.clear()

    extended = await shop.post(token, "/v1/videos/video-extend", {"video_id": video})

    assert extended.status_code == 200, extended.text
    assert [asked.account for asked in shop.kling.posts] == [on]
    owner = await owner_of(shop, "video", video)
    assert (owner["tenant"], owner["channel_id"]) == (token.tenant, shop.channels[on])
    assert owner["task_id"] is not None
    assert owner["expires_at"] - owner["created_at"] == timedelta(days=30)
    await shop.ended(token, "/v1/videos/video-extend", extended.json()["data"]["task_id"])


@pytest.mark.parametrize("on", ["one", "two"])
@pytest.mark.parametrize("spelling", [int, str])
async def test_an_element_beyond_2_to_the_53_is_named_by_every_digit(
    shop: Shop, on: str, spelling: type
) -> None:
    """As a number and as a string, on images and on videos of both generations."""
    token = await shop.tenant()
    element = await shop.element(token, on=on)
    assert element > 2**53
    named = spelling(element)
    shop.kling.asked.clear()

    answers = [
        await shop.post(
            token, "/v1/videos/image2video", clip(element_list=[{"element_id": named}])
        ),
        await shop.post(
            token,
            "/v1/images/omni-image",
            {"prompt": "a fox", "element_list": [{"element_id": named}]},
        ),
        await shop.post(
            token,
            "/omni-video/kling-3.0-omni",
            {
                "contents": [
                    {"type": "prompt", "text": "a"},
                    {"type": "element", "element_id": named},
                ]
            },
        ),
    ]

    assert [answer.status_code for answer in answers] == [200] * 3, answers[0].text
    assert [asked.account for asked in shop.kling.posts] == [on] * 3
    assert all(str(element).encode() in asked.body for asked in shop.kling.posts)
    neighbour = await shop.post(
        token, "/v1/videos/image2video", clip(element_list=[{"element_id": element + 1}])
    )
    assert kling_error(neighbour) == (400, 1201)


@pytest.mark.parametrize("on", ["one", "two"])
async def test_a_voice_speaks_on_its_account(shop: Shop, on: str) -> None:
    """A custom voice in `voice_list`, and as an element's voice."""
    token = await shop.tenant()
    voice = await shop.voice(token, on=on)
    shop.kling.asked.clear()

    sung = await shop.post(
        token,
        "/v1/videos/text2video",
        {
            "model_name": "kling-v3",
            "prompt": "a",
            "sound": "on",
            "voice_list": [{"voice_id": voice}],
        },
    )

    assert sung.status_code == 200, sung.text
    assert [asked.account for asked in shop.kling.posts] == [on]


@pytest.mark.parametrize("on", ["one", "two"])
async def test_what_a_paid_call_made_is_known_at_once(shop: Shop, on: str) -> None:
    """The audio of tts drives an avatar, the session of identify-face a lip-sync."""
    token = await shop.tenant()
    spoken = await shop.post(token, "/v1/audio/tts", TTS, on=on)
    audio = spoken.json()["data"]["task_result"]["audios"][0]["id"]
    faced = await shop.post(
        token, "/v1/videos/identify-face", {"video_url": "https://example.com/a.mp4"}, on=on
    )
    session = faced.json()["data"]["session_id"]
    shop.kling.asked.clear()

    avatar = await shop.post(
        token, "/v1/videos/avatar/image2video", {"image": URL, "audio_id": audio}
    )
    synced = await shop.post(
        token,
        "/v1/videos/advanced-lip-sync",
        {"session_id": session, "face_choose": [{**FACE, "audio_id": audio}]},
    )

    assert (avatar.status_code, synced.status_code) == (200, 200), synced.text
    assert [asked.account for asked in shop.kling.posts] == [on] * 2
    owner = await owner_of(shop, "session", session)
    assert owner["expires_at"] - owner["created_at"] == timedelta(hours=24)


@pytest.mark.parametrize("on", ["one", "two"])
async def test_a_selection_stays_on_its_account(shop: Shop, on: str) -> None:
    """init-selection is free and makes a session; every step and the edit go where it is."""
    token = await shop.tenant()
    video = await shop.video(token, on=on)
    steps = "/v1/videos/multi-elements"
    begun = await shop.post(token, f"{steps}/init-selection", {"video_id": video})
    session = begun.json()["data"]["session_id"]
    mark = {"session_id": session, "frame_index": 0, "points": [{"x": 0.5, "y": 0.5}]}
    before = await shop.written()
    shop.kling.asked.clear()

    answers = [
        await shop.post(token, f"{steps}/add-selection", mark),
        await shop.post(token, f"{steps}/preview-selection", {"session_id": session}),
        await shop.post(token, f"{steps}/delete-selection", mark),
        await shop.post(token, f"{steps}/clear-selection", {"session_id": session}),
    ]
    free = await shop.written()
    edited = await shop.post(
        token, steps, {"session_id": session, "edit_mode": "removal", "prompt": "no fox"}
    )

    assert [answer.status_code for answer in answers] == [200] * 4, answers[0].text
    assert free == before
    assert edited.status_code == 200, edited.text
    assert [asked.account for asked in shop.kling.posts] == [on] * 5


async def test_a_callback_teaches_what_a_task_made(shop: Shop) -> None:
    """Before any query: the video of a callback can be extended, on the account that told it."""
    token = await shop.tenant()
    created = await shop.post(
        token, "/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "a"}, on="two"
    )
    task_id = created.json()["data"]["task_id"]
    told = await shop.relay.call_back(
        task_id,
        {
            "task_id": task_id,
            "task_status": "succeed",
            "task_status_msg": "",
            "final_unit_deduction": "3",
            "task_result": {"videos": [{"id": "v-of-a-callback", "url": URL, "duration": "5.1"}]},
        },
    )
    shop.kling.asked.clear()

    named = await shop.post(token, "/v1/videos/video-extend", {"video_id": "v-of-a-callback"})

    assert told.status_code == 200
    assert (await owner_of(shop, "video", "v-of-a-callback"))["tenant"] == token.tenant
    assert [asked.account for asked in shop.kling.posts] == ["two"]
    assert kling_error(named) == (400, 1201)  # Kling's own word: its sandbox never made it


async def test_a_success_of_the_new_generation_is_learned(shop: Shop) -> None:
    """`outputs` of `GET /tasks`: the video goes into a legacy endpoint, on its account."""
    token = await shop.tenant()
    created = await shop.post(token, "/text-to-video/kling-3.0", {"prompt": "a fox"}, on="two")
    task_id = created.json()["data"]["id"]
    outputs: list[dict[str, Any]] = []
    while not outputs:
        asked = await shop.relay.client.get(f"/tasks?task_ids={task_id}", headers=bearer(token))
        outputs = asked.json()["data"][0].get("outputs") or []
    shop.kling.asked.clear()

    named = await shop.post(
        token, "/v1/videos/multi-elements/init-selection", {"video_id": outputs[0]["id"]}
    )

    assert named.status_code == 200, named.text
    assert [asked.account for asked in shop.kling.posts] == ["two"]


async def test_the_first_tenant_that_a_thing_is_learned_for_keeps_it(shop: Shop) -> None:
    """A second message with the same id, for another tenant's task, moves nothing."""
    first, second = await shop.tenant(), await shop.tenant()
    video = await shop.video(first)
    created = await shop.post(
        second, "/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "a"}, on="one"
    )
    task_id = created.json()["data"]["task_id"]
    await shop.relay.call_back(
        task_id,
        {
            "task_id": task_id,
            "task_status": "succeed",
            "final_unit_deduction": "3",
            "task_result": {"videos": [{"id": video, "url": URL, "duration": "5.1"}]},
        },
    )

    stolen = await shop.post(second, "/v1/videos/video-extend", {"video_id": video})

    assert (await owner_of(shop, "video", video))["tenant"] == first.tenant
    assert kling_error(stolen) == (400, 1201)


async def test_what_a_reply_says_of_its_owner_is_the_tenant(shop: Shop) -> None:
    """`owned_by` names no account of the reseller's, on queries and lists."""
    token = await shop.tenant()
    await shop.element(token)
    await shop.voice(token)
    number = str(
        (await shop.relay.row("SELECT id FROM tenants WHERE name = $1", token.tenant))["id"]
    )

    for name, things in (("advanced-custom-elements", "elements"), ("custom-voices", "voices")):
        listed = await shop.relay.client.get(f"/v1/general/{name}", headers=bearer(token))
        (task,) = listed.json()["data"]

        assert [one["owned_by"] for one in task["task_result"][things]] == [number]
        assert json.loads(listed.content)["code"] == 0
