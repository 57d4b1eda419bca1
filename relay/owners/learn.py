"""Learning and finding owners. The first tenant that a resource is learned for keeps it."""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from relay.database.driver import Pool
from relay.database.ids import TaskId
from relay.kling.endpoint import Resource
from relay.kling.references import NamedResource

LIFETIMES = {
    Resource.VIDEO: timedelta(days=30),
    Resource.AUDIO: timedelta(days=30),
    Resource.SESSION: timedelta(hours=24),
}
"""Of what Kling forgets by itself (docs/kling-api.md 12)."""

_EXPIRES = (
    "CASE {kind} "
    + " ".join(
        f"WHEN '{kind.value}' THEN now() + interval '{int(life.total_seconds())} seconds'"
        for kind, life in LIFETIMES.items()
    )
    + " END"
)

LEARN = f"""
    INSERT INTO owners (kind, resource_id, channel_id, tenant_id, task_id, expires_at)
    SELECT DISTINCT ON (m.id, m.kind, s.channel_id)
           m.kind, m.id, s.channel_id, s.tenant_id, s.id, {_EXPIRES.format(kind="m.kind")}
    FROM {{source}} s
    CROSS JOIN LATERAL jsonb_to_recordset(s.made::jsonb) AS m (kind text, id text)
    WHERE {{condition}}
    ON CONFLICT (resource_id, kind, channel_id) DO NOTHING
"""  # noqa: S608 (composed of constants)
"""Learn what each row of `source` (id, tenant_id, channel_id, made) made; see `spell_made`."""

LEARN_ONE = f"""
INSERT INTO owners (kind, resource_id, channel_id, tenant_id, expires_at)
SELECT m.kind, m.id, $1, $2, {_EXPIRES.format(kind="m.kind")}
FROM jsonb_to_recordset($3::jsonb) AS m (kind text, id text)
ON CONFLICT (resource_id, kind, channel_id) DO NOTHING
"""  # noqa: S608 (composed of constants)

FIND = """
SELECT kind, resource_id, channel_id, tenant_id,
    deleted_at IS NOT NULL
        OR EXISTS (SELECT FROM channels c WHERE c.id = channel_id AND c.removed_at IS NOT NULL)
        AS is_deleted
FROM owners WHERE resource_id = ANY($1) AND (expires_at IS NULL OR expires_at > now())
"""

DELETE = """
WITH deleted AS (
    UPDATE owners SET deleted_at = now()
    WHERE channel_id = $1 AND tenant_id = $2 AND kind = $3 AND resource_id = ANY($4)
        AND deleted_at IS NULL
    RETURNING task_id
)
UPDATE tasks SET is_reply_full = false, next_look_at = now()
WHERE id IN (SELECT task_id FROM deleted) AND hold_ended_at IS NOT NULL
"""
"""Forget resources, and have the tasks that made them asked for again: Kling shows them deleted."""

UNLEARN = """
DELETE FROM owners o
USING jsonb_to_recordset($2::jsonb) AS m (kind text, id text)
WHERE o.resource_id = m.id AND o.kind = m.kind AND o.task_id = $1
"""
"""Take back what a callback claimed that a task had made, and Kling's own reply does not name."""


class Owned(msgspec.Struct, frozen=True):
    """One resource's owner."""

    kind: Resource
    id: str
    channel_id: int
    tenant_id: int
    is_deleted: bool


def spell_made(made: Iterable[NamedResource]) -> str:
    """Spell a row as LEARN reads it."""
    return msgspec.json.encode([{"kind": one.kind.value, "id": one.id} for one in made]).decode()


async def find_owners(pool: Pool, ids: list[str]) -> list[Owned]:
    """Find who owns these ids, on every channel, whatever the kind; deleted ones too."""
    return [
        Owned(
            kind=Resource(row["kind"]),
            id=row["resource_id"],
            channel_id=row["channel_id"],
            tenant_id=row["tenant_id"],
            is_deleted=row["is_deleted"],
        )
        for row in await pool.fetch(FIND, ids)
    ]


async def learn(pool: Pool, *, channel_id: int, tenant_id: int, made: list[NamedResource]) -> None:
    """Learn what a call made that is not kept as a task."""
    if made:
        await pool.execute(LEARN_ONE, channel_id, tenant_id, spell_made(made))


async def unlearn(pool: Pool, task_id: TaskId, false: Iterable[NamedResource]) -> None:
    """Let go of things that this task did not make after all; somebody else may have."""
    await pool.execute(UNLEARN, task_id, spell_made(false))


async def forget(
    pool: Pool, *, channel_id: int, tenant_id: int, kind: Resource, ids: list[str]
) -> None:
    await pool.execute(DELETE, channel_id, tenant_id, kind.value, ids)
