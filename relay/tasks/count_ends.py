"""Ends of tasks, counted where they pass the door."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from relay.counts import MICRO, Counts
from relay.tasks.tables import TaskState
from relay.tasks.task import LIVE, TaskRow
from relay.tasks.told import FinishRow


def count_end(counts: Counts, row: FinishRow, record: Any, task: TaskRow) -> None:
    """Count what FINISH did with this row, if it ended a task or corrected an end.

    What an operator ends by a command is counted by nobody: it is another process, and a short one.
    """
    if row.state in LIVE or record is None:
        return
    moves, corrects = record["moves"], record["corrects"]
    if not (moves or corrects or record["fills"]):
        return
    endpoint, model = task.endpoint_name, _model(task, row.state)
    if moves:
        counts.tasks_ended.add(endpoint, model, row.state)
        if row.state == TaskState.SUCCEED:
            age = datetime.now(UTC) - task.created_at
            counts.task_seconds.add(max(0.0, age.total_seconds()), endpoint, model)
    charged_micros = record["charged_micros"] or 0
    more_micros = charged_micros - (record["charged_before"] if corrects else 0)
    if more_micros > 0:
        counts.charged.add(endpoint, model, amount=more_micros)
    elif more_micros < 0:
        counts.given_back.add(amount=-more_micros)
    if not record["has_cost"]:
        if row.cost_units:
            pack = row.cost_pack or task.quote.pack.value
            counts.cost_units.add(pack, amount=_micros(row.cost_units))
        if row.cost_cash:
            counts.cost_cash.add(row.cost_currency or "", amount=_micros(row.cost_cash))


def _model(task: TaskRow, state: str) -> str:
    """Name its model as the row of its price does: what tenants write makes no label.

    Of a row that names none, what Kling made something of, since it knows that name.
    """
    quote = task.quote
    if quote.row.model is not None:
        return quote.row.model
    return (quote.wanted.model or "") if state != TaskState.REFUSED else ""


def _micros(amount: Decimal) -> int:
    return int(amount * MICRO)
