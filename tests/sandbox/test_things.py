"""Ids live on the account that made them (sections 5.3, 12)."""

from typing import Any

import pytest

from relay.sandbox.errors import Refusal
from relay.sandbox.presets import PRESET_VOICES
from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings
from relay.sandbox.things import Thing, ThingKind, Things, values_at
from tests.sandbox.bodies import BODIES, URL
from tests.sandbox.client import TEXT2VIDEO, Caller
from tests.sandbox.conftest import Opened

OTHER = Account("other-ak", "other-secret-key-that-is-long-enough", "other-api-key")
TWO = SandboxSettings(accounts=(DEFAULT_ACCOUNT, OTHER), task_seconds=0.05)
ELEMENTS = "/v1/general/advanced-custom-elements"
VOICES = "/v1/general/custom-voices"
IMAGE2VIDEO = "/v1/videos/image2video"
DAY_MS = 24 * 60 * 60 * 1000


async def _names(kling: Caller) -> list[tuple[str, dict[str, Any]]]:
    """Make one thing of each kind and list bodies that name them."""
    video = (await kling.finished(prompt="a cat"))["task_result"]["videos"][0]["id"]
    new = (await kling.new_finished("/text-to-video/kling-2.6", prompt="a cat"))["outputs"][0]["id"]
    speech = await kling.accepted("/v1/audio/tts", text="hello", voice_id="x")
    element = await kling.finished(ELEMENTS, **BODIES[ELEMENTS])
    voice = await kling.finished(VOICES, **BODIES[VOICES])
    faces = await kling.accepted("/v1/videos/identify-face", video_id=video)
    element_id = element["task_result"]["elements"][0]["element_id"]
    voice_id = voice["task_result"]["voices"][0]["voice_id"]
    v3 = {"prompt": "a cat", "model_name": "kling-v3", "sound": "on"}
    frame = {"type": "first_frame", "url": URL}
    audio_id = speech["task_result"]["audios"][0]["id"]
    return [
        ("/v1/videos/video-extend", {"video_id": video}),
        ("/v1/audio/video-to-audio", {"video_id": new}),
        ("/v1/videos/avatar/image2video", {"image": URL, "audio_id": audio_id}),
        (IMAGE2VIDEO, {"image": URL, "element_list": [{"element_id": element_id}]}),
        (TEXT2VIDEO, {**v3, "voice_list": [{"voice_id": voice_id}]}),
        (
            "/v1/videos/advanced-lip-sync",
            {**BODIES["/v1/videos/advanced-lip-sync"], "session_id": faces["session_id"]},
        ),
        (
            "/image-to-video/kling-3.0",
            {"contents": [frame, {"type": "element", "element_id": str(element_id)}]},
        ),
        ("/v1/general/delete-voices", {"voice_id": voice_id}),
        ("/v1/general/delete-elements", {"element_id": str(element_id)}),
    ]


async def test_what_an_account_made_is_unknown_to_another(opened: Opened) -> None:
    """Nine bodies with ids of account A: 400/1201 for B, accepted from A."""
    async with opened(TWO) as kling:
        other = Caller(kling.http, OTHER)
        named = await _names(kling)

        refused = [await other.create(path, **body) for path, body in named]
        accepted = [await kling.create(path, **body) for path, body in named]

    assert {(one.status_code, one.json()["code"]) for one in refused} == {(400, 1201)}
    assert all(one.json()["message"].endswith(" not found") for one in refused)
    assert [one.status_code for one in accepted] == [200] * len(named), [
        one.text for one in accepted
    ]


async def test_foreign_ids_can_be_let_in(slow_kling: Caller) -> None:
    """`[any ids]` anywhere in a text; without it 400/1201, whose message names field and id."""
    refused = await slow_kling.create("/v1/videos/video-extend", video_id="17", prompt="a cat")
    allowed = await slow_kling.create("/v1/videos/video-extend", video_id="17", prompt="[any ids]")

    assert refused.json()["message"] == "video_id 17 not found"
    assert allowed.status_code == 200


async def test_an_element_says_itself_again_with_an_int64(kling: Caller) -> None:
    """5.3: element_id beyond 2^53 as an int, base64 images as URLs, deleted when it is."""
    body = {
        **BODIES[ELEMENTS],
        "element_image_list": {
            "frontal_image": "iVBORw0KGgo=",
            "refer_images": [{"image_url": URL}],
        },
        "tag_list": [{"tag_id": "o_103"}],
    }
    task = await kling.finished(ELEMENTS, **body)
    (element,) = task["task_result"]["elements"]

    deleted = await kling.accepted(
        "/v1/general/delete-advanced-elements", element_id=str(element["element_id"])
    )
    again = await kling.create("/v1/general/delete-elements", element_id=element["element_id"])
    (listed,) = (await kling.get(ELEMENTS)).json()["data"]

    assert 2**53 < element["element_id"] < 2**63
    assert isinstance(element["element_id"], int)
    assert element["element_image_list"]["frontal_image"].startswith("http://kling.test/")
    assert element["element_image_list"]["refer_images"] == [{"image_url": URL}]
    assert element["tag_list"] == [{"tag_id": "o_103"}]
    assert (element["status"], element["owned_by"].isdecimal()) == ("succeed", True)
    assert task["final_unit_deduction"] == "0"
    assert set(deleted) == {"task_id", "task_status"}
    assert (again.json()["code"], again.json()["message"]) == (1201, "Element already be deleted")
    assert listed["task_result"]["elements"][0]["status"] == "deleted"


