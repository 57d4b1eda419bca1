"""What a channel answered of late that was no success: by Kling's code, for operators."""

from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# The newest rows of all, by their key: an index of its own would cost each submit. What one channel
# passed on to the next stands in the task's events, with that channel's name before it.
TROUBLES = text(
    r"""
    WITH lately AS MATERIALIZED (
        SELECT *, channel_id = :id AND state IN ('failed', 'refused') AND ended_via <> 'operator'
            AS is_its
        FROM (
            SELECT id, channel_id, channels_tried, state, fail_message, ended_via, ended_at
            FROM tasks ORDER BY id DESC LIMIT 20000
        ) newest
        WHERE channel_id = :id AND state IN ('failed', 'refused') OR :id = ANY (channels_tried)
    ),
    said AS (
        SELECT ended_at AS at, fail_message AS words FROM lately WHERE is_its
        UNION ALL
        SELECT e.created_at, e.detail FROM lately JOIN task_events e ON e.task_id = lately.id
        WHERE :id = ANY (channels_tried) AND e.kind IN ('task.channel_changed', 'queue.put_back')
            AND starts_with(e.detail, :before)
    ),
    plain AS (
        SELECT at, regexp_replace(
            coalesce(words, ''), '^no channel took it: |; now [^;]*$', '', 'g'
        ) AS words
        FROM said WHERE at > now() - interval '1 day'
    ),
    cut AS (
        SELECT at, CASE WHEN starts_with(words, :before) THEN substr(words, length(:before) + 1)
                        ELSE words END AS words
        FROM plain
    ),
    coded AS (SELECT at, words, substring(words FROM '^code (\d{1,9})[:,]')::int AS code FROM cut)
    SELECT code, count(*) AS times, max(at) AS last_at,
           (array_agg(words ORDER BY at DESC))[1] AS words
    FROM coded GROUP BY code, CASE WHEN code IS NULL THEN left(words, 60) END
    ORDER BY times DESC, last_at DESC LIMIT 20
    """
)


class Trouble(msgspec.Struct, frozen=True):
    """What was said alike in the last 24 hours."""

    code: int | None
    """Kling's; None of what has none: no answer, or a task that Kling took and ended as failed."""
    times: int
    last_at: datetime
    words: str
    """The last ones of it."""


async def read_troubles(session: AsyncSession, channel_id: int, name: str) -> list[Trouble]:
    """Read a channel's refusals and failures of the last day, the most frequent first.

    Among the newest 20,000 tasks. `name`: as events call the channel; what was passed on under an
    older name is not counted.
    """
    values = {"id": channel_id, "before": f"{name}: "}
    return [Trouble(**row) for row in (await session.execute(TROUBLES, values)).mappings()]
