"""SIGKILL of the relay at each point of a submit; the next relay ends it by Kling's log."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg

from relay.tenants.tokens import IssuedToken
from tests.e2e.gate import open_gate, silent_peer
from tests.e2e.world import World
from tests.relay_app import CLIP_MICROS
from tests.waiting import wait_until

WAITING_TO_RECORD = """
SELECT FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'kling-relay batcher'
    AND wait_event_type = 'Lock'
"""


async def test_killed_before_sending(world: World) -> None:
    """The row and its hold are there, Kling got no byte: after the looks the hold is released."""
    token = await world.add_tenant()
    async with silent_peer() as nowhere:
        channel_id = await world.add_channel(base_url=nowhere)
        async with world.started_relay() as relay, submitting(world, token, "a fox"):
            before = await world.held()
            relay.kill()
    await world.rows("UPDATE channels SET base_url = $2 WHERE id = $1", channel_id, world.kling_url)

    async with world.started_relay():
        await world.settle()
        answer = await world.ask(token, "order-1")

    assert (before["state"], before["hold_micros"]) == ("pending", CLIP_MICROS)
    assert await world.kling_log() == []
    assert [task["state"] for task in await world.tasks()] == ["refused"]
    assert (answer.status_code, answer.json()["code"]) == (400, 1201)
    assert await world.account() == (10_000_000, 0)
    await world.check_books()


async def test_killed_after_sending(world: World) -> None:
    """Kling accepted and has not answered: the task is found by the external id and charged."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    async with world.started_relay() as relay, submitting(world, token, "a fox [delay 30]"):
        (accepted,) = await world.kling_accepted()
        relay.kill()
    before = await world.tasks()

    async with world.started_relay():
        await world.settle()
        answer = await world.ask(token, "order-1")

    assert [(task["state"], task["kling_id"]) for task in before] == [("pending", None)]
    assert answer.json()["data"]["task_id"] == accepted["task_id"]
    assert answer.json()["data"]["task_status"] == "succeed"
    assert await world.account() == (10_000_000 - CLIP_MICROS, 0)
    await world.check_books()


async def test_killed_before_recording(world: World) -> None:
    """Kling's answer is in the relay, whose record waits for a lock: charged once, all the same."""
    token = await world.add_tenant()
    guard = await asyncpg.connect(world.database_url)
    async with open_gate(world.kling_url) as gate:
        await world.add_channel(base_url=gate.url)
        gate.hold_replies()
        async with world.started_relay() as relay, submitting(world, token, "a fox"):
            (accepted,) = await world.kling_accepted()
            lock = guard.transaction()
            await lock.start()
            (before,) = await guard.fetch("SELECT * FROM tasks FOR UPDATE")
            gate.let_replies_pass()
            await wait_until(lambda: world.rows(WAITING_TO_RECORD))
            relay.kill()
        # Its statement would still run, should the lock end before its server notices.
        await wait_until(lambda: nothing_waits(world))
        await lock.rollback()
        await guard.close()
        recorded = await world.tasks()

        async with world.started_relay():
            await world.settle()
            answer = await world.ask(token, "order-1")

    assert before["state"] == "pending"
    assert [(task["state"], task["kling_id"]) for task in recorded] == [("pending", None)]
    assert answer.json()["data"]["task_id"] == accepted["task_id"]
    assert await world.account() == (10_000_000 - CLIP_MICROS, 0)
    await world.check_books()


async def nothing_waits(world: World) -> bool:
    return not await world.rows(WAITING_TO_RECORD)


@contextlib.asynccontextmanager
async def submitting(world: World, token: IssuedToken, prompt: str) -> AsyncIterator[None]:
    """A tenant's submit that is under way, and whose answer may never come."""
    sending = asyncio.create_task(
        world.send(token, {"prompt": prompt, "external_task_id": "order-1"})
    )
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