async def test_a_voice_costs_units_and_is_gone_after_its_delete(kling: Caller) -> None:
    """5.3 and section 10: four fields, 0.05 units."""
    task = await kling.finished(VOICES, **BODIES[VOICES])
    (voice,) = task["task_result"]["voices"]

    await kling.accepted("/v1/general/delete-voices", voice_id=voice["voice_id"])

    found = (await kling.get(f"{VOICES}/{task['task_id']}")).json()["data"]
    assert set(voice) == {"voice_id", "voice_name", "trial_url", "owned_by"}
    assert task["final_unit_deduction"] == "0.05"
    assert found["task_result"]["voices"] == []


async def test_presets_are_known_to_all_and_deleted_by_none(slow_kling: Caller) -> None:
    """Every preset can be named; each page has its own; a delete finds none."""
    new = (await slow_kling.get("/v1/general/advanced-presets-elements")).json()["data"]
    old = (await slow_kling.get("/v1/general/presets-elements")).json()["data"]
    voices = (await slow_kling.get("/v1/general/presets-voices?pageSize=1&pageNum=2")).json()[
        "data"
    ]
    ids = [new[0]["task_result"]["elements"][0]["element_id"], old[0]["element_id"]]

    accepted = [
        await slow_kling.create(IMAGE2VIDEO, image=URL, element_list=[{"element_id": name}])
        for name in ids
    ]
    refused = await slow_kling.create("/v1/general/delete-elements", element_id=ids[0])

    assert [one.status_code for one in accepted] == [200, 200]
    assert refused.json()["code"] == 1201
    assert voices[0]["task_result"]["voices"] == PRESET_VOICES[1:]
    assert voices[0]["task_result"]["voices"][0]["owned_by"] == "kling"


async def test_old_elements_are_made_and_listed_at_once(slow_kling: Caller) -> None:
    """3.1: a synchronous create, its own list, and the shared delete."""
    path = "/v1/general/custom-elements"
    first = await slow_kling.accepted(path, element_name="fox")
    second = await slow_kling.accepted(path, element_name="cup", element_description="a cup")

    await slow_kling.accepted("/v1/general/delete-elements", element_id=first["element_id"])

    listed = (await slow_kling.get(path)).json()["data"]
    assert listed == [second, {**first, "status": "deleted"}]
    assert (await slow_kling.get(ELEMENTS)).json()["data"] == []


async def test_the_parent_video_is_the_one_that_was_named(kling: Caller) -> None:
    """5.2: task_info.parent_video carries its id; V1.5 pro is extended for 3.5 units."""
    source = await kling.finished(
        IMAGE2VIDEO, image=URL, model_name="kling-v1-5", mode="pro", duration="10"
    )
    video_id = source["task_result"]["videos"][0]["id"]

    data = await kling.finished("/v1/videos/video-extend", video_id=video_id)

    assert data["task_info"]["parent_video"]["id"] == video_id
    assert data["task_info"]["parent_video"]["duration"] == "10.1"
    assert data["final_unit_deduction"] == "3.5"


def test_sessions_end_after_a_day_and_media_after_thirty() -> None:
    """Section 12: at the last millisecond known, at the next not; elements stay."""
    things = Things()
    ends: dict[ThingKind, int] = {"session": DAY_MS, "video": 30 * DAY_MS}
    for kind in (*ends, "element"):
        things.add("ak", Thing(kind, "1", made_ms=0))

    known = [things.find("ak", kind, "1", now_ms=end - 1) for kind, end in ends.items()]
    gone = [things.find("ak", kind, "1", now_ms=end) for kind, end in ends.items()]

    assert all(known)
    assert not any(gone)
    assert things.find("ak", "element", "1", now_ms=10**15) is not None


def test_ids_are_read_where_the_row_says() -> None:
    """Nested, in lists, absent, null and empty; what is neither text nor number is refused."""
    body: dict[str, object] = {
        "a": [{"b": 1}, {"b": None}, {}, 7, {"b": "x"}],
        "c": {"d": "y", "e": ""},
        "f": {},
    }

    assert list(values_at(body, "a[].b")) == [1, "x"]
    assert list(values_at(body, "c.d")) == ["y"]
    assert list(values_at(body, "c.e")) == list(values_at(body, "z.z[].z")) == []
    with pytest.raises(Refusal, match="f must be an id"):
        Things().need("ak", (("video", "f"),), body, now_ms=0)
