"""A broken connection says nothing of a submit: what was written is found, the rest is written."""

import asyncio
import io
import json
from typing import Any

import asyncpg
import msgspec
import pytest

from relay.database.batch import Batcher
from relay.database.engine import dsn, open_pool
from relay.database.ids import TaskId
from relay.database.line import DatabaseUnavailable, Line, connector
from relay.errors import Unavailable
from relay.kling.task_object import read_task
from relay.kling.transport import MaybeSent, Reply
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Door, Via
from relay.tasks.hold import Holder
from relay.tasks.learn import Learner
from relay.tasks.outbox import Move, Outbox
from relay.tasks.retries import Client, Retries
from relay.tasks.statements import MOVE_CHANNEL, ChannelRow, OnceRow
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.underquotes import Underquotes
from tests.database.broken import DeafConnect, LateConnect, away, cut_connections, set_away
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, bearer, running_relay
from tests.tasks.holding import hold_row, hold_tasks
from tests.tasks.scripted_kling import Call, ScriptedKling, refusal, success
from tests.waiting import settle_for, wait_until

QUOTA_MICROS = 10 * CLIP_MICROS
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)
MADE = {"task_id": "k1", "task_status": "submitted"}


@pytest.mark.parametrize(
    ("quota_micros", "once"),
    [(QUOTA_MICROS, None), (CLIP_MICROS, None), (CLIP_MICROS, OnceRow("key", b"x" * 32))],
    ids=["more", "just enough", "with a key"],
)
async def test_a_hold_that_committed_unheard_is_found(
    books: str, quota_micros: int, once: OnceRow | None
) -> None:
    """Run again it holds nothing more, and is not refused for the quota that it holds itself."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=quota_micros)
        connect = DeafConnect(connector(dsn(books)))
        line = Line(connect, durable=True)
        holder = Holder(line, currency="USD")

        held = await holder.take(await hold_row(relay, token), once=once)
        assert isinstance(held, TaskRow)
        await holder.aclose()
        await line.aclose()

        rows = await relay.rows("SELECT id, injected_id FROM tasks")
        assert [tuple(row) for row in rows] == [(held.id, held.injected_id)]
        assert connect.times == 2
        assert await relay.account() == (quota_micros, CLIP_MICROS)


async def test_a_hold_that_ended_unheard_is_not_this_submits_to_send(books: str) -> None:
    """Given back meanwhile, as by a look after its deadline: refused, and not taken again."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        line = Line(connector(dsn(books)), durable=True)
        holder = Holder(line, currency="USD")
        row = await hold_row(relay, token)

        held = await holder.take(row)
        again = await holder.take(row)
        assert isinstance(held, TaskRow)
        await relay.end(held, TaskState.REFUSED, Via.LOOK)
        with pytest.raises(Unavailable):
            await holder.take(row)
        await holder.aclose()
        await line.aclose()

        assert isinstance(again, TaskRow)
        assert again.id == held.id
        assert await relay.account() == (QUOTA_MICROS, 0)


async def test_a_hold_that_commits_beside_its_second_try_is_found(books: str) -> None:
    """Both wait for the account: the second try began to look before the first one committed, and
    is refused for the quota that the submit itself holds."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=CLIP_MICROS)
        blocker = await asyncpg.connect(dsn(books))
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM accounts FOR UPDATE")

        async def are_waiting(number: int) -> bool:
            (row,) = await relay.rows(waiting)
            return bool(row["count"] == number)

        connect = LateConnect(connector(dsn(books)), lambda: are_waiting(1))
        line = Line(connect, durable=True)
        holder = Holder(line, currency="USD")
        taking = asyncio.create_task(holder.take(await hold_row(relay, token)))
        await wait_until(lambda: are_waiting(2))
        await transaction.rollback()

        held = await taking
        await connect.aclose()
        await holder.aclose()
        await line.aclose()
        await blocker.close()

        assert isinstance(held, TaskRow)
        rows = await relay.rows("SELECT id FROM tasks")
        assert [row["id"] for row in rows] == [held.id]
        assert await relay.account() == (CLIP_MICROS, CLIP_MICROS)


async def test_a_call_that_was_charged_unheard_is_told_its_charge(books: str) -> None:
    """Run again, the end changes nothing; the tenant hears what the first run charged."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        await relay.rows("UPDATE tasks SET endpoint = 'tts'")
        call = msgspec.structs.replace(task, endpoint_name="tts")
        line = Line(DeafConnect(connector(dsn(books))), durable=True)
        door = Door(ends=line, refusals=line, records=line)
        parts = relay.parts.kling
        learner = Learner(
            door, parts.asker, parts.catalogue, Underquotes(relay.sessions), relay.parts.store.pool
        )
        news = read_task(b'{"task_status":"succeed","final_unit_deduction":"2"}')

        finished = await learner.learn(call, news, via=Via.SUBMIT, look_after_s=None)
        await door.aclose()
        await line.aclose()

        assert (finished.moved, finished.charged_micros) == (False, 280_000)
        assert await relay.account() == (QUOTA_MICROS - 280_000, 0)


