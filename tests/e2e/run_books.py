"""Runs compared with their tasks, with what Kling did, with their money and with their events."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import EndpointKind
from relay.runs.stages import Event, went_back
from relay.runs.tables import ENDED_RUNS, RunState, StepState
from relay.tasks.door import Via
from tests.e2e.world import World

UNIT_MICROS = {"video": 140_000, "image": 3_500}
"""List prices; no tenant here has others."""
FIXED_MICROS = {"effects": 600_000, "product_showcase": 500_000}
ENDED_STEPS = (StepState.DONE, StepState.FAILED, StepState.SKIPPED)
CATALOGUE = Catalogue()
_event = msgspec.json.Decoder(Event)

RUNS = "SELECT * FROM runs ORDER BY id"
STEPS = "SELECT * FROM run_steps ORDER BY run_id, place"
TASKS = "SELECT t.*, n.name AS tenant FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
ENTRIES = "SELECT task_id, amount_micros FROM entries WHERE kind <> 'topup'"
EVENTS = "SELECT * FROM run_events ORDER BY run_id, xact, id"
ACCOUNTS = """
SELECT n.name, a.quota_micros, a.held_micros,
    (SELECT sum(amount_micros) FROM entries e WHERE e.account_id = a.id AND kind = 'topup') AS given
