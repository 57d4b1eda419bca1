"""An id that a tenant was given and that no row has: Kling is asked before it is "not found"."""

from typing import Any

import pytest

from relay.kling.transport import MaybeSent, Reply
from relay.tasks.seek import ROWS_MAX
from tests.relay_app import CLIP_MICROS, Relay, bearer, running_relay
from tests.tasks.holding import hold_tasks, told
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, success
from tests.waiting import settle_for

QUOTA_MICROS = 10 * CLIP_MICROS
ID = "880001"
"""Kling's, which the create's reply gave to the tenant."""


async def grow_old(relay: Relay) -> None:
    await relay.rows("UPDATE tasks SET created_at = now() - interval '6 seconds'")


def of_one(relay: Relay) -> Any:
    return relay.rows("SELECT state, kling_id FROM tasks WHERE kling_id IS NOT NULL")


async def test_a_task_that_was_never_recorded_is_found_by_the_id_that_was_given(books: str) -> None:
    """A dozen rows wait for their submits; the one whose external id Kling tells is recorded."""

    async def answer(call: Call) -> Reply:
        if call.key != ID:
            return not_found()
        return success(told(tasks[7], "processing") | {"task_id": ID})

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=2 * QUOTA_MICROS)
        tasks = await hold_tasks(relay, token, 12)
        await grow_old(relay)

        found = await relay.get(token, ID)
        again = await relay.get(token, ID)

        assert found.json()["data"]["task_id"] == ID
        assert again.status_code == 200
        rows = await relay.rows("SELECT id, state FROM tasks WHERE kling_id = $1", ID)
        assert [tuple(row) for row in rows] == [(tasks[7].id, "processing")]
        assert [call.key for call in kling.calls] == [ID]


@pytest.mark.parametrize(
    ("says", "status", "code"),
    [
        ("not found", 400, 1201),
        ("another's", 400, 1201),
        ("nothing", 503, 5001),
        ("html", 503, 5001),
    ],
)
async def test_what_kling_says_decides(books: str, says: str, status: int, code: int) -> None:
    """Only Kling's word makes it "Task not found"; a task of somebody else's is none of ours."""

    async def answer(_: Call) -> Reply:
        match says:
            case "not found":
                return not_found()
            case "another's":
                info = {"external_task_id": "of somebody else"}
                return success({"task_id": ID, "task_status": "succeed", "task_info": info})
            case "nothing":
                raise MaybeSent("ReadTimeout")
            case _:
                return Reply(502, "text/html", b"<html>")

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await hold_tasks(relay, token)
        await grow_old(relay)

        answered = await relay.get(token, ID)

        assert (answered.status_code, answered.json()["code"]) == (status, code)
        assert await of_one(relay) == []


async def test_kling_is_asked_once_a_second_and_only_where_a_task_may_be(books: str) -> None:
    """Not of young rows, not of other tenants'; a second id within the second is 503/5001."""

    async def answer(_: Call) -> Reply:
        return not_found()

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        other = await relay.add_tenant("beta", quota_micros=QUOTA_MICROS)
        await hold_tasks(relay, other)
        await grow_old(relay)
        await hold_tasks(relay, token)
        young = await relay.get(token, "1")
        before = len(kling.calls)
        await grow_old(relay)
        await settle_for(1.0, because="it is looked for once a second")

        answers = [await relay.get(token, str(number)) for number in range(2, 6)]

        assert (young.status_code, before) == (400, 0)
        assert [one.status_code for one in answers] == [400, 503, 503, 503]
        assert [call.key for call in kling.calls] == ["2"]


async def test_of_more_rows_than_are_read_nothing_is_sure(books: str) -> None:
    """500 of one endpoint wait, and maybe more: of no endpoint is an id sure to be nobody's."""

    async def answer(_: Call) -> Reply:
        return not_found()

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        asked = {}
        for name, count in (("acme", ROWS_MAX - 1), ("beta", ROWS_MAX)):
            token = await relay.add_tenant(name, quota_micros=count * CLIP_MICROS)
            await hold_tasks(relay, token, count)
            await grow_old(relay)
            found = await relay.get(token, ID, path="/v1/videos/image2video")
            asked[count] = (found.status_code, found.json()["code"])

        assert asked == {ROWS_MAX - 1: (400, 1201), ROWS_MAX: (503, 5001)}


async def test_several_ids_are_sought_at_once(books: str) -> None:
    """2.0's query: both are found, and an unknown one beside them is left out."""

    async def answer(call: Call) -> Reply:
        task = by_id.get(call.url.partition("task_ids=")[2])
        if task is None:
            return success([])  # type: ignore[arg-type]  # 2.0's "not found"
        return success(
            [{"id": str(task.id), "status": "processing", "external_id": task.injected_id}]  # type: ignore[arg-type]  # 2.0's list
        )

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relay, token, 2)
        await relay.rows("UPDATE tasks SET endpoint = 'text-to-video'")
        await grow_old(relay)
        by_id = {str(task.id): task for task in tasks}

        ids = ",".join([*by_id, "unknown"])
        found = await relay.client.get(f"/tasks?task_ids={ids}", headers=bearer(token))

        assert [one["id"] for one in found.json()["data"]] == list(by_id)
