"""A create without room waits under an id of ours, is sent once there is some, and keeps it."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from relay.alerts.of_tenants import content_refused
from relay.channels.read import read_rows
from relay.database.ids import TaskId
from relay.desk.backups import mark_restored
from relay.desk.pauses import end_pause, pause_creates
from relay.desk.tokens import revoke_token
from relay.health.read import read_standings
from relay.kling.transport import MaybeSent, NotSent
from relay.sandbox.settings import SandboxSettings
from relay.tasks.inspect import read_story
from relay.tasks.lock import lock_task
from relay.tenants.tokens import IssuedToken
from tests.alerts.conftest import AROUND
from tests.health.hosts import BAD_CONTENT, FULL
from tests.health.test_room import set_room
from tests.queue.waiting_line import (
    QUOTA,
    WAITS,
    create,
    end_running,
    full_relay,
    queued,
    set_tenant,
    state_of,
    turn,
)
from tests.relay_app import (
    ACTOR,
    CLIP,
    CLIP_MICROS,
    SANDBOX_URL,
    TEXT2VIDEO,
    bearer,
    running_relay,
)
from tests.tasks.holding import read_row
from tests.tasks.looking import look_now
from tests.tasks.scripted_kling import success
from tests.tasks.waiting import is_a_lock_waited_for
from tests.waiting import wait_until

HOOK = "https://customer.example/hook"
DONE = {
    "task_status": "succeed",
    "final_unit_deduction": "3",
    "task_result": {"videos": [{"id": "v", "url": "http://kling/v.mp4"}]},
}


async def test_one_that_waits_is_a_task_of_klings_to_its_tenant(database_url: str) -> None:
    """From its create to its end it has one id, one time of creation, and Kling's words alone."""
    async with full_relay(database_url) as (relay, hosts):
        token = await relay.add_tenant()
        first = await create(relay, token)
        answer = await create(
            relay, token, callback_url=HOOK, external_task_id="order-9", prompt="a blue cat"
        )

        data = answer.json()["data"]
        id_ = data["task_id"]
        assert first.json()["data"]["task_id"] == "main-1"
        assert (answer.status_code, answer.json()["message"]) == (200, "SUCCEED")
        assert len(id_) == 18
        assert id_.isdigit()
        assert data == {
            "task_id": id_,
            "task_status": "submitted",
            "task_info": {"external_task_id": "order-9"},
            "created_at": data["created_at"],
            "updated_at": data["created_at"],
        }
        assert await relay.account() == (10_000_000, 2 * CLIP_MICROS)
        row = await relay.row("SELECT * FROM queue")
        assert "blue cat" not in row["body_sealed"]
        await relay.rows("UPDATE tasks SET refresh_at = '-infinity' WHERE state = 'queued'")
        for key in (id_, "order-9"):
            shown = (await relay.get(token, key)).json()["data"]
            assert (shown["task_id"], shown["task_status"]) == (id_, "submitted")
            assert shown["task_status_msg"] == ""
        assert {call.method for call in hosts.kling.calls} == {"POST"}  # Kling is not asked for it
        await turn(relay)
        assert await state_of(relay, id_) == "queued"

        await end_running(relay)
        hosts.queries["main"] = success({"task_id": "main-2", "task_status": "processing"})
        await turn(relay)

        sent = hosts.kling.calls[-1].body
        task = await relay.row("SELECT * FROM tasks WHERE public_id = $1", id_)
        assert (sent["prompt"], sent["external_task_id"]) == ("a blue cat", task["injected_id"])
        assert (task["state"], task["kling_id"]) == ("submitted", "main-2")
        assert await relay.rows("SELECT FROM queue") == []
        assert (await relay.get(token, "main-2")).json()["code"] == 1201
        listed = await relay.client.get(TEXT2VIDEO, headers=bearer(token))
        assert [one["task_id"] for one in listed.json()["data"]] == [id_, "main-1"]

        hosts.queries["main"] = success(
            {
                "task_id": "main-2",
                "task_status": "succeed",
                "task_info": {"external_task_id": task["injected_id"]},
                "created_at": 1,
                "final_unit_deduction": "3",
                "task_result": {"videos": [{"id": "v", "url": "http://kling/v.mp4"}]},
            }
        )
        await end_running(relay)
        shown = (await relay.get(token, id_)).json()["data"]

        assert (shown["task_id"], shown["created_at"]) == (id_, data["created_at"])
        assert shown["task_status"] == "succeed"
        assert shown["task_info"] == {"external_task_id": "order-9"}
        bodies = [
            json.loads(row["body"]) for row in await relay.rows("SELECT body FROM deliveries")
        ]
        assert {body["task_id"] for body in bodies} == {id_}
        assert {body["task_status"] for body in bodies} == {"submitted", "succeed"}
        assert await relay.account() == (10_000_000 - 2 * CLIP_MICROS, 0)
        assert (await relay.audit()).ok

        # What it waited for here is no delay of Kling's.
        await relay.rows("UPDATE tasks SET created_at = created_at - interval '1 day'")
        async with relay.sessions() as session:
            (standing,) = (await read_standings(session, await read_rows(session))).values()
        assert 0 <= (standing.median_s or -1) < 3600


