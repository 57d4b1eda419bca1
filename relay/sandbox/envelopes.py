"""Legacy replies and callback bodies, byte for byte as far as section 5 and 6 show them."""

import json
import uuid
from decimal import Decimal
from typing import Any

from relay.sandbox.errors import Refusal
from relay.sandbox.results import file_of, part_id, result_of
from relay.sandbox.tasks import Task
from relay.sandbox.units import plain


def encode(value: object) -> bytes:
    """Write compact JSON in UTF-8; half surrogates, which JSON can escape, become `?`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def success(data: object) -> bytes:
    """Wrap `data` as 5.1 shows."""
    return encode({"code": 0, "message": "SUCCEED", "request_id": str(uuid.uuid4()), "data": data})


def error(refusal: Refusal) -> bytes:
    """Write a refusal as 5.6 shows: no `data`."""
    return encode(
        {"code": refusal.code, "message": refusal.message, "request_id": str(uuid.uuid4())}
    )


def created(task: Task) -> dict[str, Any]:
    """Describe a task in the reply to its create (5.1); with `[no id]` its id is left out."""
    reply: dict[str, Any] = {
        "task_id": task.id,
        "task_status": "submitted",
        "task_info": _external_id(task),
        "created_at": task.created_ms,
        "updated_at": task.created_ms,
    }
    if "no id" in task.order.faults:
        del reply["task_id"]
    return reply


def queried(task: Task) -> dict[str, Any]:
    """Describe a task in GET and in lists (5.2, 5.3)."""
    result = result_of(task, for_callback=False)
    return {
        "task_id": task.id,
        "task_status": task.status,
        "task_status_msg": task.reason,
        "task_info": _info(task),
        **({"task_result": result} if result else {}),
        "watermark_info": {"enabled": task.order.watermark},
        **_deduction(task),
        "created_at": task.created_ms,
        "updated_at": task.updated_ms,
    }


def called_back(task: Task) -> dict[str, Any]:
    """Describe a task in a callback (6): flat, only videos and images, no watermark."""
    result = result_of(task, for_callback=True)
    return {
        "task_id": task.id,
        "task_status": task.status,
        "task_status_msg": task.reason,
        "created_at": task.created_ms,
        "updated_at": task.updated_ms,
        **_deduction(task),
        "task_info": _info(task),
        **({"task_result": result} if result else {}),
    }


def _external_id(task: Task) -> dict[str, Any]:
    name = task.order.external_task_id
    return {"external_task_id": name} if name else {}


def _info(task: Task) -> dict[str, Any]:
    if not task.order.endpoint.has_parent_video:
        return _external_id(task)
    source = task.order.source
    parent = {
        "id": source.id if source is not None and source.kind == "video" else part_id(task, 9),
        "url": file_of(task, 9, "mp4"),
        "duration": f"{source.seconds if source is not None else 5}.1",
    }
    return {**_external_id(task), "parent_video": parent}


def _deduction(task: Task) -> dict[str, Any]:
    """Write what a success deducted; a failed or running task has none of these fields."""
    if task.status != "succeed" or task.units is None:
        return {}
    return deduction(task.units, task.cash)


def deduction(units: Decimal, cash: Decimal) -> dict[str, Any]:
    """Write what was deducted: units and money are both there, as strings."""
    return {
        "final_unit_deduction": plain(units),
        "final_balance_deduction": {"quota": plain(cash), "list_price": plain(cash)},
    }
