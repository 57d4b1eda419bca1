"""Point 6, the poll path: many GETs, few questions, and an answer in any case."""

import asyncio
import json
import time
from typing import Any

import asyncpg
import pytest

from relay.database.engine import dsn
from relay.kling.transport import MaybeSent, NotSent, Reply
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.task import TaskRow
from tests.proxy.scripted_kling import (
    TASK_ID,
    Asked,
    ScriptedKling,
    accepts_then,
    created,
    envelope,
    refusal,
)
from tests.relay_app import CLIP, CLIP_MICROS, running_relay


def state(status: str, more: dict[str, Any] | None = None, *, message: str = "") -> Any:
    """A query's data of one status, for whatever external id was injected."""

    def data(external_id: str) -> bytes:
        told = json.loads(created(external_id)) | {
            "task_status": status,
            "task_status_msg": message,
        }
        return json.dumps(told | (more or {})).encode()

    return data


SUCCESS = {
    "task_result": {
        "videos": [
            {"id": "v-1", "url": "https://cdn/1.mp4", "duration": "5.1"},
            {"id": "v-2", "url": "https://cdn/2.mp4", "duration": "5.1"},
        ]
    },
    "final_unit_deduction": "3",
}


async def test_a_row_that_somebody_holds_is_answered_as_it_stands(database_url: str) -> None:
    """Not refused: who holds it asks about the task already, or writes its end."""
    kling = ScriptedKling(accepts_then(state("processing")))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        holder = await asyncpg.connect(dsn(database_url))
        await holder.execute("BEGIN; SELECT 1 FROM tasks FOR NO KEY UPDATE")

        answers = [await relay.get(token, TASK_ID) for _ in range(3)]
        await holder.close()
        after = await relay.get(token, TASK_ID)

    assert [one.status_code for one in answers] == [200] * 3
    assert {one.json()["data"]["task_status"] for one in answers} == {"submitted"}
    assert after.json()["data"]["task_status"] == "processing"