async def test_who_waits_and_who_is_refused(database_url: str) -> None:
    """By the header, else by the token, else by the tenant; a long body never."""
    async with full_relay(database_url) as (relay, hosts):
        token = await relay.add_tenant()
        await create(relay, token)

        async def code(wait: str | None, **body: Any) -> tuple[int, str]:
            answer = await create(relay, token, wait=wait, **body)
            return answer.json()["code"], answer.headers.get("retry-after", "")

        assert await code(None) == (1303, "10")
        assert await code("0") == (1303, "10")
        assert await code("5m", prompt="x" * 1_000_001) == (1303, "10")
        assert (await code("soon"))[0] == (await code("2d"))[0] == (await code("-1"))[0] == 1201
        assert len(await relay.rows("SELECT FROM tasks")) == 1
        assert await code("30s") == (0, "")
        await set_tenant(relay, "acme", queue_s=60)
        await relay.rows("UPDATE tokens SET queue_s = 0")
        assert (await create(relay, token, wait="off")).json()["code"] == 1303
        assert await code("on") == (0, "")
        waits = await relay.rows(
            "SELECT extract(epoch FROM until - created_at)::int AS s FROM queue"
        )
        assert [row["s"] for row in waits] == [30, 480]
        assert hosts.posts("main") == 1
        assert (await relay.audit()).ok


async def test_kling_has_the_last_word_on_what_it_is_sent(database_url: str) -> None:
    """A refusal ends it with Kling's reason; no room, and no way there, let it wait on."""
    async with full_relay(database_url) as (relay, hosts):
        token = await relay.add_tenant()
        await create(relay, token)
        refused, waits = await queued(relay, token), await queued(relay, token)
        await end_running(relay, "failed")
        hosts.creates["main"] = BAD_CONTENT

        await turn(relay)

        shown = (await relay.get(token, refused)).json()["data"]
        assert (shown["task_status"], shown["task_status_msg"]) == ("failed", "no")
        assert await relay.account() == (10_000_000, CLIP_MICROS)
        async with relay.sessions() as session:
            found = await content_refused(session, 0.0, AROUND)
        assert found.keys() == {"acme"}
        await relay.heal()
        for nothing_made in (FULL, NotSent("no way"), FULL):
            hosts.creates["main"] = nothing_made
            await turn(relay)
            assert await state_of(relay, waits) == "queued"
            await relay.heal()
        assert hosts.posts("main") == 5
        hosts.creates["main"] = None
        await turn(relay)
        assert await state_of(relay, waits) == "submitted"
        kinds = [
            row["kind"] for row in await relay.rows("SELECT kind FROM task_events ORDER BY id")
        ]
        assert kinds.count("queue.put_back") == 3
        assert kinds.count("queue.failed") == 1
        assert (await relay.audit()).ok


async def test_what_waits_is_not_taken_for_what_runs(database_url: str) -> None:
    """One runs and two wait, when Kling says that all slots are taken: there is one."""
    async with full_relay(database_url) as (relay, hosts):
        token = await relay.add_tenant()
        await create(relay, token)
        await queued(relay, token)
        await queued(relay, token)
        await set_room(relay, "main", {"video": None})
        hosts.creates["main"] = FULL

        assert (await create(relay, token, wait=None)).json()["code"] == 1303

        assert hosts.posts("main") == 2
        learned = await relay.rows("SELECT room FROM channel_conditions WHERE room IS NOT NULL")
        assert [row["room"] for row in learned] == [1]


