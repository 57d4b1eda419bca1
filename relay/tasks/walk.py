"""Lists of tasks by any filter, without an index for each: the newest are walked for a while."""

import time
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId
from relay.tasks.inspect import ListedTask, TaskFilter, list_tasks
from relay.tasks.tables import Task
from relay.tasks.token_report import OUT_OF_ORDER, find_first_since

BUDGET_S = 0.05
"""Of the database's time, for one page."""
SPAN, SPAN_MAX = 1000, 32_000
"""Ids that a step looks at; each one more, as long as it finds little."""

Walked = tuple[list[ListedTask], int | None]
"""Tasks, and the id that the next page is behind; None at the end."""


async def walk_tasks(
    session: AsyncSession,
    wanted: TaskFilter,
    *,
    limit: int,
    budget_s: float = BUDGET_S,
    span: int = SPAN,
) -> Walked:
    """Find what fits among the newest, until there are enough or the time is up.

    At least one step is made, so that whoever goes on comes to the end. What is stuck is found by
    indexes of its own, all at once and the oldest first.
    """
    if wanted.is_stuck:
        rows = await list_tasks(session, wanted, limit=limit + 1)
        return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
    newest = await session.scalar(select(Task.id).order_by(Task.id.desc()).limit(1)) or 0
    top = min(newest + 1, wanted.before_id or newest + 1)
    if wanted.until is not None:
        top = min(top, await find_first_since(session, _moved(wanted.until, OUT_OF_ORDER)))
    bottom = 1
    if wanted.since is not None:
        bottom = await find_first_since(session, _moved(wanted.since, -OUT_OF_ORDER))
    found: list[ListedTask] = []
    spent_s = 0.0
    while top > bottom:
        low = max(bottom, top - span)
        step = msgspec.structs.replace(wanted, before_id=TaskId(top), from_id=TaskId(low))
        began = time.perf_counter()
        found += await list_tasks(session, step, limit=limit - len(found))
        spent_s += time.perf_counter() - began
        if len(found) >= limit:
            return found, found[-1].id if found[-1].id > bottom else None
        top, span = low, min(span * 2, SPAN_MAX)
        if spent_s >= budget_s:
            break
    return found, top if top > bottom else None


def _moved(moment: datetime, by: timedelta) -> datetime:
    """Move a moment that somebody named; beyond either end of the calendar there is none."""
    try:
        return moment + by
    except OverflowError:
        return moment
