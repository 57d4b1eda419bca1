"""The worker's looks: they end tasks without callbacks, one at a time, and never too often."""

import asyncio
from collections import Counter

import pytest

from relay.kling.transport import Reply
from relay.sandbox.settings import SandboxSettings
from tests.ledger.books import queries_seen
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.tasks.holding import hold_tasks, read_row, told
from tests.tasks.looking import ended_at_kling, let_time_pass, look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, success
from tests.waiting import play_slow, wait_until

QUOTA_MICROS = 100 * CLIP_MICROS
QUICK = SandboxSettings(task_seconds=0.05, public_url=SANDBOX_URL)
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)


async def test_tasks_end_without_any_callback(books: str) -> None:
    """With the loops alone: successes are charged, a failure is given back, nobody asked."""
    async with running_relay(books, sandbox=QUICK, with_worker=True, refresh_s=0.1) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await asyncio.gather(*(relay.submit(token) for _ in range(5)))
        await relay.submit(token, {**CLIP, "prompt": "a fox [fail]"})

        async def have_ended() -> bool:
            return not await relay.rows("SELECT 1 FROM tasks WHERE hold_ended_at IS NULL")

        await wait_until(have_ended)

        states = await relay.rows("SELECT state, count(*) FROM tasks GROUP BY state")
        assert dict(map(tuple, states)) == {"succeed": 5, "failed": 1}
        assert await relay.account() == (QUOTA_MICROS - 5 * CLIP_MICROS, 0)


async def test_two_workers_never_look_at_one_task_at_the_same_time(books: str) -> None:
    """Forty due tasks, two replicas with their loops: one question each, none of them doubled."""
    asking: Counter[str] = Counter()
    most_at_once = 0

    async def slow(call: Call) -> Reply:
        nonlocal most_at_once
        asking[call.key] += 1
        most_at_once = max(most_at_once, asking[call.key])
        await play_slow(0.1)
        asking[call.key] -= 1
        task = next(task for task in tasks if call.key in (task.injected_id, f"k{task.id}"))
        return success({**told(task, "processing"), "task_id": f"k{task.id}"})

    kling = ScriptedKling(slow)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relay, token, 40)
        async with (
            running_relay(books, beside=relay, transport=kling, with_worker=True, refresh_s=60),
            running_relay(books, beside=relay, transport=kling, with_worker=True, refresh_s=60),
        ):
            await relay.rows("UPDATE tasks SET next_look_at = now()")

            async def have_moved() -> bool:
                return not await relay.rows("SELECT 1 FROM tasks WHERE state = 'pending'")

            await wait_until(have_moved)

    assert most_at_once == 1
    assert len(kling.calls) == 40


async def test_a_worker_that_died_at_a_look_loses_nothing(books: str) -> None:
    """Its lease keeps others away for a minute; then another worker takes the task and ends it."""
    async with (
        running_relay(books, sandbox=QUICK) as dying,
        running_relay(books, beside=dying) as living,
    ):
        await dying.add_channel()
        token = await dying.add_tenant(quota_micros=QUOTA_MICROS)
        await dying.submit(token)
        await dying.rows("UPDATE tasks SET next_look_at = now()")

        taken = await dying.parts.tasks.looker.claim_due(10)
        meanwhile = await living.parts.tasks.looker.claim_due(10)
        await let_time_pass(dying, 61 / 3600)
        await ended_at_kling(dying)
        again = await living.parts.tasks.looker.claim_due(10)
        for leased in again:
            await living.parts.tasks.looker.look(leased)

        assert (len(taken), len(meanwhile), len(again)) == (1, 0, 1)
        assert (taken[0].attempts, again[0].attempts) == (1, 2)
        assert await living.account() == (QUOTA_MICROS - CLIP_MICROS, 0)


async def test_a_worker_that_slept_past_its_lease_counts_nothing(books: str) -> None:
    """Its "not found" comes after another worker has taken over: it is not counted twice."""

    async def answer(_: Call) -> Reply:
        return not_found()

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await hold_tasks(relay, token)
        await let_time_pass(relay, 1)
        (sleeper,) = await relay.parts.tasks.looker.claim_due(1)
        await let_time_pass(relay, 1)
        (waker,) = await relay.parts.tasks.looker.claim_due(1)

        await relay.parts.tasks.looker.look(sleeper)
        after_sleeper = await relay.row("SELECT not_found, look_lease FROM tasks")
        await relay.parts.tasks.looker.look(waker)
        after_waker = await relay.row("SELECT not_found, look_lease FROM tasks")

        assert tuple(after_sleeper) == (0, waker.lease)
        assert tuple(after_waker) == (1, None)


