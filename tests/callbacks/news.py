"""Callback bodies of the legacy generation (docs/kling-api.md 6)."""

import json
from typing import Any

from tests.proxy.scripted_kling import TASK_ID, created

RESULT = {
    "task_result": {"videos": [{"id": "v-1", "url": "https://cdn/1.mp4", "duration": "5.1"}]},
    "final_unit_deduction": "3",
    "final_balance_deduction": {"quota": "0", "list_price": "0"},
}


def told(
    injected_id: str | None, status: str, *, task_id: str | None = TASK_ID, **more: Any
) -> dict[str, Any]:
    """A flat body; a success brings result and deduction."""
    return {
        **({} if task_id is None else {"task_id": task_id}),
        "task_status": status,
        "task_status_msg": "",
        "created_at": 1722769557708,
        "updated_at": 1722769557708,
        "task_info": {} if injected_id is None else {"external_task_id": injected_id},
        **(RESULT if status == "succeed" else {}),
        **more,
    }


def queried(status: str) -> Any:
    """A query's data of one status, for `accepts_then`."""

    def data(injected_id: str) -> bytes:
        return json.dumps(json.loads(created(injected_id)) | told(injected_id, status)).encode()

    return data
