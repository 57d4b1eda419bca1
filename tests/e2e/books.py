"""The relay's books compared with Kling's log, task by task."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.relay_app import CLIP_MICROS

UNIT_MICROS = 140_000
"""List price of a video unit; no tenant here has another."""


def find_differences(
    tasks: Iterable[Any],
    entries: Iterable[Any],
    *,
    accepted: Iterable[dict[str, Any]],
    ended: Iterable[dict[str, Any]],
) -> list[str]:
    """Name what differs; every task is the default clip, whose hold is its quote.

    `entries`: those that are no top-up.
    """
    amounts: defaultdict[int | None, list[int]] = defaultdict(list)
    for entry in entries:
        amounts[entry["task_id"]].append(entry["amount_micros"])
    ends = {end["task_id"]: end for end in ended}
    by_injected_id = {task["injected_id"]: task for task in tasks}
    differences: list[str] = []
    for entry in accepted:
        task = by_injected_id.pop(entry["external_task_id"], None)
        end = ends.get(entry["task_id"])
        if task is None or end is None:
            differences.append(f"Kling has {entry['task_id']}, row {task}, end {end}")
            continue
        wanted = (entry["task_id"], end["status"], _charges(end))
        found = (task["kling_id"], task["state"], amounts.pop(task["id"], []))
        if wanted != found:
            differences.append(f"by Kling {wanted}, by us {found}")
    differences += [
        f"Kling has not {task['injected_id']}, by us {task['state']}"
        for task in by_injected_id.values()
        if task["state"] != "refused"
    ]
    differences += [f"charged {amounts[task_id]}, but not for {task_id}" for task_id in amounts]
    return differences


def _charges(end: dict[str, Any]) -> list[int]:
    """The entries that an end makes: none, or one by the deduction and at most the hold."""
    if end["status"] != "succeed":
        return []
    units = Decimal(end["units"] or 0)
    cost = int(units * UNIT_MICROS) if units else CLIP_MICROS
    return [-min(cost, CLIP_MICROS)]
