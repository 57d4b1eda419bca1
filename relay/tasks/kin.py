"""What a task was made of, and what was made of it: by `parent_video`, which Kling names."""

import msgspec
from msgspec import Raw
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.kling.endpoint import Resource
from relay.kling.references import read_made
from relay.kling.wire import fields_of
from relay.owners.tables import Owner
from relay.tasks.tables import Task

FOLLOWING = ("video-extend", "lip-sync", "video-to-audio")
"""Endpoints whose tasks name a parent (docs/kling-api.md 5.2)."""
LOOKED_AT = 500
"""Later tasks of each such endpoint and the tenant, among which children are found: no index has
what a task was made of, and none is worth it."""

CHILDREN = """
SELECT t.id FROM unnest(CAST(:endpoints AS text[])) AS e (name)
CROSS JOIN LATERAL (
    SELECT id, reply FROM tasks
    WHERE tenant_id = :tenant_id AND endpoint = e.name AND id > :id AND state <> 'refused'
        AND (kling_id IS NOT NULL OR public_id IS NOT NULL)
    ORDER BY id LIMIT :looked_at
) t
WHERE EXISTS (
    SELECT FROM unnest(CAST(:videos AS text[])) AS v (id) WHERE strpos(t.reply, v.id) > 0
)
ORDER BY t.id
"""


class Kin(msgspec.Struct, frozen=True):
    parent_video: str | None
    """Kling's id of the video that it was made of."""
    parent_id: TaskId | None
    """The task that made that; None where it was made elsewhere, or Kling has forgotten it."""
    children: list[TaskId]
    """Tasks that were made of its videos, the oldest first."""


async def read_kin(session: AsyncSession, task: Task) -> Kin:
    """Read a task's parent and its children."""
    parent_video = parent_of(task.reply)
    parent_id = None
    if parent_video is not None:
        parent_id = await session.scalar(
            select(Owner.task_id).where(
                Owner.resource_id == parent_video,
                Owner.kind == Resource.VIDEO.value,
                Owner.channel_id == task.channel_id,
                Owner.tenant_id == task.tenant_id,
            )
        )
    made = [] if task.reply is None else read_made(task.reply.encode())
    videos = [one.id for one in made if one.kind is Resource.VIDEO]
    return Kin(
        parent_video,
        None if parent_id is None else TaskId(parent_id),
        await _children_of(session, task, videos) if videos else [],
    )


def parent_of(reply: str | None) -> str | None:
    """Read which video a task object names as the one it was made of."""
    if reply is None:
        return None
    parent = fields_of(fields_of(Raw(reply.encode())).get("task_info", Raw(b"null")))
    named = fields_of(parent.get("parent_video", Raw(b"null"))).get("id")
    try:
        return None if named is None else msgspec.json.decode(named, type=str)
    except msgspec.DecodeError:
        return None


async def _children_of(session: AsyncSession, task: Task, videos: list[str]) -> list[TaskId]:
    values = {
        "endpoints": list(FOLLOWING),
        "tenant_id": task.tenant_id,
        "id": task.id,
        "looked_at": LOOKED_AT,
        "videos": videos,
    }
    return [TaskId(id_) for id_ in await session.scalars(text(CHILDREN), values)]