async def test_kling_is_asked_once_per_interval(database_url: str) -> None:
    """Twenty GETs at once and twenty in a row, one question; the next after the interval."""
    kling = ScriptedKling(accepts_then(state("processing")))
    async with running_relay(database_url, transport=kling, refresh_s=600.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        assert (await relay.get(token, TASK_ID)).json()["data"]["task_status"] == "submitted"
        assert len(kling.queries) == 0  # the create's answer was fresh

        await relay.rows("UPDATE tasks SET refresh_at = now() - interval '601 seconds'")
        at_once = await asyncio.gather(*(relay.get(token, TASK_ID) for _ in range(20)))
        for _ in range(20):
            await relay.get(token, TASK_ID)
        asked_once = len(kling.queries)
        await relay.rows("UPDATE tasks SET refresh_at = now() - interval '601 seconds'")
        await relay.get(token, TASK_ID)

    assert {one.json()["data"]["task_status"] for one in at_once} == {"processing"}
    assert asked_once == 1
    assert len(kling.queries) == 2


@pytest.mark.parametrize(
    ("told", "due_s", "look_s"),
    [("submitted", 1, 11.5), ("submitted", 90, 90), ("unknown", 1, 1), ("pending", 1, 1)],
)
async def test_what_tenants_ask_about_is_not_looked_at_besides(
    database_url: str, told: str, due_s: float, look_s: float
) -> None:
    """The interval and a little more, unless the look is later; but what may be lost is."""
    accept, not_found = accepts_then(state("submitted")), refusal(400, 1201, "Task not found")

    async def give(asked: Asked) -> Reply:
        return await accept(asked) if asked.method == "POST" else not_found

    kling = ScriptedKling(give)
    async with running_relay(database_url, transport=kling, refresh_s=10.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        await relay.rows(
            "UPDATE tasks SET state = $1, next_look_at = now() + $2 * interval '1 second',"
            " refresh_at = now() - interval '11 seconds'",
            *(told, due_s),
        )

        await relay.get(token, TASK_ID)
        ((rest_s,),) = await relay.rows(
            "SELECT extract(epoch FROM next_look_at - now())::float8 FROM tasks"
        )

    assert len(kling.queries) == 1
    assert look_s - 1 < rest_s <= look_s


async def test_zero_asks_at_every_get(database_url: str) -> None:
    """`RELAY_REFRESH_S=0`: three GETs in a row are three questions."""
    kling = ScriptedKling(accepts_then(state("processing")))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)

        for _ in range(3):
            await relay.get(token, TASK_ID)

    assert len(kling.queries) == 3


@pytest.mark.parametrize(
    ("with_callbacks", "called_s_ago", "every_s"),
    [(False, None, 3), (True, None, 3), (True, 10, 30), (True, 4000, 3), (False, 10, 3)],
)
async def test_the_interval_is_longer_where_callbacks_arrive(
    database_url: str,
    with_callbacks: bool,  # noqa: FBT001 (a case)
    called_s_ago: int | None,
    every_s: int,
) -> None:
    """30 s where the channel delivered a callback within the last hour, else 3 s."""
    kling = ScriptedKling(accepts_then(state("processing")))
    async with running_relay(database_url, transport=kling, with_callbacks=with_callbacks) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        if called_s_ago is not None:
            await relay.rows(
                "UPDATE channels SET callback_at = now() - $1 * interval '1 second'", called_s_ago
            )
        await relay.submit(token)
        asked = []

        for rested_s in (every_s - 1, every_s + 1):
            await relay.rows(
                "UPDATE tasks SET refresh_at = now() - $1 * interval '1 second'", rested_s
            )
            await relay.get(token, TASK_ID)
            asked.append(len(kling.queries))

    assert asked == [0, 1]


async def test_two_replicas_share_one_question(database_url: str) -> None:
    """Each gets ten GETs at the same moment; the row's claim lets one flight start."""
    kling = ScriptedKling(accepts_then(state("processing")))
    async with (
        running_relay(database_url, transport=kling, refresh_s=600.0) as relay,
        running_relay(database_url, transport=kling, refresh_s=600.0, beside=relay) as replica,
    ):
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        await relay.rows("UPDATE tasks SET refresh_at = now() - interval '601 seconds'")

        answers = await asyncio.gather(
            *(one.get(token, TASK_ID) for _ in range(10) for one in (relay, replica))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert len(kling.queries) == 1


async def test_a_replica_that_read_the_row_too_early_asks_nobody(database_url: str) -> None:
    """Both have the same old row in hand; the claim compares what stands in the table now."""
    kling = ScriptedKling(accepts_then(state("processing")))
    async with (
        running_relay(database_url, transport=kling, refresh_s=600.0) as relay,
        running_relay(database_url, transport=kling, refresh_s=600.0, beside=relay) as replica,
    ):
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        await relay.rows("UPDATE tasks SET refresh_at = now() - interval '601 seconds'")
        old = TaskRow.of(await relay.row(f"SELECT {TASK_COLUMNS} FROM tasks t"))

        asked = [await one.parts.tasks.looker.refresh(old, wait_s=5.0) for one in (relay, replica)]

    assert asked == [True, False]
    assert len(kling.queries) == 1


async def test_a_slow_kling_holds_up_nobody_for_more_than_a_second(database_url: str) -> None:
    """The stored state is the answer; the question goes on and is applied when it lands."""
    landed = asyncio.Event()
    accept = accepts_then(state("succeed", SUCCESS))

    async def answer(asked: Asked) -> Reply:
        reply = await accept(asked)
        if asked.method == "GET":
            await landed.wait()
        return reply

    kling = ScriptedKling(answer)
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        began = time.monotonic()

        slow = await asyncio.gather(*(relay.get(token, TASK_ID) for _ in range(5)))

        waited_s = time.monotonic() - began
        landed.set()
        quick = await relay.get(token, TASK_ID)
        assert await relay.account() == (10_000_000 - CLIP_MICROS, 0)
    assert {one.json()["data"]["task_status"] for one in slow} == {"submitted"}
    assert 0.9 < waited_s < 20  # a second, on a machine that may be busy; Kling never answered
    assert quick.json()["data"]["task_status"] == "succeed"
    assert len(kling.queries) == 1


DOWN: dict[str, Reply | Exception] = {
    "not reached": NotSent("refused"),
    "reset": MaybeSent("reset"),
    "500": refusal(500, 5000),
    "html": Reply(502, "text/html", b"<html>"),
    "its own refusal": refusal(401, 1002, "api key not found"),
    "arrears": refusal(429, 1101),
    "not found": refusal(400, 1201, "Task not found"),
    "a list": envelope(b"[]"),
    "no such status": envelope(b'{"task_id":"%b","task_status":"melting"}' % TASK_ID.encode()),
    "another task": envelope(b'{"task_id":"1","task_status":"succeed"}'),
}


@pytest.mark.parametrize("name", DOWN)
async def test_a_broken_kling_leaves_the_stored_state(database_url: str, name: str) -> None:
    """Whatever it says instead of a task: 200 with what we know, and the hold stays."""
    accept = accepts_then(state("processing"))

    async def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            return await accept(asked)
        if isinstance(found := DOWN[name], Exception):
            raise found
        return found

    async with running_relay(database_url, transport=ScriptedKling(answer), refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)

        response = await relay.get(token, TASK_ID)

        assert await relay.account() == (10_000_000, CLIP_MICROS)
    assert response.status_code == 200
    assert response.json()["data"]["task_status"] == "submitted"


async def test_an_end_by_query_is_never_asked_again(database_url: str) -> None:
    """Ids and URLs of the results and the deduction stand in columns; ten more GETs ask nobody."""
    kling = ScriptedKling(accepts_then(state("succeed", SUCCESS)))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)

        for _ in range(10):
            await relay.get(token, TASK_ID)

        row = await relay.task(TASK_ID)
        kept = await relay.rows("SELECT kind, body FROM task_events ORDER BY id")
        assert (await relay.audit()).ok
    assert len(kling.queries) == 1
    assert row["result_ids"] == ["v-1", "v-2"]
    assert row["result_urls"] == ["https://cdn/1.mp4", "https://cdn/2.mp4"]
    assert row["charged_micros"] == CLIP_MICROS
    assert json.loads(row["deduction"]) == {"final_unit_deduction": "3"}
    assert row["next_look_at"] is None
    assert [one["kind"] for one in kept] == ["reply.submit", "reply.query"]
    assert json.loads(kept[1]["body"])["task_result"] == SUCCESS["task_result"]


async def test_a_failure_keeps_its_reason_and_gives_the_hold_back(database_url: str) -> None:
    """`task_status_msg` in the answer and in the column."""
    kling = ScriptedKling(accepts_then(state("failed", message="too dark\x00 🦊")))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)

        data = (await relay.get(token, TASK_ID)).json()["data"]
        await relay.get(token, TASK_ID)

        assert await relay.account() == (10_000_000, 0)
        row = await relay.task(TASK_ID)
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "too dark\ufffd 🦊")
    assert (row["state"], row["fail_message"]) == ("failed", "too dark\ufffd 🦊")
    assert len(kling.queries) == 1


