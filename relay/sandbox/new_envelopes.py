"""Replies and callback bodies of API 2.0 and of the solutions (docs/kling-api.md 5.5 and 6)."""

from typing import Any

from relay.sandbox.endpoint import NEW, Dialect
from relay.sandbox.results import outputs_of
from relay.sandbox.tasks import Task
from relay.sandbox.units import pack_of, plain

CURRENCY = "USD"


def new_created(task: Task) -> dict[str, Any]:
    """Describe a task in the reply to its create; with `[no id]` its id is left out."""
    reply = {
        task.order.endpoint.dialect.id: task.id,
        "status": "submitted",
        "create_time": task.created_ms,
        "update_time": task.created_ms,
        "external_id": task.order.external_task_id,
    }
    if "no id" in task.order.faults:
        del reply[task.order.endpoint.dialect.id]
    return reply


def described(task: Task) -> dict[str, Any]:
    """Describe a task in queries, lists and callbacks, which are the same."""
    return _described(task, task.order.endpoint.dialect)


def described_anew(task: Task) -> dict[str, Any]:
    """Describe a task in the words of API 2.0, whose query finds legacy ones too."""
    return _described(task, NEW)


def _described(task: Task, dialect: Dialect) -> dict[str, Any]:
    return {
        dialect.id: task.id,
        "status": dialect.succeed if task.status == "succeed" else task.status,
        "message": task.reason,
        "create_time": task.created_ms,
        "update_time": task.updated_ms,
        "external_id": task.order.external_task_id,
        "outputs": outputs_of(task),
        "billing": _billing(task),
    }


def _billing(task: Task) -> list[dict[str, Any]]:
    """List what a success was charged: units, money, or both; [] for every other task."""
    if task.status != "succeed" or task.units is None:
        return []
    entries: list[dict[str, Any]] = []
    if "cash" not in task.order.faults:
        entries.append(
            {
                "charge_type": "unit",
                "amount": plain(task.units),
                "package_type": pack_of(task.order.endpoint),
            }
        )
    if task.cash:
        entries.append(
            {
                "charge_type": "cash",
                "cash_type": "balance",
                "amount": plain(task.cash),
                "currency": CURRENCY,
                "list_price": plain(task.cash),
            }
        )
    return entries
