"""A limit's count is what its tasks come to, however they end and whenever it was set."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from relay.desk.tasks import refund, release, settle
from relay.limits.tables import LimitKind
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Via
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from tests.limits.limiting import lift, limit, limits, pass_window, read_tokens_anew
from tests.relay_app import CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.tasks.holding import hold_tasks, read_row, told

SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)
MUCH = 1000 * CLIP_MICROS


async def end(relay: Relay, task: TaskRow, dice: random.Random) -> None:
    """One message about a task: an end, or its contrary, or what the operator does."""
    cost = str(dice.choice(["0", "1.5", "2", "3", "7"]))
    match dice.choice(["succeed", "failed", "unknown", "refused", "settle", "release", "refund"]):
        case "succeed" | "failed" as status:
            body = told(task, status, final_unit_deduction=cost)
            await relay.call_back_on(task.injected_id, task.channel_id, body)
        case "unknown":
            await relay.end(task, TaskState.UNKNOWN, Via.SUBMIT)
        case "refused":
            await relay.end(task, TaskState.REFUSED, Via.LOOK)
        case "settle":
            await relay.act(settle, task.id)
        case "release":
            await relay.act(release, task.id)
        case _:
            await relay.act(refund, task.id)


@pytest.mark.parametrize("seed", range(3))
async def test_counts_stay_the_sum_of_tasks_over_random_ends(books: str, seed: int) -> None:
    """Sixty messages about twelve tasks, at once, as who read them before limits were set.

    Half are held before the limits are set, and half after; two windows go by between. Then the
    audit finds every count to be what the tasks say, and none in flight that has ended.
    """
    dice = random.Random(seed)
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=MUCH)
        tasks = await hold_tasks(relay, token, 6)
        await asyncio.gather(*(end(relay, task, dice) for task in tasks[:2]))
        await limit(relay, tenant="acme", day=MUCH, total=MUCH, in_flight=100)
        await limit(relay, token_id=token.id, month=MUCH, in_flight=100)
        tasks += await hold_tasks(relay, token, 6)

        for _ in range(3):
            messages = [end(relay, dice.choice(tasks), dice) for _ in range(20)]
            await asyncio.gather(*messages)
            report = await relay.audit()
            assert report.ok, report.differences
            await pass_window(relay, LimitKind.DAY)
            tasks += await hold_tasks(relay, token, 2)

        for task in tasks:
            await relay.end(await read_row(relay, task.id), TaskState.REFUSED, Via.LOOK)
            await relay.act(release, task.id)
        in_flight = await relay.rows("SELECT taken FROM limits WHERE kind = 'in_flight'")
        assert [row["taken"] for row in in_flight] == [0, 0]


async def test_each_end_moves_a_count_by_what_it_moved(books: str) -> None:
    """Held 3 units; cheaper by a unit when it ends, then refunded; a late success counts again.

    What a window that is over had taken is given back to none; a raise ends by itself.
    """
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=MUCH)
        await limit(relay, tenant="acme", month=3 * CLIP_MICROS, in_flight=3)

        async def taken() -> tuple[int | None, int | None]:
            seen = await limits(relay)
            return seen[LimitKind.MONTH].taken, seen[LimitKind.IN_FLIGHT].taken

        first, second, third = await hold_tasks(relay, token, 3)
        assert await taken() == (3 * CLIP_MICROS, 3)
        body = told(first, "succeed", final_unit_deduction="2")
        await relay.call_back_on(first.injected_id, first.channel_id, body)
        assert await taken() == (2 * CLIP_MICROS + 280_000, 2)
        await relay.act(refund, first.id)
        assert await taken() == (2 * CLIP_MICROS, 2)
        await relay.act(release, second.id)
        assert await taken() == (CLIP_MICROS, 1)
        body = told(second, "succeed", final_unit_deduction="3")
        await relay.call_back_on(second.injected_id, second.channel_id, body)
        assert await taken() == (2 * CLIP_MICROS, 1)

        read_tokens_anew(relay)
        bodies = [(await relay.submit(token)).json()["code"] for _ in range(2)]
        assert bodies == [0, 1102]
        at = datetime.now(UTC)
        await lift(relay, LimitKind.MONTH, 4 * CLIP_MICROS, at + timedelta(hours=1), tenant="acme")
        assert (await relay.submit(token)).json()["code"] == 0
        assert (await limits(relay))[LimitKind.MONTH].left == 0
        await relay.rows("UPDATE limits SET raised_until = now() WHERE kind = 'month'")
        assert (await limits(relay))[LimitKind.MONTH].left == -CLIP_MICROS

        await pass_window(relay, LimitKind.MONTH)
        assert (await relay.submit(token)).json()["code"] == 1303
        await limit(relay, tenant="acme", in_flight=10)
        assert (await relay.submit(token)).json()["code"] == 0
        await relay.act(release, third.id)
        assert await taken() == (CLIP_MICROS, 3)


async def test_a_limit_counts_what_its_window_has_seen_when_it_is_set(books: str) -> None:
    """One ended, one live, one of last month: the month's limit begins with two of them taken.

    Taken away and set again it counts the same; what was held before gives back to the new one.
    """
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=MUCH)
        ended, live, old = await hold_tasks(relay, token, 3)
        await relay.act(settle, ended.id)
        await relay.rows(
            "UPDATE tasks SET created_at = created_at - interval '40 days' WHERE id = $1", old.id
        )

        for is_again in (False, True):
            if is_again:
                await limit(relay, tenant="acme", month=None, total=None, in_flight=None)
            await limit(relay, tenant="acme", month=2 * CLIP_MICROS, total=MUCH, in_flight=9)
            seen = await limits(relay)
            assert seen[LimitKind.MONTH].taken == 2 * CLIP_MICROS
            assert seen[LimitKind.TOTAL].taken == 3 * CLIP_MICROS
            assert seen[LimitKind.IN_FLIGHT].taken == 2
            assert (await relay.submit(token)).json()["code"] == 1102
        await relay.act(release, live.id)

        assert (await limits(relay))[LimitKind.MONTH].taken == CLIP_MICROS
        assert (await relay.submit(token)).json()["code"] == 0