async def test_whose_time_is_over_fails_in_the_words_for_no_room(database_url: str) -> None:
    async with full_relay(database_url) as (relay, _):
        token = await relay.add_tenant()
        await create(relay, token)
        ids = [await queued(relay, token)]
        await relay.rows("UPDATE queue SET until = now()")
        await turn(relay)
        # Of a database that was set back nobody knows whether it was sent since.
        ids.append(await queued(relay, token))
        async with relay.sessions.begin() as session:
            await mark_restored(session, ACTOR, as_of=datetime.now(UTC), source="a copy")
        await turn(relay)

        for id_ in ids:
            shown = (await relay.get(token, id_)).json()["data"]
            assert shown["task_status"] == "failed"
            assert shown["task_status_msg"] == "parallel task over resource pack limit"
        assert await relay.rows("SELECT FROM queue") == []
        assert await relay.account() == (10_000_000, CLIP_MICROS)
        assert (await relay.audit()).ok


async def test_what_entered_once_does_not_enter_again(database_url: str) -> None:
    """A statement whose answer was lost runs again: by then a worker may be sending the task."""
    async with full_relay(database_url) as (relay, _):
        token = await relay.add_tenant()
        await create(relay, token)
        id_ = await queued(relay, token)
        await relay.rows("UPDATE tasks SET state = 'pending' WHERE public_id = $1", id_)
        task = await read_row(relay, 2)

        again = await relay.parts.tasks.looker._queue.enter(  # noqa: SLF001
            task, {}, path_model=None, wait_s=60, channels=[], reason="again"
        )

        assert again is not None
        assert again.public_id == id_
        assert await state_of(relay, id_) == "pending"
        assert len(await relay.rows("SELECT FROM task_events WHERE kind = 'queue.entered'")) == 1
        # Past its deadline it is no longer the submit's, but the looks'.
        await relay.rows("DELETE FROM queue")
        await relay.rows("UPDATE tasks SET public_id = NULL, submit_deadline_at = now()")
        late = await relay.parts.tasks.looker._queue.enter(  # noqa: SLF001
            task, {}, path_model=None, wait_s=60, channels=[], reason="late"
        )
        assert late is None


async def test_what_is_put_back_has_a_body_though_it_is_being_deleted(database_url: str) -> None:
    """Its time ends as it is put back: without a body it would wait for ever."""
    async with full_relay(database_url) as (relay, _):
        token = await relay.add_tenant()
        await create(relay, token)
        id_ = await queued(relay, token)
        await relay.rows("UPDATE tasks SET state = 'unknown' WHERE public_id = $1", id_)
        queue = relay.parts.tasks.looker._queue  # noqa: SLF001

        async with relay.sessions.begin() as session:
            await lock_task(session, TaskId(2))  # as SWEEP does, before it deletes
            await session.execute(text("DELETE FROM queue"))
            putting = asyncio.create_task(queue.put_back(await read_row(relay, 2), reason="lost"))
            await wait_until(lambda: is_a_lock_waited_for(relay))

        assert not await putting
        assert await state_of(relay, id_) == "unknown"


async def test_a_thousand_of_a_tenant_wait_and_no_more(database_url: str) -> None:
    async with full_relay(database_url) as (relay, _):
        token, other = await relay.add_tenant(), await relay.add_tenant("other")
        await create(relay, token)
        await queued(relay, token)
        (copied,) = await relay.row(
            "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_name"
            " = 'tasks' AND column_name NOT IN ('id', 'injected_id', 'request_id', 'public_id')"
        )
        await relay.rows(
            f"WITH more AS (INSERT INTO tasks ({copied}, injected_id, request_id, public_id)"
            f" SELECT {copied}, 'i' || n, 'r' || n, 'p' || n FROM tasks, generate_series(1, 999) n"
            " WHERE id = 2 RETURNING id)"
            " INSERT INTO queue (task_id, body_sealed, channel_ids, until)"
            " SELECT more.id, body_sealed, channel_ids, until FROM more, queue"
        )

        assert (await create(relay, token)).json()["code"] == 1303
        await queued(relay, other)
        await relay.rows("DELETE FROM queue WHERE task_id = 2")
        await queued(relay, token)


