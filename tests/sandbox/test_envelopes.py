import re
import time
import uuid

from tests.sandbox.client import TEXT2VIDEO, Caller


async def test_a_create_is_answered_in_the_recorded_shape(slow_kling: Caller) -> None:
    """5.1: code, SUCCEED, a UUID, an 18-digit string, the caller's id and two equal unix ms."""
    before_ms = int(time.time() * 1000)

    response = await slow_kling.create(prompt="a cat", external_task_id="my-id")

    reply = response.json()
    data = reply["data"]
    assert response.status_code == 200
    assert list(reply) == ["code", "message", "request_id", "data"]
    assert (reply["code"], reply["message"]) == (0, "SUCCEED")
    assert str(uuid.UUID(reply["request_id"])) == reply["request_id"]
    assert re.fullmatch(r"\d{18}", data["task_id"])
    assert data["task_status"] == "submitted"
    assert data["task_info"] == {"external_task_id": "my-id"}
    assert before_ms <= data["created_at"] == data["updated_at"] <= before_ms + 5_000


async def test_without_an_external_id_task_info_is_an_empty_object(slow_kling: Caller) -> None:
    """5.1: `task_info` is `{}`, also for the empty string of the vendor's samples (section 7)."""
    without = await slow_kling.accepted(prompt="a cat")
    empty = await slow_kling.accepted(prompt="a cat", external_task_id="")
    again = await slow_kling.accepted(prompt="a cat", external_task_id="")

    assert without["task_info"] == empty["task_info"] == again["task_info"] == {}


async def test_a_finished_query_has_every_field_of_the_sample(kling: Caller) -> None:
    """5.2: strings stay strings: id, duration "5.1", deduction "1.5"; times stay ints."""
    created = await kling.accepted(
        model_name="kling-v2-6", prompt="a cat", watermark_info={"enabled": True}
    )

    data = await kling.ended(created["task_id"])

    (video,) = data.pop("task_result")["videos"]
    assert data == {
        "task_id": created["task_id"],
        "task_status": "succeed",
        "task_status_msg": "",
        "task_info": {},
        "watermark_info": {"enabled": True},
        "final_unit_deduction": "1.5",
        "final_balance_deduction": {"quota": "0", "list_price": "0"},
        "created_at": created["created_at"],
        "updated_at": data["updated_at"],
    }
    assert data["updated_at"] > data["created_at"]
    assert set(video) == {"id", "url", "watermark_url", "duration"}
    assert video["duration"] == "5.1"


async def test_a_running_query_has_neither_result_nor_deduction(slow_kling: Caller) -> None:
    """5.2: before the end there is nothing that could be charged."""
    created = await slow_kling.accepted(prompt="a cat")

    data = (await slow_kling.get(f"{TEXT2VIDEO}/{created['task_id']}")).json()["data"]

    assert data["task_status"] == "submitted"
    assert not {"task_result", "final_unit_deduction", "final_balance_deduction"} & set(data)


async def test_an_error_has_no_data(kling: Caller) -> None:
    """5.6: an unknown task is 400/1201 with code, message and request_id only."""
    response = await kling.get(f"{TEXT2VIDEO}/867283741759111202")

    reply = response.json()
    assert response.status_code == 400
    assert (reply["code"], reply["message"]) == (1201, "Task not found by id/external id")
    assert set(reply) == {"code", "message", "request_id"}


async def test_an_unknown_path_or_method_is_1202(kling: Caller) -> None:
    """Section 8: 404/1202, also for the short query that Kling does not have (section 14)."""
    short = await kling.get("/v1/videos/867283741759111202")
    cancel = await kling.http.delete(TEXT2VIDEO, headers={"authorization": "Bearer x"})
    unknown = await kling.create("/v1/videos/lipsync", prompt="a cat")

    assert (short.status_code, short.json()["code"]) == (404, 1202)
    assert (cancel.status_code, cancel.json()["code"]) == (401, 1002)
    assert (unknown.status_code, unknown.json()["code"]) == (404, 1202)


async def test_a_list_is_a_bare_array_with_the_newest_first(slow_kling: Caller) -> None:
    """5.4: no totals; pageNum and pageSize cut it; one type of task only; empty is []."""
    ids = [(await slow_kling.accepted(prompt="a cat"))["task_id"] for _ in range(5)]
    image = {"image": "https://example.com/a.png"}
    await slow_kling.accepted("/v1/videos/image2video", **image)

    whole = (await slow_kling.get(TEXT2VIDEO)).json()["data"]
    second = (await slow_kling.get(f"{TEXT2VIDEO}?pageNum=2&pageSize=2")).json()["data"]
    last = (await slow_kling.get(f"{TEXT2VIDEO}?pageNum=3&pageSize=2")).json()["data"]
    beyond = (await slow_kling.get(f"{TEXT2VIDEO}?pageNum=4&pageSize=2")).json()["data"]
    none = (await slow_kling.get("/v1/videos/omni-video")).json()["data"]

    newest_first = ids[::-1]
    assert [task["task_id"] for task in whole] == newest_first
    assert [task["task_id"] for task in second] == newest_first[2:4]
    assert [task["task_id"] for task in last] == newest_first[4:]
    assert beyond == none == []


async def test_a_page_out_of_bounds_is_refused(kling: Caller) -> None:
    """Section 3: pageNum 1 to 1000, pageSize 1 to 500."""
    queries = ["pageNum=0", "pageNum=1001", "pageSize=0", "pageSize=501", "pageSize=x"]

    replies = [await kling.get(f"{TEXT2VIDEO}?{query}") for query in queries]

    assert [reply.status_code for reply in replies] == [400] * 5
    assert all(
        query.partition("=")[0] in reply.json()["message"]
        for query, reply in zip(queries, replies, strict=True)
    )


async def test_doubled_and_trailing_slashes_reach_the_same_task(slow_kling: Caller) -> None:
    """Section 13: one client in the wild sends a double slash before the id."""
    created = await slow_kling.accepted(prompt="a cat", external_task_id="a/b")

    doubled = await slow_kling.get(f"/v1//videos/text2video//{created['task_id']}/")
    escaped = await slow_kling.get(f"{TEXT2VIDEO}/a%2Fb")

    assert doubled.json()["data"] == escaped.json()["data"]
    assert doubled.json()["data"]["task_id"] == created["task_id"]


async def test_numbers_beyond_python_floats_do_not_stop_a_create(slow_kling: Caller) -> None:
    """A body with 1e400, a large integer and an unknown field is accepted."""
    body = b'{"prompt":"a \\ud83d\\ude00 cat","x":1e400,"element":829836802793406551829836802793}'

    response = await slow_kling.http.post(
        TEXT2VIDEO,
        content=body,
        headers={"authorization": "Bearer api-key-kling-sandbox-not-for-production"},
    )

    assert response.status_code == 200
