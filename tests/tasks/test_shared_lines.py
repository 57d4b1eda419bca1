"""What waits for a tenant's lock holds up nothing that other tenants wait for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx

from relay.database.engine import dsn
from relay.kling.transport import Reply
from tests.relay_app import CLIP, CLIP_MICROS, Relay, running_relay, signed
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, refusal, success
from tests.tasks.waiting import is_a_lock_waited_for
from tests.waiting import settle_for, wait_until

QUOTA_MICROS = 1000 * CLIP_MICROS
TRIES = 20
"""A statement waits 250 ms for a lock; a busy machine may take as long for anything."""
WAITING = """
    SELECT pid, xact_start FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
LOCK = """
    SELECT 1 FROM accounts JOIN tenants ON accounts.id = account_id WHERE name = 'blocked'
    FOR NO KEY UPDATE OF accounts
"""


@asynccontextmanager
async def sitting(database_url: str) -> AsyncIterator[Any]:
    """A session in a transaction that ends with the block."""
    connection = await asyncpg.connect(dsn(database_url))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def is_answered_meanwhile(
    relay: Relay, block: Callable[[], Awaitable[Any]], ask: Callable[[], Awaitable[Any]]
) -> bool:
    """Whether an answer comes while one and the same statement of `block` waits for its lock."""
    for _ in range(TRIES):
        blocked = asyncio.ensure_future(block())
        await wait_until(lambda: is_a_lock_waited_for(relay))
        before = await relay.rows(WAITING)
        await ask()
        after = await relay.rows(WAITING)
        await blocked
        if before and before == after:
            return True
    return False


def taken(call: Call) -> Reply:
    if call.method == "GET":
        return not_found()
    return success({"task_id": f"k-{call.body['external_task_id']}", "task_status": "submitted"})


async def test_a_hold_that_waits_delays_no_poll_no_token_and_no_end(books: str) -> None:
    """Of another tenant: each is answered before the hold has given up."""

    async def answer(call: Call) -> Reply:
        return taken(call)

    async with running_relay(books, transport=ScriptedKling(answer), with_callbacks=True) as relay:
        await relay.add_channel()
        blocked = await relay.add_tenant("blocked", quota_micros=QUOTA_MICROS)
        free = await relay.add_tenant("free", quota_micros=QUOTA_MICROS)
        asked = 0
        kling_ids = [(await relay.submit(free)).json()["data"]["task_id"] for _ in range(TRIES + 1)]
        await relay.call_back(kling_ids[-1], {"task_id": kling_ids[-1], "task_status": "failed"})
        await relay.submit(blocked)  # all lines are connected

        async def ask_with_a_new_jwt_and_end_a_task() -> None:
            nonlocal asked
            asked += 1
            bearer = f"Bearer {signed(free, sub=str(asked))}"
            found = await relay.client.get(
                f"/v1/videos/text2video/{kling_ids[-1]}", headers={"Authorization": bearer}
            )
            body = {"task_id": kling_ids[asked - 1], "task_status": "failed"}
            ended = await relay.call_back(kling_ids[asked - 1], body)
            assert (found.status_code, ended.status_code) == (200, 200)

        async with sitting(books) as session:
            await session.execute(LOCK)
            is_answered = await is_answered_meanwhile(
                relay, lambda: relay.submit(blocked), ask_with_a_new_jwt_and_end_a_task
            )

        assert is_answered


async def test_a_refusal_that_waits_delays_no_record_of_others(books: str) -> None:
    """Its account was locked after the hold; another tenant's submit is recorded meanwhile."""
    sessions: list[Any] = []

    async def answer(call: Call) -> Reply:
        if call.body.get("prompt") == "refuse it":
            await sessions[-1].execute(LOCK)
            return refusal(400, 1301)
        return taken(call)

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        blocked = await relay.add_tenant("blocked", quota_micros=QUOTA_MICROS)
        free = await relay.add_tenant("free", quota_micros=QUOTA_MICROS)
        await asyncio.gather(relay.submit(blocked), relay.submit(free))
        refused: list[httpx.Response] = []

        async def be_refused() -> None:
            async with sitting(books) as session:
                sessions.append(session)
                submit = asyncio.ensure_future(
                    relay.submit(blocked, {**CLIP, "prompt": "refuse it"})
                )
                await wait_until(lambda: is_a_lock_waited_for(relay))
                await settle_for(0.25, because="another is to be recorded meanwhile")
            refused.append(await submit)

        async def submit_another() -> None:
            assert (await relay.submit(free)).status_code == 200

        assert await is_answered_meanwhile(relay, be_refused, submit_another)
        assert {answer.status_code for answer in refused} == {400}
