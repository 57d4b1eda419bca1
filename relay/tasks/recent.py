"""How tasks were told of lately: whether callbacks arrive, both ways, and somebody looks."""

from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LATE_S = 300
"""A look that is due for longer has nobody to make it."""

READ = text(
    """
    SELECT
        (SELECT max(callback_at) FROM channels) AS callback_at,
        count(*) FILTER (WHERE e.kind LIKE 'callback.%') AS callbacks,
        count(*) FILTER (WHERE e.kind = 'callback.not_applied') AS not_applied,
        count(*) FILTER (
            WHERE e.kind IN ('look.succeed', 'look.failed', 'query.succeed', 'query.failed')
        ) AS ended_without,
        (SELECT count(*) FROM delivery_attempts WHERE at > now() - interval '1 hour') AS attempts,
        (
            SELECT count(*) FROM delivery_attempts
            WHERE at > now() - interval '1 hour' AND http_status BETWEEN 200 AND 299
        ) AS delivered,
        (
            SELECT count(*) FROM tasks
            WHERE next_look_at < now() - make_interval(secs => :late_s)
        ) AS late_looks
    FROM task_events e WHERE e.created_at > now() - interval '1 hour'
    """
)


class Recent(msgspec.Struct, frozen=True):
    """Of the last hour, but for what says otherwise."""

    callback_at: datetime | None
    """When Kling last called back, on any channel; None is never."""
    callbacks: int
    """Of Kling's that were authentic and about a task."""
    not_applied: int
    """Of those: about another task, channel or status than we know."""
    ended_without: int
    """Tasks whose end was found by asking."""
    attempts: int
    """To call tenants back."""
    delivered: int
    late_looks: int
    """Tasks that should have been looked at minutes ago."""


async def read_recent(session: AsyncSession) -> Recent:
    found = await session.execute(READ, {"late_s": LATE_S})
    return Recent(**found.mappings().one())


TIMES_OF = 20_000
"""Tasks among which those are whose time is read."""
# The newest rows of all, by their key: an index of its own would cost each submit.
TIMES = text(
    """
    SELECT count(*) AS tasks,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY took_s) AS median_s,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY took_s) AS p95_s
    FROM (
        SELECT extract(epoch FROM ended_at - created_at)::float8 AS took_s
        FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT :most) newest
        WHERE state = 'succeed' AND ended_via NOT IN ('operator', 'queue') AND ended_at >= :since
    ) lately
    """
)


class Times(msgspec.Struct, frozen=True):
    """How long successes took, from when they were asked for."""

    tasks: int
    median_s: float | None
    p95_s: float | None
    """Nineteen of twenty took at most this."""


async def read_times(session: AsyncSession, since: datetime) -> Times:
    """Read how long tasks took that ended since then, of the newest `TIMES_OF`."""
    return Times(
        **(await session.execute(TIMES, {"since": since, "most": TIMES_OF})).mappings().one()
    )


NEWEST = text(
    """
    SELECT
        (SELECT id FROM tasks ORDER BY id DESC LIMIT 1),
        (SELECT id FROM task_events ORDER BY id DESC LIMIT 1),
        (SELECT id FROM entries ORDER BY id DESC LIMIT 1)
    """
)


async def read_newest(session: AsyncSession) -> tuple[int | None, ...]:
    """Read the newest of what tells of tasks: another one is a reason to look at a list again."""
    return tuple((await session.execute(NEWEST)).one())