async def _end_by_callback(relay: Relay, key: str) -> None:
    await relay.call_back(
        key, {"task_id": key, "task_status": "succeed", "final_unit_deduction": "3"}
    )


@pytest.mark.parametrize("first", ["look", "get"])
async def test_after_an_end_by_callback_kling_is_asked_once_more_and_never_again(
    books: str, first: str
) -> None:
    """By the look or by the tenant's first GET, whichever comes first; then by nobody."""
    async with running_relay(books, sandbox=QUICK, with_callbacks=True, refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        key = (await relay.submit(token)).json()["data"]["task_id"]
        await ended_at_kling(relay)
        await _end_by_callback(relay, key)
        before = queries_seen(relay.sandbox)

        if first == "look":
            await look_now(relay)
        shown = await relay.get(token, key)
        asked = queries_seen(relay.sandbox)
        for _ in range(3):
            await relay.get(token, key)
            await look_now(relay)
            await relay.call_back(key, {"task_id": key, "task_status": "succeed"})
        await let_time_pass(relay, 24)
        looked = await look_now(relay)

        assert (before, asked, queries_seen(relay.sandbox), looked) == (0, 1, 1, 0)
        assert shown.json()["data"]["task_result"]["videos"]
        row = await relay.row("SELECT is_reply_full, look_attempts FROM tasks")
        assert row["is_reply_full"]
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, 0)


async def test_concurrent_gets_across_replicas_ask_kling_once(books: str) -> None:
    """Forty pollers of one live task at two relays share one question."""
    async with (
        running_relay(books, sandbox=SLOW) as relay,
        running_relay(books, beside=relay) as other,
    ):
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        key = (await relay.submit(token)).json()["data"]["task_id"]
        await let_time_pass(relay, 1)

        answers = await asyncio.gather(
            *((relay, other)[number % 2].get(token, key) for number in range(40))
        )

        assert {answer.json()["data"]["task_id"] for answer in answers} == {key}
        assert queries_seen(relay.sandbox) == 1


async def test_a_flight_belongs_to_the_replica_that_claimed_it(books: str) -> None:
    """Two replicas have read the same row before either asked: the second one does not ask."""
    async with (
        running_relay(books, sandbox=SLOW) as relay,
        running_relay(books, beside=relay) as other,
    ):
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)
        await let_time_pass(relay, 1)
        task = await read_row(relay, (await relay.row("SELECT id FROM tasks"))["id"])

        asked = [
            await replica.parts.tasks.looker.refresh(task, wait_s=5)
            for replica in (relay, other, relay)
        ]

        assert asked == [True, False, False]
        assert queries_seen(relay.sandbox) == 1


async def test_a_success_whose_cost_kling_does_not_tell_waits_for_a_look(books: str) -> None:
    """A bare success callback while Kling cannot be asked moves nothing; the next look settles."""
    is_down = True

    async def answer(call: Call) -> Reply:
        if call.method == "POST":
            return success({"task_id": "k1", "task_status": "submitted"})
        if is_down:
            return Reply(502, "text/html", b"<html>")
        return success({"task_id": "k1", "task_status": "succeed", "final_unit_deduction": "2.5"})

    async with running_relay(books, transport=ScriptedKling(answer), with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)

        reply = await relay.call_back("k1", {"task_id": "k1", "task_status": "succeed"})
        held = await relay.account()
        due = await relay.row("SELECT next_look_at <= now() AS is_due, state FROM tasks")
        is_down = False
        await look_now(relay)

        assert reply.status_code == 200
        assert held == (QUOTA_MICROS, CLIP_MICROS)
        assert tuple(due) == (True, "submitted")
        assert await relay.account() == (QUOTA_MICROS - 350_000, 0)


async def test_looks_at_live_tasks_slow_down_with_age(books: str) -> None:
    """Just made: in seconds. A day old: in an hour at most. Never not at all."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)
        pause = "SELECT extract(epoch FROM next_look_at - now())::float8 AS s FROM tasks"

        await look_now(relay)
        young = (await relay.row(pause))["s"]
        await let_time_pass(relay, 24)
        await look_now(relay)
        old = (await relay.row(pause))["s"]

        assert 1 < young <= 4
        assert 3000 < old <= 3600