async def test_a_retry_with_its_key_is_answered_by_what_waits(database_url: str) -> None:
    async with full_relay(database_url) as (relay, _):
        token = await relay.add_tenant()
        await create(relay, token)
        headers = bearer(token) | {"relay-queue": "on", "idempotency-key": "k"}

        answers = [
            (await relay.client.post(TEXT2VIDEO, json=CLIP, headers=headers)).json()
            for _ in range(3)
        ]

        assert len({answer["data"]["task_id"] for answer in answers}) == 1
        assert len(await relay.rows("SELECT FROM queue")) == 1


async def test_what_kling_may_have_is_sent_again_only_once_it_has_it_not(
    database_url: str,
) -> None:
    """Without a verdict it is looked for; "not found" for long enough puts it back, while it may
    wait. Afterwards it has failed, and a late success is charged all the same."""
    async with full_relay(database_url, lost_after_s=0.0, lost_looks=2) as (relay, hosts):
        token = await relay.add_tenant()
        await create(relay, token)
        id_ = await queued(relay, token, callback_url=HOOK)
        await end_running(relay, "failed")
        hosts.creates["main"] = MaybeSent("cut")

        claimed = await read_row(relay, 2)
        for is_over in (False, True):
            await turn(relay)
            assert await state_of(relay, id_) == "unknown"
            shown = (await relay.get(token, id_)).json()["data"]
            assert shown["task_status"] == "submitted"
            posts = hosts.posts("main")
            await turn(relay)
            await look_now(relay)
            assert hosts.posts("main") == posts
            assert await state_of(relay, id_) == "unknown"
            if is_over:
                # Who sent it before is late with its word: somebody else has it by now.
                assert not await relay.parts.tasks.looker._queue.put_back(claimed, reason="late")  # noqa: SLF001
                assert await state_of(relay, id_) == "unknown"
                await relay.rows("UPDATE queue SET until = now()")
                await turn(relay)
                assert await relay.rows("SELECT FROM queue") == []  # nobody sends it any more
            claimed = await read_row(relay, 2)
            await look_now(relay)
            assert await state_of(relay, id_) == ("failed" if is_over else "queued")
            await relay.heal()

        assert (await relay.get(token, id_)).json()["data"]["task_status"] == "failed"
        assert await relay.account() == (10_000_000, 0)
        task = await relay.row("SELECT * FROM tasks WHERE public_id = $1", id_)
        hosts.queries["main"] = success(DONE | {"task_id": "late"})
        await relay.call_back_on(
            task["injected_id"], task["channel_id"], DONE | {"task_id": "late"}
        )
        assert (await relay.get(token, id_)).json()["data"]["task_status"] == "succeed"
        assert await relay.account() == (10_000_000 - CLIP_MICROS, 0)
        assert (await relay.audit()).ok


async def test_one_that_waits_can_be_cancelled_and_one_that_is_sent_cannot(
    database_url: str,
) -> None:
    """By its tenant alone; thirty that are cancelled as they are sent end in one of both ways."""
    async with full_relay(database_url, slots=40) as (relay, hosts):
        token, other = await relay.add_tenant(quota_micros=QUOTA), await relay.add_tenant("other")
        await set_room(relay, "main", {"video": 0})
        first = await queued(relay, token, external_task_id="order-1")

        async def cancel(key: str, by: IssuedToken = token) -> dict[str, Any]:
            path = f"/relay/tasks/{key}/cancel"
            answer: dict[str, Any] = (await relay.client.post(path, headers=bearer(by))).json()
            return answer

        assert (await cancel(first, other))["code"] == 1201
        ended = await cancel("order-1")
        assert (ended["code"], ended["data"]["task_id"]) == (0, first)
        assert ended["data"]["task_status"] == "failed"
        async with relay.sessions() as session:
            story = await read_story(session, TaskId(1))
        assert story.outlook.kling_asked_at is None
        assert (await cancel(first))["code"] == 1201
        assert (await cancel("none"))["code"] == 1201
        assert await relay.account() == (QUOTA, 0)

        ids = [await queued(relay, token) for _ in range(30)]
        await set_room(relay, "main", {"video": 40})
        answers, _ = await asyncio.gather(
            asyncio.gather(*(cancel(id_) for id_ in ids)), turn(relay)
        )

        cancelled = sum(answer["code"] == 0 for answer in answers)
        states = Counter([await state_of(relay, id_) for id_ in ids])
        assert states == Counter(failed=cancelled, submitted=30 - cancelled)
        assert hosts.posts("main") == 30 - cancelled
        assert await relay.account() == (QUOTA, (30 - cancelled) * CLIP_MICROS)
        assert (await relay.audit()).ok


