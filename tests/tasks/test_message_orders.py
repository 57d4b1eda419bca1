"""Promise M5: the charge does not depend on which message arrived first, nor on how often."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from relay.kling.transport import Reply
from relay.tasks.door import Via, end_row
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from tests.relay_app import CLIP_MICROS, Relay, running_relay
from tests.tasks.holding import hold_tasks, news, read_row, told
from tests.tasks.scripted_kling import Call, ScriptedKling, success

Costs = dict[str, Any]


class Truth(NamedTuple):
    """What really became of a task at Kling, and what that must cost."""

    status: str
    costs: Costs
    charged_micros: int | None


class Bench(NamedTuple):
    relay: Relay
    truth: Truth


Message = Callable[[Bench, TaskRow], Awaitable[None]]

SUCCESSES = {
    "2.5 units": Truth("succeed", {"final_unit_deduction": "2.5"}, 350_000),
    "a number": Truth("succeed", {"final_unit_deduction": 2.5}, 350_000),
    "billing": Truth("succeed", {"billing": [{"charge_type": "unit", "amount": "1"}] * 2}, 280_000),
    "more than held": Truth("succeed", {"final_unit_deduction": "9"}, CLIP_MICROS),
    "none": Truth("succeed", {}, CLIP_MICROS),
    "zero": Truth("succeed", {"final_unit_deduction": "0"}, CLIP_MICROS),
    "negative": Truth("succeed", {"final_unit_deduction": "-1"}, CLIP_MICROS),
    "garbage": Truth("succeed", {"final_unit_deduction": "many"}, CLIP_MICROS),
    "not finite": Truth("succeed", {"final_unit_deduction": "NaN"}, CLIP_MICROS),
    "cash": Truth(
        "succeed",
        {"final_unit_deduction": "0", "final_balance_deduction": {"quota": "0.42"}},
        CLIP_MICROS,
    ),
    "mixed": Truth(
        "succeed",
        {"final_unit_deduction": "1", "final_balance_deduction": {"quota": "0.2"}},
        CLIP_MICROS,
    ),
    "billed in cash": Truth(
        "succeed", {"billing": [{"charge_type": "cash", "amount": "0.42"}]}, CLIP_MICROS
    ),
}
FAILURE = Truth("failed", {}, None)


async def create_reply(bench: Bench, task: TaskRow) -> None:
    """The reply of our own create, recorded with the row as the submit knows it."""
    await bench.relay.parts.tasks.learner.learn(
        task, news(task, "submitted"), via=Via.SUBMIT, look_after_s=60.0, kling_request_id="r"
    )


async def no_reply(bench: Bench, task: TaskRow) -> None:
    """Our create timed out."""
    row = end_row(task.id, TaskState.UNKNOWN, via=Via.SUBMIT, reason="timeout", look_after_s=60.0)
    await bench.relay.parts.tasks.door.pass_through(row, task, durable=False)


async def queried(bench: Bench, task: TaskRow) -> None:
    """The end, by a query that began with whatever the row was then."""
    row = await read_row(bench.relay, task.id)
    await bench.relay.parts.tasks.learner.learn(
        row, news(task, bench.truth.status, **bench.truth.costs), via=Via.QUERY, look_after_s=60.0
    )


async def looked_at(bench: Bench, task: TaskRow) -> None:
    """The same by a worker whose row is as old as the task."""
    await bench.relay.parts.tasks.learner.learn(
        task, news(task, bench.truth.status, **bench.truth.costs), via=Via.LOOK, look_after_s=60.0
    )


async def _call_back(bench: Bench, task: TaskRow, status: str, **fields: Any) -> None:
    receiver = bench.relay.faces.receiver
    url = receiver.paths.url(task.injected_id, task.channel_id)
    assert url is not None
    body = msgspec.json.encode(told(task, status, **fields))
    named = receiver.paths.read(url.rpartition("/")[2])
    assert named is not None
    received = await receiver.receive_on_path(named, {}, body, source="127.0.0.1")
    assert received.http_status == 200


async def submitted(bench: Bench, task: TaskRow) -> None:
    await _call_back(bench, task, "submitted")


async def processing(bench: Bench, task: TaskRow) -> None:
    await _call_back(bench, task, "processing")


async def ended(bench: Bench, task: TaskRow) -> None:
    """The end by callback, with what it cost."""
    await _call_back(bench, task, bench.truth.status, **bench.truth.costs)


async def ended_bare(bench: Bench, task: TaskRow) -> None:
    """The end by callback, without what it cost: Kling has to be asked."""
    await _call_back(bench, task, bench.truth.status)


async def failed_falsely(bench: Bench, task: TaskRow) -> None:
    """A failure that Kling takes back: a success counts whenever it comes."""
    await _call_back(bench, task, "failed")


async def tell_in_orders(
    database_url: str, stories: Sequence[tuple[Truth, Sequence[Message]]]
) -> list[Any]:
    """Hold a task for each story, tell it the messages in that order, and read the ends."""
    truths: dict[str, Truth] = {}
    kling = ScriptedKling(_asked(truths))
    async with running_relay(database_url, transport=kling, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=len(stories) * CLIP_MICROS)
        tasks = await hold_tasks(relay, token, len(stories))
        truths |= {task.injected_id: truth for task, (truth, _) in zip(tasks, stories, strict=True)}

        async def tell(task: TaskRow, story: tuple[Truth, Sequence[Message]]) -> None:
            truth, messages = story
            for message in messages:
                await message(Bench(relay, truth), task)

        await asyncio.gather(*map(tell, tasks, stories))
        ends = await relay.rows(
            """
            SELECT t.injected_id, t.state, t.charged_micros,
                   t.kling_id = 'kling-' || t.injected_id AS is_named,
                   count(e.id) AS charges, -sum(e.amount_micros) AS charged
            FROM tasks t LEFT JOIN entries e ON e.task_id = t.id GROUP BY t.id
            """
        )
        assert (await relay.account())[1] == 0
        by_id = {row["injected_id"]: tuple(row)[1:] for row in ends}
        return [by_id[task.injected_id] for task in tasks]


def _asked(truths: dict[str, Truth]) -> Callable[[Call], Awaitable[Reply]]:
    async def answer(call: Call) -> Reply:
        injected_id = call.key.removeprefix("kling-")
        return success(
            {
                "task_id": f"kling-{injected_id}",
                "task_status": truths[injected_id].status,
                "task_info": {"external_task_id": injected_id},
                **truths[injected_id].costs,
            }
        )

    return answer


def as_it_must_end(truth: Truth) -> tuple[Any, ...]:
    charges = 0 if truth.charged_micros is None else 1
    return truth.status, truth.charged_micros, True, charges, truth.charged_micros


async def test_a_success_costs_the_same_in_every_order_of_messages(books: str) -> None:
    """All 720 orders of six messages, one a false failure, end in one charge of 2.5 units."""
    truth = SUCCESSES["2.5 units"]
    messages = (create_reply, processing, ended, ended_bare, queried, failed_falsely)

    ends = await tell_in_orders(
        books, [(truth, order) for order in itertools.permutations(messages)]
    )

    assert ends == [as_it_must_end(truth)] * 720


async def test_every_kind_of_deduction_costs_the_same_in_any_order(books: str) -> None:
    """Thirty random orders of each, with repeats and lost replies: the deduction or the quote."""
    chance = random.Random(7)
    messages = [create_reply, no_reply, submitted, processing, ended, ended_bare]
    messages += [queried, looked_at, failed_falsely, ended, ended_bare]
    stories = [
        # Each order has at least one word of the end in it.
        (
            truth,
            [
                *chance.sample(messages, 5),
                chance.choice((ended, ended_bare, queried)),
                create_reply,
            ],
        )
        for truth in SUCCESSES.values()
        for _ in range(30)
    ]

    ends = await tell_in_orders(books, stories)

    assert ends == [as_it_must_end(truth) for truth, _ in stories]


async def test_a_failure_costs_nothing_in_every_order_of_messages(books: str) -> None:
    """All 120 orders of five messages, each told twice, end failed, without a charge."""
    messages = (create_reply, no_reply, processing, ended, queried)

    ends = await tell_in_orders(
        books, [(FAILURE, [*order, *order]) for order in itertools.permutations(messages)]
    )

    assert ends == [as_it_must_end(FAILURE)] * 120


async def test_messages_that_arrive_at_the_same_time_charge_once(books: str) -> None:
    """Not in any order but at once: sixty tasks, eight messages each, one charge each."""
    truth = SUCCESSES["2.5 units"]
    messages = (create_reply, no_reply, submitted, processing, ended, ended_bare, queried, ended)

    async def all_at_once(bench: Bench, task: TaskRow) -> None:
        await asyncio.gather(*(message(bench, task) for message in messages))

    ends = await tell_in_orders(books, [(truth, [all_at_once])] * 60)

    assert ends == [as_it_must_end(truth)] * 60