async def test_a_move_that_committed_unheard_is_made_once(books: str) -> None:
    """The row names the second channel, the first one as tried, and one event tells of it."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        second = await relay.add_channel("second")
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        line = Line(DeafConnect(connector(dsn(books))), durable=True)
        moves = Batcher(line, MOVE_CHANNEL, is_idempotent=True)

        moved = await moves.run(ChannelRow(TaskId(task.id), second, "busy"))
        await moves.aclose()
        await line.aclose()

        assert moved is not None
        row = await relay.row("SELECT channel_id, channels_tried FROM tasks")
        assert tuple(row) == (second, [task.channel_id])
        events = await relay.rows("SELECT 1 FROM task_events WHERE kind = 'task.channel_changed'")
        assert len(events) == 1


async def test_a_join_that_committed_unheard_is_the_same_join(books: str) -> None:
    """Of two equal creates that nobody heard it takes one; a mark that comes late takes none back.

    So the next two retries are the other one's, and a task of their own.
    """
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        firsts = await hold_tasks(relay, token, 2)
        pool = await open_pool(books)
        connect = DeafConnect(connector(dsn(books)))
        lines = [Line(connector(dsn(books)), durable=True), Line(connect, durable=True)]
        sound, deaf = (Retries(refusals=line, reads=line, pool=pool) for line in lines)

        def client(request_id: str) -> Client[TaskId]:
            return Client(sound, request_id=request_id, path="text2video ", body=b"{}", key=None)

        for task in firsts:
            gone = client(task.request_id)
            gone.await_task(task.id)
            await gone.give_up()

        joined = [await deaf.join(client("second"), token_id=token.id)]
        late = client(firsts[0].request_id)
        late.await_task(firsts[0].id)
        await late.give_up()
        joined += [await sound.join(client(name), token_id=token.id) for name in ("third", "4th")]
        for retries in (sound, deaf):
            await retries.aclose()
        for line in lines:
            await line.aclose()
        await pool.close()

        assert connect.times == 2
        assert joined == [firsts[0].id, firsts[1].id, None]


@pytest.mark.parametrize("is_away", [False, True], ids=["cut", "away"])
async def test_a_failover_survives_the_databases_own(books: str, *, is_away: bool) -> None:
    """Connections die, or the database is gone for a moment, while the first channel refuses."""

    async def answer(call: Call) -> Reply:
        if "//second.test/" in call.url:
            return success(MADE)
        if is_away:
            await set_away(books, is_away=True)
            back.append(asyncio.create_task(come_back(books)))
        else:
            assert await cut_connections(books) > 0
        return refusal(429, 1302)

    back: list[asyncio.Task[None]] = []
    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel("first", base_url="http://first.test", priority=2)
        await relay.add_channel("second", base_url="http://second.test", priority=1)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)
        await asyncio.gather(*back)

        assert response.json()["data"]["task_id"] == "k1"
        assert kling.posts_to("second.test") == 1
        assert (await relay.row("SELECT state FROM tasks"))["state"] == "submitted"


async def come_back(database_url: str) -> None:
    await settle_for(0.4, because="the first tries must find it gone")
    await set_away(database_url, is_away=False)


@pytest.mark.parametrize("path", ["/v1/videos/text2video", "/v1/audio/tts"])
async def test_what_kling_made_is_recorded_once_the_database_is_back(books: str, path: str) -> None:
    """The tenant waits, is given the id or the result, and finds it; a call is charged once."""

    async def answer(_: Call) -> Reply:
        await set_away(books, is_away=True)
        back.append(asyncio.create_task(come_back(books)))
        if path.endswith("tts"):
            return success({"audios": [{"id": "a1"}], "final_unit_deduction": "0.03"})
        return success(MADE)

    back: list[asyncio.Task[None]] = []
    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tts = {"text": "hello", "voice_id": "genshin_vindi2", "voice_language": "en"}

        made = await relay.submit(token, tts if path.endswith("tts") else CLIP, path=path)
        await asyncio.gather(*back)

        assert made.status_code == 200
        row = await relay.row("SELECT state, charged_micros, kling_id FROM tasks")
        if path.endswith("tts"):
            assert tuple(row) == ("succeed", 4_200, None)
            assert made.json()["data"]["final_unit_deduction"] == "0.03"
            assert await relay.account() == (QUOTA_MICROS - 4_200, 0)
        else:
            assert tuple(row) == ("submitted", None, "k1")


async def test_what_kling_did_not_make_is_told_once_the_database_is_back(books: str) -> None:
    """A refusal gives the hold back, and what has no verdict is looked up in seconds: neither is
    left to its deadline."""

    async def answer(call: Call) -> Reply:
        await set_away(books, is_away=True)
        back.append(asyncio.create_task(come_back(books)))
        if call.body["prompt"] == "refused":
            return refusal(400, 1201)
        raise MaybeSent("ReadTimeout")

    back: list[asyncio.Task[None]] = []
    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        statuses = []
        for prompt in ("refused", "unheard"):
            statuses.append((await relay.submit(token, {**CLIP, "prompt": prompt})).status_code)
            await asyncio.gather(*back)

        rows = await relay.rows(
            "SELECT state, next_look_at < now() + interval '10 seconds' AS is_looked_up"
            " FROM tasks ORDER BY id"
        )
        assert statuses == [400, 504]
        assert [tuple(row) for row in rows] == [("refused", None), ("unknown", True)]
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


SUBMITTED = {"task_id": "k1", "task_status": "submitted", "task_info": {}}
REQUESTS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/videos/text2video", CLIP),
    ("POST", "/v1/videos/text2video", {**CLIP, "mode": "no such"}),
    ("GET", "/v1/videos/text2video/k1", None),
    ("GET", "/v1/videos/text2video/nothing", None),
    ("GET", "/v1/videos/text2video?pageNum=1&pageSize=10", None),
    ("GET", "/tasks?task_ids=k1,nothing", None),
    ("POST", "/tasks", {}),
    ("GET", "/account/costs?start_time=0&end_time=1", None),
    ("POST", "/account/billing/package", {}),
    ("POST", "/account/billing/balance", {}),
    ("GET", "/relay/deliveries", None),
    ("GET", "/relay/deliveries/1", None),
]


async def ask(relay: Relay, token: Any, method: str, path: str, body: Any) -> tuple[int, int]:
    content = {} if body is None else {"json": body}
    answer = await relay.client.request(method, path, headers=bearer(token), **content)
    return answer.status_code, answer.json()["code"]


async def test_no_fault_of_the_database_is_called_a_bug(books: str, logged: io.StringIO) -> None:
    """Whatever is asked, cut or away: an answer, or 503/5001 and one line without a traceback."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        whole = [await ask(relay, token, *request) for request in REQUESTS]
        task = await relay.row("SELECT injected_id, channel_id FROM tasks LIMIT 1")
        found: dict[str, list[tuple[int, int]]] = {"cut": [], "away": []}

        for request in REQUESTS:
            await cut_connections(books)
            found["cut"].append(await ask(relay, token, *request))
        async with away(books):
            for request in REQUESTS:
                found["away"].append(await ask(relay, token, *request))
                relay.read_anew()
            called = await relay.call_back_on(task["injected_id"], task["channel_id"], SUBMITTED)

        for name, answers in found.items():
            wrong = [
                (name, request[:2], answer)
                for request, before, answer in zip(REQUESTS, whole, answers, strict=True)
                if answer not in (before, (503, 5001))
            ]
            assert wrong == []
        assert (called.status_code, called.json()["code"]) == (503, 5001)
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [line for line in lines if "exception" in line] == []
    errors = {line["event"] for line in lines if line["level"] == "error"}
    assert errors >= {"request.failed", "callback.failed"}


async def test_a_fault_beside_a_task_is_one_line_too(books: str, logged: io.StringIO) -> None:
    """A follower that met it, and an underquote that could not be counted."""

    async def follow(_: Move) -> None:
        raise DatabaseUnavailable

    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        outbox = Outbox(relay.parts.store.pool, {"one": follow})

        await outbox.handle(Move(1, task.id, "one", "submitted"))
        async with away(books):
            await Underquotes(relay.sessions).note(task, 2 * CLIP_MICROS)

    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    errors = [line for line in lines if line["level"] == "error"]
    assert [line["event"] for line in errors] == [
        "outbox.follower_failed",
        "price.underquote_not_counted",
    ]
    assert not any("exception" in line for line in errors)
