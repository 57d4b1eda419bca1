"""`/tasks` and `/solutions` (docs/kling-api.md 3.2, 3.3, 5.5)."""

import pytest

from tests.sandbox.client import Caller
from tests.waiting import wait_until

TEXT = "/text-to-video/kling-2.6"
TRY_ON = "/solutions/virtual_try_on"
AGENT = "/solutions/talking_agent"


async def _make(kling: Caller, count: int) -> list[str]:
    return [(await kling.accepted(TEXT, prompt="a cat"))["id"] for _ in range(count)]


async def test_exactly_one_kind_of_ids_is_needed(slow_kling: Caller) -> None:
    """3.2: none, both or empty: 400/1201 with the recorded message."""
    queries = ["", "?task_ids=1&external_task_ids=a", "?task_ids="]

    replies = [await slow_kling.get(f"/tasks{query}") for query in queries]

    for reply in replies:
        assert (reply.status_code, reply.json()["code"]) == (400, 1201)
        assert reply.json()["message"] == "task_ids or external_task_ids is required"


async def test_several_are_found_by_either_id(slow_kling: Caller) -> None:
    """In the order asked for; unknown ones are left out."""
    first, second = [
        await slow_kling.accepted(TEXT, prompt="a cat", options={"external_task_id": name})
        for name in ("a", "b")
    ]

    by_id = await slow_kling.get(f"/tasks?task_ids={second['id']},867,{first['id']}")
    by_name = await slow_kling.get("/tasks?external_task_ids=a,c,b")

    assert [task["external_id"] for task in by_id.json()["data"]] == ["b", "a"]
    assert [task["id"] for task in by_name.json()["data"]] == [first["id"], second["id"]]


async def test_an_account_without_tasks_has_no_result(slow_kling: Caller) -> None:
    """5.5, recorded live: count 0, has_more false, no result."""
    response = await slow_kling.create("/tasks")

    assert response.json()["data"] == {"count": 0, "has_more": False}


async def test_a_cursor_reads_all_once_though_new_ones_come(slow_kling: Caller) -> None:
    """Pages of 2 of 5 tasks, the newest first; one that came in between is not in them."""
    ids = await _make(slow_kling, 5)

    first = await slow_kling.accepted("/tasks", limit=2)
    await _make(slow_kling, 1)
    second = await slow_kling.accepted("/tasks", cursor=first["next_cursor"], limit=100)
    third = await slow_kling.accepted("/tasks", cursor=second["next_cursor"])

    pages = [[task["id"] for task in page["result"]] for page in (first, second, third)]
    assert pages == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    assert [page["count"] for page in (first, second, third)] == [2, 2, 1]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert "next_cursor" not in third


async def test_the_last_full_page_knows_that_it_is_the_last(slow_kling: Caller) -> None:
    """Two tasks, limit 2: nothing is left."""
    await _make(slow_kling, 2)

    page = await slow_kling.accepted("/tasks", limit=2)

    assert (page["count"], page["has_more"]) == (2, False)


async def test_filters_and_window_choose(kling: Caller) -> None:
    """Values of one filter are an or, filters an and, an empty one is none; times as strings."""
    good = await kling.new_finished(TEXT, prompt="a cat")
    bad = await kling.new_finished(TEXT, prompt="[fail]")
    succeeded = {"key": "status", "values": ["succeeded"]}
    either = {"key": "status", "values": ["succeeded", "failed"]}
    videos = {"key": "product_type", "values": ["video"]}
    images = {"key": "product_type", "values": ["image"]}
    before, after = str(good["create_time"] - 1), good["create_time"] + 60_000

    pages = [
        await kling.accepted("/tasks", **body)
        for body in (
            {"filters": [succeeded, videos]},
            {"filters": [either, {"key": "product_type", "values": []}]},
            {"filters": [either, images]},
            {"start_time": before, "end_time": str(after)},
            {"start_time": after, "end_time": after + 1},
        )
    ]

    names = [[task["id"] for task in page.get("result", [])] for page in pages]
    assert names == [[good["id"]], [bad["id"], good["id"]], [], [bad["id"], good["id"]], []]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 501}, "limit"),
        ({"limit": 0}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "e30="}, "cursor"),
        ({"start_time": 5, "end_time": 5}, "start_time"),
        ({"start_time": "soon"}, "start_time"),
        ({"filters": [{"key": "color", "values": []}]}, "filters[0].key"),
        ({"filters": [{"key": "status", "values": "failed"}]}, "filters[0].values"),
    ],
)
async def test_a_wrong_question_is_1201(
    slow_kling: Caller, body: dict[str, object], field: str
) -> None:
    """400/1201 names the field."""
    response = await slow_kling.create("/tasks", **body)

    assert (response.status_code, response.json()["code"]) == (400, 1201)
    assert response.json()["message"].startswith(f"{field} ")


