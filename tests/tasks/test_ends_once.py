"""Promise M1: a task is charged at most once, and exactly once if Kling ended it in success."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from relay.database.ids import TaskId
from relay.desk.tasks import refund, release, settle
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Via
from relay.tasks.tables import TaskState
from tests.ledger.books import accepted_ids
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.tasks.holding import hold_tasks, told
from tests.waiting import wait_until

QUOTA_MICROS = 10 * CLIP_MICROS
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)


async def open_replicas(stack: AsyncExitStack, database_url: str, count: int) -> list[Relay]:
    first = await stack.enter_async_context(
        running_relay(database_url, sandbox=SLOW, with_callbacks=True)
    )
    await first.add_channel()
    others = [
        await stack.enter_async_context(
            running_relay(database_url, beside=first, with_callbacks=True)
        )
        for _ in range(count - 1)
    ]
    return [first, *others]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_fifty_concurrent_success_callbacks_charge_once(books: str, replicas: int) -> None:
    """All fifty are answered 200; one entry, one delivery, the rest of the hold given back."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, replicas)
        token = await relays[0].add_tenant(quota_micros=QUOTA_MICROS)
        body = {**CLIP, "callback_url": "https://tenant.test/hook"}
        key = (await relays[0].submit(token, body)).json()["data"]["task_id"]
        task = await relays[0].task(key)
        end = {"task_id": key, "task_status": "succeed", "final_unit_deduction": "2.5"}

        answers = await asyncio.gather(
            *(
                relays[number % replicas].call_back_on(task["injected_id"], task["channel_id"], end)
                for number in range(50)
            )
        )

        assert {answer.status_code for answer in answers} == {200}
        assert await relays[0].account() == (QUOTA_MICROS - 350_000, 0)
        charges = await relays[0].rows("SELECT amount_micros FROM entries WHERE kind = 'charge'")
        assert [row["amount_micros"] for row in charges] == [-350_000]
        told_tenant = await relays[0].rows("SELECT 1 FROM deliveries WHERE task_status = 'succeed'")
        assert len(told_tenant) == 1


@pytest.mark.parametrize("replicas", [1, 2])
async def test_success_and_failure_at_the_same_time_charge_once(books: str, replicas: int) -> None:
    """Twenty-five of each, concurrently, for six tasks: each ends in success and one charge."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, replicas)
        token = await relays[0].add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relays[0], token, 6)

        await asyncio.gather(
            *(
                relays[number % replicas].call_back_on(
                    task.injected_id,
                    task.channel_id,
                    told(
                        task,
                        "succeed" if number % 4 < 2 else "failed",
                        final_unit_deduction="2",
                    ),
                )
                for number in range(50)
                for task in tasks
            )
        )

        rows = await relays[0].rows("SELECT state, charged_micros FROM tasks")
        assert {tuple(row) for row in rows} == {("succeed", 280_000)}
        assert await relays[0].account() == (QUOTA_MICROS - 6 * 280_000, 0)


async def test_a_failure_after_a_success_changes_nothing(books: str) -> None:
    """State, charge, entries, deliveries and the tenant's view stay; the callback is kept."""
    async with AsyncExitStack() as stack:
        (relay,) = await open_replicas(stack, books, 1)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        key = (await relay.submit(token)).json()["data"]["task_id"]
        await relay.call_back(
            key, {"task_id": key, "task_status": "succeed", "final_unit_deduction": "3"}
        )
        columns = "state, charged_micros, hold_ended_at, ended_at, reply, is_flagged, deduction"
        before = await relay.row(f"SELECT {columns} FROM tasks")

        answer = await relay.call_back(key, {"task_id": key, "task_status": "failed"})

        assert answer.status_code == 200
        assert await relay.row(f"SELECT {columns} FROM tasks") == before
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, 0)
        kept = await relay.rows("SELECT detail FROM task_events WHERE kind = 'callback'")
        assert [row["detail"] for row in kept] == ["succeed", "failed, changes nothing"]


