"""A process that stops lets what it sends from the queue be answered, and sends nothing new."""

import asyncio

from relay.kling.transport import Reply
from relay.tasks.queue.send import LANDING_S
from tests.health.hosts import Hosts
from tests.health.test_room import set_room
from tests.queue.waiting_line import queued
from tests.relay_app import Relay, running_relay
from tests.tasks.scripted_kling import Call, ScriptedKling
from tests.waiting import settle_for, wait_until


class SlowHosts(Hosts):
    """Answers a create when it is told to."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.may_answer = asyncio.Event()
        self.kling = ScriptedKling(self._answer)

    async def _answer(self, call: Call) -> Reply:
        if call.method == "POST":
            await self.may_answer.wait()
        return await super()._answer(call)


async def test_what_is_being_sent_is_answered_and_nothing_else_is_sent(database_url: str) -> None:
    """SIGTERM while one of two that wait is at Kling: it ends `submitted`, the other waits on."""
    hosts = SlowHosts("main")
    async with running_relay(database_url, transport=hosts.kling, with_callbacks=True) as watcher:
        await hosts.add_to(watcher)
        await set_room(watcher, "main", {"video": 0})
        token = await watcher.add_tenant(quota_micros=100_000_000)
        first, second = [await queued(watcher, token) for _ in range(2)]
        async with running_relay(
            database_url,
            transport=hosts.kling,
            with_callbacks=True,
            with_worker=True,
            beside=watcher,
        ) as worker:
            await set_room(watcher, "main", {"video": 1})
            await wait_until(lambda: hosts.posts("main"))
            worker.app.state.stopping.set()
            await set_room(watcher, "main", {"video": 2})
            answering = asyncio.create_task(answer_late(hosts))
        states = await states_of(watcher)
        await answering

    assert states == {first: "submitted", second: "queued"}
    assert hosts.posts("main") == 1


async def answer_late(hosts: SlowHosts) -> None:
    await settle_for(LANDING_S * 1.5, because="who is not told that it stops cuts it by then")
    hosts.may_answer.set()


async def states_of(relay: Relay) -> dict[str, str]:
    rows = await relay.rows("SELECT public_id, state FROM tasks")
    return {row["public_id"]: row["state"] for row in rows}
