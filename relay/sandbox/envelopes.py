"""Kling's replies and callback bodies, byte for byte as far as section 5 and 6 show them."""

import json
import uuid
from typing import Any

from relay.sandbox.errors import Refusal
from relay.sandbox.tasks import Task
from relay.sandbox.units import plain

_KINDS = {"videos": "mp4", "images": "png", "audios": "mp3"}


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
    result = _result(task, for_callback=False)
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
    result = _result(task, for_callback=True)
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
    parent = {"id": _part_id(task, 9), "url": _file(task, 9, "mp4"), "duration": "5.1"}
    return {**_external_id(task), "parent_video": parent}


def _deduction(task: Task) -> dict[str, Any]:
    """Write what a success deducted; a failed or running task has none of these fields."""
    if task.status != "succeed" or task.units is None:
        return {}
    cash = plain(task.cash)
    return {
        "final_unit_deduction": plain(task.units),
        "final_balance_deduction": {"quota": cash, "list_price": cash},
    }


def _result(task: Task, *, for_callback: bool) -> dict[str, Any]:
    """List the files of a success by the family's shape (5.3); empty before the end."""
    if task.status != "succeed":
        return {}
    marked = task.order.watermark and not for_callback
    seconds = f"{task.order.seconds}.1"
    match task.order.endpoint.results:
        case "videos":
            video = {"id": _part_id(task, 0), "url": _file(task, 0, "mp4")}
            if marked:
                video["watermark_url"] = _file(task, 1, "mp4")
            if task.order.endpoint.path != "/v1/videos/effects":
                video["duration"] = seconds
            return {"videos": [video]}
        case "images" if task.order.endpoint.path == "/v1/general/ai-multi-shot":
            urls = {f"url_{i}": _file(task, i, "png") for i in (1, 2, 3)}
            return {"images": [{"index": 0, **urls}]}
        case "images":
            return {"images": [_image(task, i, marked) for i in range(task.order.images_out)]}
        case "audios" if for_callback:
            return {}
        case "audios":
            audio = {
                "id": _part_id(task, 0),
                "url_mp3": _file(task, 0, "mp3"),
                "url_wav": _file(task, 0, "wav"),
                "duration_mp3": seconds,
                "duration_wav": seconds,
            }
            return {"audios": [audio]}


def _image(task: Task, index: int, marked: bool) -> dict[str, Any]:  # noqa: FBT001  # of one caller
    image: dict[str, Any] = {"index": index, "url": _file(task, index, "png")}
    if marked:
        image["watermark_url"] = _file(task, index, "png")
    return image


def _part_id(task: Task, index: int) -> str:
    """Make the id of one file: the task's backwards, and a digit that tells its files apart."""
    return f"{task.id[::-1]}{index}"


def _file(task: Task, index: int, kind: str) -> str:
    return f"{task.base_url}/sandbox/files/{_part_id(task, index)}.{kind}"
