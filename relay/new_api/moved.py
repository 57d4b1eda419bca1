"""What was there: tasks, where none of ours has that id; names of models, where Kling has none."""

from typing import Any

import msgspec

from relay.database.driver import Pool, Record
from relay.kling.wire import fields_of
from relay.moments import ms_of
from relay.new_api.rows import OldTask

FIND_MOVED = """
SELECT endpoint, model, has_succeeded, message, result_url, shown, created_at, ended_at
FROM moved_tasks WHERE tenant_id = $1 AND id = $2
"""
FIND_MODEL = "SELECT model FROM moved_models WHERE name = $1"
KEY_CHARS_MAX = 191
"""Theirs have no more."""


async def find_moved(pool: Pool, tenant_id: int, key: str) -> Record | None:
    """Find a task of a tenant by the id that it had there."""
    if len(key) > KEY_CHARS_MAX:
        return None
    found = await pool.fetch(FIND_MOVED, tenant_id, key)
    return found[0] if found else None


async def find_model(pool: Pool, name: str) -> str | None:
    """Say what Kling calls a model that had another name there; None if none had it."""
    if len(name) > KEY_CHARS_MAX or "\x00" in name:
        return None
    found: str | None = await pool.fetchval(FIND_MODEL, name)
    return found


def shown(task: OldTask) -> str:
    """Spell a task as Kling answers a query, under the id that its tenant has, without costs."""
    data = fields_of(None if task.data is None else _raw(task.data))
    videos = fields_of(fields_of(data.get("data")).get("task_result")).get("videos")
    ended_ms = ms_of(task.ended_at or task.created_at)
    return msgspec.json.encode(
        {
            "task_id": task.id,
            "task_status": "succeed" if task.has_succeeded else "failed",
            "task_status_msg": task.message,
            "task_info": {},
            "watermark_info": {"enabled": False},
            "task_result": {"videos": _videos(videos, task)} if task.has_succeeded else {},
            "created_at": ms_of(task.created_at),
            "updated_at": ended_ms,
        }
    ).decode()


def _videos(videos: msgspec.Raw | None, task: OldTask) -> list[dict[str, Any]]:
    """Keep of each video what a client reads."""
    try:
        listed = [] if videos is None else msgspec.json.decode(videos, type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        listed = []
    kept: list[dict[str, Any]] = [
        {name: str(one[name]) for name in ("id", "url", "duration") if name in one}
        for one in listed
    ]
    return kept or ([{"url": task.result_url}] if task.result_url else [])


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode(errors="replace"))
