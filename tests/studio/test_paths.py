"""Friendly paths over the same books: what a create becomes, and what is told of it."""

from tests.relay_app import Relay
from tests.studio.asking import ended, make


async def test_a_clip_is_made_and_charged_once(studio: Relay) -> None:
    token = await studio.add_tenant("clips")

    answer = await make(studio, token, "text-to-video", {"prompt": "a red fox", "duration": 5})

    assert answer.status_code == 200, answer.text
    created = answer.json()
    assert created["success"] is True
    assert created["status"] == "pending"
    seen = await ended(studio, token, created["task_id"])
    assert seen["status"] == "completed", seen
    assert seen["progress"] == 100
    assert seen["output_url"].startswith("http")
    rows = await studio.rows(
        "SELECT charged_micros FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
        " WHERE n.name = 'clips'"
    )
    assert [row["charged_micros"] for row in rows] == [210_000]
    assert seen["charged"] == "0.21"


async def test_a_lip_sync_is_two_calls_of_klings(studio: Relay) -> None:
    token = await studio.add_tenant("lips")
    body = {
        "video_url": "https://files.example.com/talk.mp4",
        "audio_url": "https://files.example.com/talk.mp3",
    }

    answer = await make(studio, token, "lip-sync", body)

    assert answer.status_code == 200, answer.text
    seen = await ended(studio, token, answer.json()["task_id"])
    assert seen["status"] == "completed", seen
    assert [step["name"] for step in seen["steps"]] == ["face", "video"]