async def test_tasks_of_legacy_paths_are_found_in_new_words(kling: Caller) -> None:
    """Section 17: a video, images and an audio, by either id; the solutions find none of them."""
    made = [
        await kling.finished(path, external_task_id=path[-4:], **body)
        for path, body in (
            ("/v1/videos/text2video", {"prompt": "a cat"}),
            ("/v1/images/generations", {"prompt": "a cat", "n": 2}),
            ("/v1/audio/text-to-audio", {"prompt": "a cat", "duration": 3.0}),
        )
    ]
    ids = ",".join(one["task_id"] for one in made)

    tasks = (await kling.get(f"/tasks?task_ids={ids}")).json()["data"]
    named = (await kling.get("/tasks?external_task_ids=ideo,udio")).json()["data"]
    none = await kling.get(f"/solutions?task_ids={ids}")

    assert [one["id"] for one in tasks] == ids.split(",")
    assert {one["status"] for one in tasks} == {"succeeded"}
    assert named == [tasks[0], tasks[2]]
    assert [[out["type"] for out in one["outputs"]] for one in tasks] == [
        ["video"],
        ["image", "image"],
        ["audio"],
    ]
    assert {"mp3_url", "wav_duration"} < set(tasks[2]["outputs"][0])
    assert [one["billing"][0]["amount"] for one in tasks] == [
        one["final_unit_deduction"] for one in made
    ]
    assert none.json()["data"] == []


@pytest.mark.parametrize(("count", "status"), [(20, 200), (21, 400)])
async def test_at_most_twenty_ids_are_asked_for(
    slow_kling: Caller, count: int, status: int
) -> None:
    """Section 17; the same id twice is one."""
    ids = [*range(count), *range(count)]

    response = await slow_kling.get(f"/tasks?task_ids={','.join(map(str, ids))}")

    assert response.status_code == status


async def test_solutions_speak_as_their_pages_do(kling: Caller) -> None:
    """3.3: try-on answers task_id and ends `succeed`, the others id and `succeeded`."""
    try_on = await kling.accepted(TRY_ON, options={"external_task_id": "a", "watermark": True})
    agent = await kling.accepted(AGENT, prompt="hello [slow 0]", options={"external_task_id": "b"})
    ids = [try_on["task_id"], agent["id"]]

    async def have_ended() -> bool:
        return len(await kling.log("ended")) == len(ids)

    await wait_until(have_ended)

    clothes, talk = (await kling.get(f"/solutions?task_ids={','.join(ids)}")).json()["data"]
    (image,) = clothes["outputs"]
    assert (clothes["task_id"], clothes["status"]) == (ids[0], "succeed")
    assert set(image) == {"type", "url", "watermark_url"}
    assert (talk["id"], talk["status"], talk["outputs"][0]["type"]) == (
        ids[1],
        "succeeded",
        "video",
    )
    assert clothes["billing"] == [{"charge_type": "unit", "amount": "20", "package_type": "try-on"}]


async def test_solutions_are_read_on_by_cursor_with_a_lenient_limit(slow_kling: Caller) -> None:
    """3.3: a limit of 0 or less is 1; more than 20 ids are 400/1201."""
    for _ in range(2):
        await slow_kling.accepted(AGENT)

    one = await slow_kling.accepted("/solutions", limit=0)
    two = await slow_kling.accepted("/solutions", limit=9999)
    rest = await slow_kling.accepted("/solutions", cursor=one["next_cursor"])
    many = await slow_kling.get(f"/solutions?task_ids={','.join(map(str, range(21)))}")

    assert [page["count"] for page in (one, two, rest)] == [1, 2, 1]
    assert (many.status_code, many.json()["code"]) == (400, 1201)