async def test_a_pause_is_waited_for_and_a_leaked_token_waits_for_nothing(
    database_url: str,
) -> None:
    async with full_relay(database_url, slots=40) as (relay, hosts):
        token = await relay.add_tenant()
        async with relay.sessions.begin() as session:
            pause = await pause_creates(session, ACTOR, reason="maintenance")
        relay.parts.kling.chooser._pauses.forget()  # noqa: SLF001 (instead of the two seconds)
        ids = [await queued(relay, token) for _ in range(2)]
        await turn(relay)
        assert hosts.posts("main") == 0

        async with relay.sessions.begin() as session:
            await end_pause(session, ACTOR, pause.id)
        relay.parts.kling.chooser._pauses.forget()  # noqa: SLF001
        await turn(relay)
        assert [await state_of(relay, id_) for id_ in ids] == ["submitted"] * 2

        await set_room(relay, "main", {"video": 0})
        waiting = [await queued(relay, token) for _ in range(3)]
        async with relay.sessions.begin() as session:
            await revoke_token(session, ACTOR, token.id, is_leaked=True)
        assert [await state_of(relay, id_) for id_ in waiting] == ["failed"] * 3
        assert await relay.account() == (10_000_000, 2 * CLIP_MICROS)
        assert (await relay.audit()).ok


async def test_a_worker_sends_what_waits_as_slots_become_free(database_url: str) -> None:
    """By itself, before a Kling that has one slot and says so: eight come one after the other."""
    sandbox = SandboxSettings(task_seconds=0.05, concurrency=1, public_url=SANDBOX_URL)
    async with running_relay(
        database_url, sandbox=sandbox, with_worker=True, refresh_s=0.05
    ) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        answers = [await create(relay, token) for _ in range(8)]
        ids = [answer.json()["data"]["task_id"] for answer in answers]

        async def all_ended() -> bool:
            shown = [(await relay.get(token, id_)).json()["data"]["task_status"] for id_ in ids]
            return shown == ["succeed"] * 8

        await wait_until(all_ended)

        assert await relay.account() == (10_000_000 - 8 * CLIP_MICROS, 0)
        assert (await relay.audit()).ok


async def test_a_task_of_two_point_oh_waits_in_its_own_words(database_url: str) -> None:
    async with full_relay(database_url) as (relay, hosts):
        token = await relay.add_tenant()
        await set_room(relay, "main", {"video": 0})
        path = "/kling/text-to-video/kling-3.0"
        body = {"contents": [{"type": "prompt", "text": "a fox"}]}
        headers = bearer(token) | WAITS

        answer = (await relay.client.post(path, json=body, headers=headers)).json()

        data = answer["data"]
        at = data["create_time"]
        assert data == {
            "id": data["id"],
            "status": "submitted",
            "create_time": at,
            "update_time": at,
            "external_id": "",
        }
        hosts.creates["main"] = success({"id": "n-1", "status": "submitted", "create_time": 1})
        await set_room(relay, "main", {"video": 1})
        await turn(relay)
        url, sent = hosts.kling.calls[-1].url, hosts.kling.calls[-1].body
        assert url == "http://main.test/text-to-video/kling-3.0"
        assert sent["contents"] == body["contents"]
        many = await relay.client.get(f"/kling/tasks?task_ids={data['id']}", headers=headers)
        (shown,) = many.json()["data"]
        assert (shown["id"], shown["status"], shown["create_time"]) == (data["id"], "submitted", at)
