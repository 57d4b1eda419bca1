"""What happens to tasks of the studio's, heard at two relays on one database.

One sandbox and two relays for all of them: what a test begins is its own tenant's.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.desk.tokens import revoke_token
from relay.tenants.tokens import IssuedToken
from tests.clones import cloned
from tests.e2e.processes import free_port
from tests.e2e.streams import Heard, listening, socket
from tests.e2e.world import World, open_world
from tests.relay_app import ACTOR, bearer
from tests.waiting import PATIENCE_S, wait_until

RUNS = 50
ENDS = ("completed", "failed", "cancelled")
EVENTS = """
SELECT e.xact::text::bigint AS xact, e.id FROM run_events e JOIN tenants t ON t.id = e.tenant_id
WHERE t.name = $1 ORDER BY e.xact, e.id
"""


class Both(World):
    """Two relays: tasks are made at the first, and heard at the other."""

    other = 0

    async def make(self, token: IssuedToken, prompt: str = "a red fox") -> str:
        answer = await self.http.post(
            f"{self.url}/api/kling/text-to-video",
            headers=bearer(token),
            json={"prompt": prompt, "duration": 5},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["task_id"])

    def events(self, task_id: str | None = None, *, at: int | None = None) -> str:
        path = "/api/kling/events" if task_id is None else f"/api/kling/ai-task/{task_id}/events"
        return f"http://127.0.0.1:{at or self.other}{path}"


@pytest.fixture(scope="module")
async def both(
    postgres_server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Both]:
    folder: Path = tmp_path_factory.mktemp("events")
    async with cloned(postgres_server, template) as url, open_world(url, folder) as world:
        world.__class__ = Both
        assert isinstance(world, Both)
        world.other = free_port()
        await world.add_channel(base_url=world.kling_url)
        async with (
            world.started_relay(studio=True),
            world.started_relay(studio=True, port=world.other),
        ):
            yield world


def place(heard_id: str) -> tuple[int, int]:
    xact, id_, _ = heard_id.split(".")
    return int(xact), int(id_)


async def all_of(both: Both, token: IssuedToken, url: str, **headers: str) -> list[Heard]:
    """Listen until the stream ends by itself."""
    async with asyncio.timeout(PATIENCE_S), listening(both.http, url, token, **headers) as heard:
        return [one async for one in heard]


async def test_one_task_is_told_at_another_relay_until_it_ends(both: Both) -> None:
    """Its state first, then each move; percentages never go back; then nothing more to tell."""
    token = await both.add_tenant("one")
    task_id = await both.make(token)

    heard = await all_of(both, token, both.events(task_id), accept_language="zh-CN")

    told = [one.data for one in heard if one.event == "progress"]
    assert {one["task_id"] for one in told} == {task_id}
    assert told[-1]["status"] == "completed"
    assert told[-1]["progress"] == 100
    assert told[-1]["output_url"].startswith("http")
    assert told[-1]["status_message"] == "已完成"
    percents = [one["progress"] for one in told]
    assert percents == sorted(percents)
    assert all(percent < 100 for percent in percents[:-1])
    last_id = next(one.id for one in reversed(heard) if one.id)
    again = await both.http.get(
        both.events(task_id), headers=bearer(token) | {"Last-Event-ID": last_id}
    )
    assert again.status_code == 204


async def test_nothing_is_lost_or_repeated_however_often_it_is_cut(both: Both) -> None:
    """Fifty tasks, a stream that breaks off after every few messages, at one relay or the other."""
    token = await both.add_tenant("cut", quota_micros=1_000_000_000)
    chance = random.Random(15)
    moves: list[Heard] = []
    ended: set[str] = set()
    last_id, cuts, is_open = "", 0, asyncio.Event()

    async def listen() -> None:
        nonlocal last_id, cuts
        while len(ended) < RUNS:
            url = both.events(at=chance.choice((both.port, both.other)))
            headers = {"last_event_id": last_id} if last_id else {}
            left = chance.randrange(1, 20)
            async with listening(both.http, url, token, **headers) as heard:
                async for one in heard:
                    last_id = one.id or last_id
                    is_open.set() if last_id else None
                    assert one.event != "reset"
                    if one.event == "progress" and one.id:
                        moves.append(one)
                        left -= 1
                        if one.data["status"] in ENDS:
                            ended.add(one.data["task_id"])
                    if not left or len(ended) == RUNS:
                        break
            cuts += 1

    listener = asyncio.create_task(listen())
    await asyncio.wait_for(is_open.wait(), PATIENCE_S)
    at_once = asyncio.Semaphore(4)

    async def make(number: int) -> str:
        async with at_once:
            return await both.make(token, f"fox {number}")

    made = await asyncio.gather(*(make(number) for number in range(RUNS)))
    await asyncio.wait_for(listener, PATIENCE_S)

    assert ended == set(made)
    written = [(row["xact"], row["id"]) for row in await both.rows(EVENTS, "cut")]
    heard_of = [place(one.id or "") for one in moves]
    assert heard_of == written, "each once, in their order"
    assert cuts > 5


async def test_another_tenants_tasks_are_none(both: Both) -> None:
    """Neither asked for by their id nor among all, by events or by WebSocket."""
    mine, theirs = await both.add_tenant("mine"), await both.add_tenant("theirs")
    secret = await both.make(theirs)

    refused = await both.http.get(both.events(secret), headers=bearer(mine))
    async with (
        asyncio.timeout(PATIENCE_S),
        socket(both.other, mine) as ws,
        listening(both.http, both.events(), mine) as heard,
    ):
        first = await ws.hear()
        await ws.say(subscribe=secret)
        answer = await ws.hear()
        await both.make(theirs)
        own = await both.make(mine)
        by_socket = await until_end(ws.hear)
        by_events = await until_end(lambda: next_data(heard))

    assert refused.status_code == 400, refused.text
    assert refused.json()["error_code"] == 1201
    assert (first["event"], answer["event"]) == ("here", "error")
    assert answer["data"]["error_code"] == 1201
    assert {one["task_id"] for one in by_socket} == {own}
    assert {one["task_id"] for one in by_events} == {own}


async def next_data(heard: Any) -> Any:
    while (one := await anext(heard)).event != "progress":
        pass
    return {"data": one.data}


async def until_end(hear: Any) -> list[Any]:
    """Hear of tasks until one has ended."""
    told: list[Any] = []
    while not told or told[-1]["status"] not in ENDS:
        message = await hear()
        told.append(message["data"])
    return told


async def test_a_socket_tells_the_same(both: Both) -> None:
    """By a token in its first message; of one task once that is named; again from a place."""
    token = await both.add_tenant("socket")
    task_id = await both.make(token)
    async with asyncio.timeout(PATIENCE_S):
        await all_of(both, token, both.events(task_id))
        async with socket(both.other) as ws:
            await ws.say(token=token.api_key)
            here = await ws.hear()
            await ws.say(ping=7)
            pong = await ws.hear()
            await ws.say(fly=1)
            unknown = await ws.hear()
            other = await both.make(token)
            await ws.say(subscribe=task_id)
            told = [await ws.hear()]
            while told[-1].get("data", {}).get("task_id") != task_id:
                told.append(await ws.hear())
            await both.make(token)
            again = await both.make(token)
            await ws.say(subscribe=again)
            of_last = await until_end(lambda: next_of(ws, again))
        async with socket(both.other, token, f"/api/kling/ws?last_event_id={here['id']}") as ws:
            missed = [await ws.hear() for _ in range(5)]

    assert here["event"] == "here"
    assert pong == {"event": "pong", "data": 7}
    assert (unknown["event"], unknown["data"]["error_code"]) == ("error", 1200)
    assert told[-1]["data"]["status"] == "completed"
    assert of_last[-1]["status"] == "completed"
    assert missed[0] == {"event": "here", "id": here["id"]}
    assert missed[1]["data"]["task_id"] == other
    places = [place(one["id"]) for one in missed[1:]]
    assert places == sorted(set(places))
    assert places[0] > place(here["id"])


async def next_of(ws: Any, task_id: str) -> Any:
    while (message := await ws.hear()).get("data", {}).get("task_id") != task_id:
        pass
    return message


async def test_who_is_not_let_in_is_told_so(both: Both) -> None:
    """By HTTP where the handshake has a key, by a message and 4401 where the first message has."""
    token = await both.add_tenant("ended")
    async with asyncio.timeout(PATIENCE_S):
        async with socket(both.other) as ws:
            await ws.say(token="sk-wrong")
            over, nothing = await ws.hear(), await ws.hear()
            code = ws.closed
        async with (
            socket(both.other, token) as ws,
            listening(both.http, both.events(), token) as heard,
        ):
            await ws.hear()
            await anext(heard)
            async with both.sessions.begin() as session:
                await revoke_token(session, ACTOR, token.id)
            ended = await ws.hear()
            await ws.hear()
            last = [one async for one in heard][-1]
        async with socket(both.other, token) as refused:
            body = await refused.hear_refusal()

    assert (over["event"], nothing, code) == ("over", None, 4401)
    assert (ended["event"], ws.closed) == ("over", 4401)
    assert last.event == "over"
    assert last.data["error_code"] == 1002
    assert (refused.status, body["error_code"]) == (401, 1002)


async def test_an_id_that_nobody_can_go_on_from_begins_anew(both: Both) -> None:
    """Too old, of another database, or nonsense: `reset`, and then the state as it is."""
    token = await both.add_tenant("reset")
    task_id = await both.make(token)
    await all_of(both, token, both.events(task_id))
    for stale in ("1.1.1", f"{2**62}.1.{int(time.time())}", "yesterday"):
        heard = await all_of(both, token, both.events(task_id), last_event_id=stale)

        assert [one.event for one in heard if one.event] == ["reset", "progress"], stale


async def test_streams_are_bounded(both: Both) -> None:
    """The twenty-first of a tenant is told to come later; others are not concerned."""
    token, other = await both.add_tenant("many"), await both.add_tenant("few")
    headers = bearer(token)
    limits = httpx.Limits(max_connections=30)
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False, limits=limits) as http:
        open_ = [http.stream("GET", both.events(), headers=headers) for _ in range(20)]
        answers = [await stream.__aenter__() for stream in open_]
        refused = await http.get(both.events(), headers=headers)
        async with socket(both.other, token) as ws:
            status = ws.status
        async with listening(http, both.events(), other) as heard:
            first = await anext(heard)
        for stream in open_:
            await stream.__aexit__(None, None, None)

        # Those that hung up are forgotten.
        async def has_room() -> bool:
            async with http.stream("GET", both.events(), headers=headers) as answer:
                return answer.status_code == 200

        await wait_until(has_room)

    assert {answer.status_code for answer in answers} == {200}
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "15")
    assert refused.json()["error_code"] == 1302
    assert status == 429
    assert first.comment == "here"


async def test_streams_end_when_the_relay_stops(both: Both) -> None:
    """All at once, long before the drain is over, and the process ends as it should."""
    token = await both.add_tenant("stop")
    port = free_port()
    async with both.started_relay(studio=True, port=port) as third:
        async with (
            asyncio.timeout(PATIENCE_S),
            socket(port, token) as ws,
            socket(port) as stranger,
            listening(both.http, both.events(at=port), token) as heard,
        ):
            await ws.hear()
            await anext(heard)
            began = time.monotonic()
            third.terminate()
            left = [one async for one in heard]
            after = [await ws.hear(), await stranger.hear()]
            took_s = time.monotonic() - began
        code = await third.ended()

    assert not [one for one in left if one.event]
    assert after == [None, None]
    assert (ws.closed, stranger.closed) == (1012, 1012)
    assert took_s < 5
    assert code == 0