FROM tenants n JOIN accounts a ON a.id = n.account_id
"""


class Books(NamedTuple):
    """All that is known of runs, by us and by Kling."""

    runs: list[Any]
    steps: dict[int, list[Any]]
    """By run."""
    tasks: dict[int, Any]
    entries: dict[int, list[int]]
    """By task."""
    events: dict[int, list[Any]]
    """By run."""
    accounts: list[Any]
    accepted: list[dict[str, Any]]
    answered: Counter[str]
    """Paid calls, by path."""
    ends: dict[str, dict[str, Any]]


async def read_books(world: World) -> Books:
    """Read all; nothing may move meanwhile."""
    grouped: list[defaultdict[int, list[Any]]] = [defaultdict(list) for _ in range(3)]
    steps, entries, events = grouped
    for step in await world.rows(STEPS):
        steps[step["run_id"]].append(step)
    for entry in await world.rows(ENTRIES):
        entries[entry["task_id"]].append(entry["amount_micros"])
    for event in await world.rows(EVENTS):
        events[event["run_id"]].append(event)
    return Books(
        await world.rows(RUNS),
        steps,
        {task["id"]: task for task in await world.rows(TASKS)},
        entries,
        events,
        await world.rows(ACCOUNTS),
        await world.kling_log(),
        Counter(one["endpoint"] for one in await world.kling_log("answered")),
        {end["task_id"]: end for end in await world.kling_log("ended")},
    )


def find_differences(books: Books) -> list[str]:
    """Name all that is not as it should be, once everything is over."""
    return [
        *_runs(books),
        *_charges(books),
        *_shares(books),
        *_kling(books),
        *_calls(books),
        *_quotas(books),
        *_events(books),
    ]


def _runs(books: Books) -> Iterator[str]:
    """Each has ended, and what did not end well can be gone on with."""
    for run in books.runs:
        steps = books.steps[run["id"]]
        states = {StepState(step["state"]) for step in steps}
        if run["state"] not in ENDED_RUNS or not states <= set(ENDED_STEPS):
            yield f"run {run['id']} is {run['state']}, its steps {states}"
        if (run["state"] == RunState.COMPLETED) != (states == {StepState.DONE}):
            yield f"run {run['id']} is {run['state']} with {states}"
        if any(step["body_sealed"] is None for step in steps) or run["input_sealed"] is None:
            yield f"run {run['id']} cannot be gone on with"
        if any(step["lease"] is not None for step in steps):
            yield f"run {run['id']} has ended and is leased"


def _charges(books: Books) -> Iterator[str]:
    """Each step that ended well has one task that was charged, and there are no others."""
    made = [step for steps in books.steps.values() for step in steps if step["task_id"]]
    of_steps = Counter(step["task_id"] for step in made if step["state"] == StepState.DONE)
    charged = {id_ for id_, task in books.tasks.items() if task["state"] == "succeed"}
    if set(of_steps) != charged or max(of_steps.values(), default=1) > 1:
        lost, alien = charged - set(of_steps), set(of_steps) - charged
        yield f"tasks of no step {lost}, steps of no good task {alien}, {of_steps.most_common(1)}"
    for id_, amounts in books.entries.items():
        if len(amounts) != 1 or id_ not in charged:
            yield f"task {id_} has entries {amounts}"
    for steps in books.steps.values():
        for step in steps:
            is_paid = step["state"] == StepState.DONE and step["task_id"]
            paid = books.tasks[step["task_id"]]["charged_micros"] if is_paid else 0
            if step["reserved_micros"] != paid:
                yield f"step {step['id']} reserves {step['reserved_micros']}, its task cost {paid}"


def _shares(books: Books) -> Iterator[str]:
    """A chain with a price of its own costs it, or less where it did not come to its end."""
    for run in books.runs:
        steps = books.steps[run["id"]]
        if run["kind"] not in FIXED_MICROS or len(steps) == 1:
            continue
        whole, is_made = FIXED_MICROS[run["kind"]], run["state"] == RunState.COMPLETED
        paid = sum(step["reserved_micros"] for step in steps)
        if sum(step["share_micros"] for step in steps) != whole or paid > whole:
            yield f"run {run['id']} has shares of {whole}, of which it paid {paid}"
        if is_made and paid != whole:
            yield f"run {run['id']} is {run['state']}, and paid {paid} of {whole}"


def _kling(books: Books) -> Iterator[str]:
    """What Kling made is ours, and is charged as Kling says."""
    by_injected_id = {task["injected_id"]: task for task in books.tasks.values()}
    shares = {step["task_id"]: step["share_micros"] for of in books.steps.values() for step in of}
    known = set()
    for one in books.accepted:
        task, end = by_injected_id.get(one["external_task_id"]), books.ends.get(one["task_id"])
        if task is None or end is None:
            yield f"Kling has {one}, we {task}, its end {end}"
            continue
        known.add(task["id"])
        wanted = (one["task_id"], end["status"], _wanted(task, end, shares.get(task["id"])))
        found = (task["kling_id"], task["state"], books.entries.get(task["id"], []))
        if wanted != found:
            yield f"task {task['id']}: by Kling {wanted}, by us {found}"
    if len(known) != len(books.accepted):
        yield f"Kling accepted {len(books.accepted)}, of {len(known)} tasks of ours"
    for task in books.tasks.values():
        # What ended in the queue was never sent, and is told as a failure.
        is_unsent = task["state"] == "failed" and task["ended_via"] == Via.QUEUE
        is_made = task["state"] != "refused" and not (is_unsent or _is_call(task))
        if is_made and task["id"] not in known:
            yield f"Kling has not task {task['id']}, by us {task['state']}"
        if is_unsent and (task["id"] in known or books.entries.get(task["id"])):
            yield f"task {task['id']} ended in the queue, and Kling has it, or it was charged"


def _wanted(task: Any, end: dict[str, Any], share: int | None) -> list[int]:
    """Say which entries an end makes: none, or one by the deduction and at most the hold."""
    if end["status"] != "succeed":
        return []
    fixed = FIXED_MICROS.get(task["endpoint"], share)
    units = Decimal(end["units"] or 0)
    if fixed is not None or not units:
        return [-(task["hold_micros"] if fixed is None else fixed)]
    return [-min(int(units * UNIT_MICROS[task["pack"]]), task["hold_micros"])]


def _calls(books: Books) -> Iterator[str]:
    """A paid call is one of a task of ours; we charge for those alone whose answer came."""
    for name in {task["endpoint"] for task in books.tasks.values() if _is_call(task)}:
        tasks = [task for task in books.tasks.values() if task["endpoint"] == name]
        good = sum(task["state"] == "succeed" for task in tasks)
        lost = sum(task["state"] == "refused" and task["ended_via"] != "submit" for task in tasks)
        if not good <= books.answered[CATALOGUE.of(name).path] <= good + lost:
            yield f"Kling answered {books.answered} {name}, {good} of ours are good, {lost} lost"


def _is_call(task: Any) -> bool:
    return CATALOGUE.kind_of(task["endpoint"]) is EndpointKind.CALL


def _quotas(books: Books) -> Iterator[str]:
    """Each tenant has what it was given, less what Kling made for it."""
    spent: Counter[str] = Counter()
    for id_, amounts in books.entries.items():
        spent[books.tasks[id_]["tenant"]] -= sum(amounts)
    for account in books.accounts:
        left = account["given"] - spent[account["name"]]
        if (account["quota_micros"], account["held_micros"]) != (left, 0):
            yield f"{dict(account)} should have {left}, and nothing held"


def _events(books: Books) -> Iterator[str]:
    """They begin with the run and end as it did; what had ended moves on by a retry alone."""
    for run in books.runs:
        told = [_event.decode(row["shown"]) for row in books.events[run["id"]]]
        states = {step["name"]: step["state"] for step in books.steps[run["id"]]}
        if not told or (told[-1].state, told[-1].steps) != (run["state"], states):
            yield f"run {run['id']} is {run['state']}, {states}, and was told as {told[-1:]}"
        for before, after in pairwise(told):
            if before.state in ENDED_RUNS and not went_back(before.steps, after.steps):
                yield f"run {run['id']} went on from {before} to {after}"
        if any({row["tenant_id"]} != {run["tenant_id"]} for row in books.events[run["id"]]):
            yield f"run {run['id']} is told of to others"