async def test_a_live_state_never_goes_back(books: str) -> None:
    """After "processing", neither "submitted" nor our own doubt moves or tells the tenant."""
    async with AsyncExitStack() as stack:
        (relay,) = await open_replicas(stack, books, 1)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token, callback_url="https://tenant.test/hook")

        for status in ("processing", "submitted", "processing"):
            await relay.call_back_on(task.injected_id, task.channel_id, told(task, status))
        for state in (TaskState.UNKNOWN, TaskState.REFUSED):
            await relay.end(task, state, Via.SUBMIT, "no reply")

        assert (await relay.row("SELECT state FROM tasks"))["state"] == "processing"
        assert len(await relay.rows("SELECT 1 FROM deliveries")) == 1
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_a_callback_before_the_create_reply_was_recorded_counts(books: str) -> None:
    """Kling's callbacks overtake its reply: the row is still pending, and is charged once."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        prompt = {**CLIP, "prompt": "a fox [delay 0.4]"}
        submitting = asyncio.create_task(relay.submit(token, prompt))
        await wait_until(lambda: _has_accepted(relay))
        pending = await relay.row("SELECT injected_id, channel_id, state, kling_id FROM tasks")
        (key,) = accepted_ids(relay.sandbox)

        for status in ("processing", "succeed"):
            await relay.call_back_on(
                pending["injected_id"],
                pending["channel_id"],
                {
                    "task_id": key,
                    "task_status": status,
                    "final_unit_deduction": "2.5" if status == "succeed" else None,
                    "task_info": {"external_task_id": pending["injected_id"]},
                },
            )
        between = await relay.row("SELECT state, kling_id FROM tasks")
        reply = await submitting

        assert (pending["state"], pending["kling_id"]) == ("pending", None)
        assert tuple(between) == ("succeed", key)
        assert reply.json()["data"]["task_id"] == key
        after = await relay.row("SELECT state, kling_id, kling_request_id IS NOT NULL FROM tasks")
        assert tuple(after) == ("succeed", key, True)
        assert await relay.account() == (QUOTA_MICROS - 350_000, 0)


async def _has_accepted(relay: Relay) -> bool:
    return bool(accepted_ids(relay.sandbox))


async def test_the_operators_word_and_callbacks_at_once_end_a_task_once(books: str) -> None:
    """Settle, release and success callbacks race for twelve tasks: each has one end, one charge."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        relay = relays[0]
        token = await relay.add_tenant(quota_micros=20 * CLIP_MICROS)
        tasks = await hold_tasks(relay, token, 12)

        await asyncio.gather(
            *(
                act
                for task in tasks
                for act in (
                    relay.act(settle, task.id, "seen"),
                    relay.act(release, task.id, "gone"),
                    *(
                        replica.call_back_on(
                            task.injected_id,
                            task.channel_id,
                            told(task, "succeed", final_unit_deduction="2"),
                        )
                        for replica in relays
                        for _ in range(3)
                    ),
                )
            )
        )

        rows = await relay.rows(
            "SELECT t.state, t.charged_micros, count(e.id) AS charges FROM tasks t"
            " LEFT JOIN entries e ON e.task_id = t.id GROUP BY t.id"
        )
        assert {(row["state"], row["charges"]) for row in rows} == {("succeed", 1)}
        assert {row["charged_micros"] for row in rows} <= {280_000, CLIP_MICROS}
        assert (await relay.account())[1] == 0


def _done_once(*operations: bool) -> bool:
    return list(operations).count(True) == 1


async def test_settle_release_and_refund_are_done_once_each(books: str) -> None:
    """Of ten concurrent ones of each kind one is done; the quota moves once by each."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        settled, released = await hold_tasks(relay, token, 2)

        settles = await asyncio.gather(*(relay.act(settle, settled.id, "seen") for _ in range(10)))
        after_settle = await relay.account()
        releases = await asyncio.gather(
            *(relay.act(release, released.id, "gone") for _ in range(10))
        )
        after_release = await relay.account()
        refunds = await asyncio.gather(*(relay.act(refund, settled.id, "sorry") for _ in range(10)))

        assert _done_once(*settles)
        assert after_settle == (QUOTA_MICROS - CLIP_MICROS, CLIP_MICROS)
        assert _done_once(*releases)
        assert after_release == (QUOTA_MICROS - CLIP_MICROS, 0)
        assert _done_once(*refunds)
        assert await relay.account() == (QUOTA_MICROS, 0)
        kinds = await relay.rows("SELECT kind, reason FROM entries WHERE kind <> 'topup'")
        assert {tuple(row) for row in kinds} == {("charge", None), ("refund", "sorry")}


async def test_a_settle_that_comes_too_late_leaves_the_result_alone(books: str) -> None:
    """Charged by a callback, whose full reply is still to be asked for: the video stays."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        result = {"videos": [{"id": "v1", "url": "https://cdn.test/v1.mp4", "duration": "5"}]}
        done = told(task, "succeed", final_unit_deduction="3", task_result=result)
        await relay.call_back_on(task.injected_id, task.channel_id, done)

        settled = await relay.act(settle, task.id, "seen")

        assert not settled
        row = await relay.row("SELECT reply, is_reply_full, result_urls FROM tasks")
        assert row["result_urls"] == ["https://cdn.test/v1.mp4"]
        assert "v1.mp4" in row["reply"]
        assert not row["is_reply_full"]


async def test_what_was_not_charged_cannot_be_refunded(books: str) -> None:
    """Neither a live task, nor a released one, nor one that does not exist."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        live, released = await hold_tasks(relay, token, 2)
        await relay.act(release, released.id, "gone")

        refunds = [
            await relay.act(refund, number, "sorry")
            for number in (live.id, released.id, TaskId(4711))
        ]
        nothing = await relay.act(settle, TaskId(4711), "seen")

        assert not any((*refunds, nothing))
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_a_charge_that_was_refunded_is_not_charged_again(books: str) -> None:
    """Kling's late word about a task that the operator settled and refunded changes nothing."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        await relay.act(settle, task.id, "seen")
        await relay.act(refund, task.id, "sorry")

        await relay.call_back_on(
            task.injected_id, task.channel_id, told(task, "succeed", final_unit_deduction="3")
        )

        assert await relay.account() == (QUOTA_MICROS, 0)
