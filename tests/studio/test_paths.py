"""Friendly paths over the same books: what a create becomes, and what is told of it."""

from relay.desk.prices import set_price
from relay.pricing.book import Per, PriceKind, PriceRow
from tests.relay_app import ACTOR, Relay
from tests.studio.asking import PICTURE, SOUND, VIDEO, ended, make


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


async def test_a_capability_has_a_price_of_its_own_beside_its_endpoints(studio: Relay) -> None:
    """A swapped face costs 2, an omni picture what it did; a lip sync 1 for both of its calls."""
    token = await studio.add_tenant("priced")
    async with studio.sessions.begin() as session:
        rows = [
            PriceRow(name, kind=PriceKind.FIXED, per=Per.TASK, amount_micros=micros)
            for name, micros in (("face_swap", 2_000_000), ("lip_sync", 1_000_000))
        ]
        for row in rows:
            await set_price(session, ACTOR, row, tenant="priced")
    studio.read_anew()
    bodies = {
        "face-swap": {"image": PICTURE, "face_image": PICTURE},
        "omni-image": {"prompt": "a fox"},
        "lip-sync": {"video_url": VIDEO, "audio_url": SOUND},
    }

    charged = {}
    for path, body in bodies.items():
        answer = await make(studio, token, path, body)
        assert answer.status_code == 200, answer.text
        charged[path] = (await ended(studio, token, answer.json()["task_id"]))["charged"]

    assert charged == {"face-swap": "2", "omni-image": "0.028", "lip-sync": "1"}
    assert (await studio.account("priced"))[0] == 10_000_000 - 3_028_000