async def test_an_end_by_callback_is_asked_once_more_for_the_full_reply(
    database_url: str,
) -> None:
    """Callbacks lack fields; the first GET asks, whatever the interval; then never again."""
    kling = ScriptedKling(
        accepts_then(state("succeed", SUCCESS | {"watermark_info": {"enabled": True}}))
    )
    async with running_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=600.0
    ) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        row = await relay.task(TASK_ID)
        told = json.loads(state("succeed", SUCCESS)(row["injected_id"]))
        assert (await relay.call_back(TASK_ID, told)).status_code == 200
        assert len(kling.queries) == 0

        answers = await asyncio.gather(*(relay.get(token, TASK_ID) for _ in range(5)))
        later = [await relay.get(token, TASK_ID) for _ in range(5)]

        assert (await relay.audit()).ok
        assert await relay.account() == (10_000_000 - CLIP_MICROS, 0)
    assert len(kling.queries) == 1
    for one in [*answers, *later]:
        assert one.json()["data"]["watermark_info"] == {"enabled": True}


async def test_the_full_reply_is_asked_for_once_though_kling_is_down(database_url: str) -> None:
    """It was asked, and did not answer: the callback's fields are the answer from then on."""
    accept = accepts_then(state("processing"))

    async def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            return await accept(asked)
        raise MaybeSent("down")

    kling = ScriptedKling(answer)
    async with running_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=600.0
    ) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        row = await relay.task(TASK_ID)
        told = json.loads(state("succeed", SUCCESS)(row["injected_id"]))
        await relay.call_back(TASK_ID, told)

        answers = [await relay.get(token, TASK_ID) for _ in range(4)]

    assert len(kling.queries) == 1
    assert {one.json()["data"]["final_unit_deduction"] for one in answers} == {"3"}


async def test_an_unknown_task_is_looked_up_under_its_external_id(database_url: str) -> None:
    """503/5001 while Kling has no word on it, then the task; it is in no list before."""
    queried: list[str] = []
    answers: list[Reply | Exception] = [
        refusal(400, 1201, "Task not found"),
        MaybeSent("down"),
    ]
    accept = accepts_then(state("processing"))

    async def answer(asked: Asked) -> Reply:
        reply = await accept(asked)
        if asked.method == "POST":
            raise MaybeSent("reset")
        queried.append(asked.url)
        found = answers.pop(0) if answers else reply
        if isinstance(found, Exception):
            raise found
        return found

    kling = ScriptedKling(answer)
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        lost = await relay.submit(token, CLIP | {"external_task_id": "order/1"})

        found = [await relay.get(token, "order%2F1") for _ in range(3)]

        assert await relay.account() == (10_000_000, CLIP_MICROS)
    assert lost.status_code == 504
    assert [(one.status_code, one.json()["code"]) for one in found] == [
        (503, 5001),
        (503, 5001),
        (200, 0),
    ]
    assert found[2].json()["data"]["task_id"] == TASK_ID
    assert found[2].json()["data"]["task_info"] == {"external_task_id": "order/1"}
    injected = kling.creates[0].injected_id
    assert {url.rpartition("/")[2] for url in queried} == {injected}


async def test_a_refused_task_is_never_shown(database_url: str) -> None:
    """Not by its external id, though it has a row."""
    async with running_relay(
        database_url, transport=ScriptedKling(lambda _: _refused()), refresh_s=0.0
    ) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token, CLIP | {"external_task_id": "t-1"})
        assert (await relay.row("SELECT state FROM tasks"))["state"] == "refused"

        response = await relay.get(token, "t-1")

    assert (response.status_code, response.json()["code"]) == (400, 1201)


async def _refused() -> Reply:
    return refusal(400, 1301)
