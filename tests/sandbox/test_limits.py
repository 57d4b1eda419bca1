import asyncio

from relay.sandbox.settings import DEFAULT_ACCOUNT, SandboxSettings
from tests.sandbox.client import TEXT2VIDEO, Caller
from tests.sandbox.conftest import Opened

IMAGE2VIDEO = "/v1/videos/image2video"
IMAGES = "/v1/images/generations"
WORDS = "Task not found by id/external id"
"""One source's (section 17)."""
FACE = {"sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0}
LIPS: dict[str, object] = {
    "session_id": "1",
    "face_choose": [{"face_id": "0", "sound_file": "https://example.com/a.mp3", **FACE}],
    "sandbox_fault": "[any ids]",
}


async def test_an_external_id_is_taken_once_over_all_types(slow_kling: Caller) -> None:
    """Section 7: the second use is 400/1201, on another endpoint too, and creates nothing."""
    first = await slow_kling.accepted(prompt="a cat", external_task_id="mine")

    same = await slow_kling.create(prompt="a cat", external_task_id="mine")
    other = await slow_kling.create(
        IMAGE2VIDEO, image="https://example.com/a.png", external_task_id="mine"
    )

    for refused in (same, other):
        assert refused.status_code == 400
        assert refused.json()["code"] == 1201
        assert "already exists" in refused.json()["message"]
    assert [entry["task_id"] for entry in await slow_kling.log("accepted")] == [first["task_id"]]


async def test_an_external_id_is_taken_for_ever(kling: Caller) -> None:
    """The end of its task does not free it."""
    task = await kling.accepted(prompt="a cat", external_task_id="mine")
    await kling.ended(task["task_id"])

    again = await kling.create(prompt="a cat", external_task_id="mine")

    assert "already exists" in again.json()["message"]


async def test_a_refused_create_does_not_take_its_external_id(slow_kling: Caller) -> None:
    """A wrong duration is refused; the corrected body with the same id is accepted."""
    refused = await slow_kling.create(prompt="a cat", duration="7", external_task_id="mine")
    corrected = await slow_kling.create(prompt="a cat", duration="10", external_task_id="mine")

    assert (refused.status_code, corrected.status_code) == (400, 200)


async def test_a_task_is_found_by_external_id_where_its_type_allows(slow_kling: Caller) -> None:
    """Section 3.1: by both ids on text2video, by Kling's alone on advanced-lip-sync."""
    path = "/v1/videos/advanced-lip-sync"
    video = await slow_kling.accepted(prompt="a cat", external_task_id="a")
    lips = await slow_kling.accepted(path, **LIPS, external_task_id="b")

    by_name = await slow_kling.get(f"{TEXT2VIDEO}/a")
    lips_by_id = await slow_kling.get(f"{path}/{lips['task_id']}")
    lips_by_name = await slow_kling.get(f"{path}/b")

    assert by_name.json()["data"]["task_id"] == video["task_id"]
    assert lips_by_id.status_code == 200
    assert lips_by_name.json()["message"] == WORDS


async def test_the_type_in_the_path_must_match(slow_kling: Caller) -> None:
    """Section 3.1: a text2video task is not found under image2video, by neither id."""
    task = await slow_kling.accepted(prompt="a cat", external_task_id="mine")

    by_id = await slow_kling.get(f"{IMAGE2VIDEO}/{task['task_id']}")
    by_name = await slow_kling.get(f"{IMAGE2VIDEO}/mine")

    assert by_id.json()["message"] == by_name.json()["message"] == WORDS


async def test_a_slot_is_held_until_the_end_also_of_a_failed_task(opened: Opened) -> None:
    """Section 9: with 2 slots the third is 429/1303; after both ended (one failed) 2 more fit."""
    async with opened(SandboxSettings(concurrency=2, task_seconds=0.1)) as kling:
        good = await kling.accepted(prompt="a cat")
        bad = await kling.accepted(prompt="[fail]")
        refused = await kling.create(prompt="a cat", external_task_id="third")
        await asyncio.gather(kling.ended(good["task_id"]), kling.ended(bad["task_id"]))
        later = [await kling.create(prompt="a cat", external_task_id="third")]
        later += [await kling.create(prompt="a cat") for _ in range(2)]

    assert refused.status_code == 429
    assert refused.json()["code"] == 1303
    assert refused.json()["message"] == "parallel task over resource pack limit"
    assert [response.status_code for response in later] == [200, 200, 429]


async def test_queries_are_free_when_no_slot_is(opened: Opened) -> None:
    """Section 9: only creates count."""
    async with opened(SandboxSettings(concurrency=1, task_seconds=60)) as kling:
        task = await kling.accepted(prompt="a cat")

        answers = [await kling.get(f"{TEXT2VIDEO}/{task['task_id']}") for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}


async def test_an_image_task_holds_a_slot_for_each_image(opened: Opened) -> None:
    """Section 9: n slots of the image pack, none of the video pack."""
    async with opened(SandboxSettings(concurrency=4, task_seconds=60)) as kling:
        three = await kling.create(IMAGES, prompt="a cat", n=3)
        two = await kling.create(IMAGES, prompt="a cat", n=2)
        one = await kling.create(IMAGES, prompt="a cat")
        videos = [await kling.create(prompt="a cat") for _ in range(4)]

    assert [answer.status_code for answer in (three, two, one)] == [200, 429, 200]
    assert {answer.status_code for answer in videos} == {200}


async def test_a_pack_that_is_used_up_pays_for_nothing_more(opened: Opened) -> None:
    """Section 8: 429/1102, until more is bought; images are paid by another pack."""
    async with opened(SandboxSettings(video_units=2, task_seconds=0)) as kling:
        task = await kling.accepted(prompt="a cat [units 2]")
        await kling.ended(task["task_id"])
        refused = await kling.create(prompt="a cat")
        image = await kling.create(IMAGES, prompt="a cat")
        more = f"access_key={DEFAULT_ACCOUNT.access_key}&units=10"
        bought = await kling.http.post(f"/sandbox/units?{more}")
        later = await kling.create(prompt="a cat")
        costs = await kling.get("/account/costs?start_time=0&end_time=9999999999999")

    assert (refused.status_code, refused.json()["code"]) == (429, 1102)
    assert bought.status_code == 204
    assert (image.status_code, later.status_code) == (200, 200)
    packs = costs.json()["data"]["resource_pack_subscribe_infos"]
    video = next(pack for pack in packs if "video" in pack["resource_pack_name"])
    assert (video["total_quantity"], video["remaining_quantity"]) == (12.0, 10.0)
