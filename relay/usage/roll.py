"""Summing up days that are over, once: for `rolled.py`, which says when one of them holds.

Until a day is over its hours are summed up likewise: nobody waits at noon for the whole morning.
Rolling the day takes them away.

A day or hour is summed up in one snapshot that has seen the end of whatever could have written
into it without a mark. Triggers leave out what is younger than an hour, so such a writer had its
number before it was over for so long; and the snapshot has none of those numbers left to wait for.
"""

from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.months import Window
from relay.tasks.tables import Task
from relay.usage.raw import (
    ENTRIES_IN,
    FIGURES,
    OF_CHARGES,
    OUT_OF_ORDER,
    TASKS_IN,
    parts_of,
    plan_for_values,
    span_values,
    sums_of,
)
from relay.usage.rolled import FORM, find_rolled, hours_of, window_of_day

DAYS_BACK = 400
AFTER = timedelta(hours=2)
"""How long it has been over. The triggers' hour, and an hour for clocks that are set back."""
AGAIN_AFTER = timedelta(minutes=5)
"""How long an hour that was summed up is left alone, stale or not: on a day with tasks that take
long, each turn would find some of them stale again."""
KEYS = ("account_id", "tenant_id", "token_id", "channel_id", "model", "endpoint")
OF_WHAT = KEYS[3:]
ROLLED_LATELY = text("SELECT start_at, until_at FROM rolled_days WHERE rolled_at > :since")
NUMBER = text("SELECT pg_current_xact_id()::text::bigint")
SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
# One replica at a time, the others skip their turn. No advisory lock: that is a query, and the
# snapshot would be older than it. What the one before had rolled by a later snapshot would be not
# in ours, and we would forget marks that it has no sum of.
ALONE = text("LOCK TABLE rolled_days IN SHARE UPDATE EXCLUSIVE MODE NOWAIT")
IS_LOCKED = "55P03"
MAY_ROLL = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= :number")
# Only marks that the snapshot has: who commits one meanwhile leaves the day stale.
FORGET_MARKS = text("DELETE FROM rolled_marks WHERE at >= :start AND at < :until")
FORGET_DAYS = text("DELETE FROM rolled_days WHERE start_at < :until AND until_at > :start")
ENTER_DAY = text(
    f"""
    INSERT INTO rolled_days (start_at, until_at, form, currency, costs, ended_until)
    SELECT :start, :until, {FORM}, :currency,
           (SELECT count(*) FROM channel_costs
            -- As many as SUM_UP reads: one from a clock that was ahead makes the day stale later.
            WHERE valid_from <= read.ended_until AND created_at <= :as_of),
           read.ended_until
    FROM (
        SELECT greatest(
            :start,
            (SELECT max(coalesce(t.ended_at, t.created_at)) FROM tasks t
             WHERE {TASKS_IN.format(n=0)}),
            (SELECT max(coalesce(t.ended_at, t.created_at))
             FROM entries e JOIN tasks t ON t.id = e.task_id WHERE {ENTRIES_IN.format(n=0)})
        ) AS ended_until
    ) read
    RETURNING id
    """  # noqa: S608 (composed of constants)
)
KEPT = (*FIGURES, *OF_CHARGES)
_SUMS, _ALL_SUMS = (
    ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in names)
    for names in (FIGURES, KEPT)
)
_COLUMNS = {key: f"of_{key}" for key in KEYS}
_OF_TASK = [f"t.{key} AS {column}" for key, column in _COLUMNS.items()]
_BY = ", ".join(_COLUMNS.values())
SUM_UP = f"""
WITH {parts_of(of_task=_OF_TASK, of_entry=_OF_TASK, keys=_BY, spans=1)}
SELECT {", ".join(f"{column} AS {key}" for key, column in _COLUMNS.items())}, {_ALL_SUMS}
FROM ({sums_of(_BY, KEPT)}) parts
GROUP BY {_BY}
"""  # noqa: S608 (composed of constants)
"""A day as its tasks and entries are."""
_NAMES = ", ".join((*KEYS, *KEPT))
ENTER_USAGE = text(
    f"""
    INSERT INTO rolled_usage (day_id, line, {_NAMES})
    SELECT :day_id, row_number() OVER (), {_NAMES} FROM ({SUM_UP}) summed
    """  # noqa: S608 (composed of constants)
)
_WHOLE = ", ".join(OF_WHAT)
ENTER_WHOLE = text(
    f"""
    INSERT INTO rolled_whole (day_id, line, {_WHOLE}, {", ".join(FIGURES)})
    SELECT :day_id, row_number() OVER (), {_WHOLE}, {_SUMS}
    FROM rolled_usage WHERE day_id = :day_id GROUP BY {_WHOLE}
    """  # noqa: S608 (composed of constants)
)


async def find_due(
    session: AsyncSession, *, now: datetime, zone: tzinfo, currency: str, limit: int
) -> list[Window]:
    """List what is over and not summed up, or not any more: hours, then days; the newest first."""
    query = select(Task.created_at).order_by(Task.id).limit(1)
    first_at = await session.scalar(query)
    if first_at is None:
        return []
    today = now.astimezone(zone).date()
    days = [window_of_day(today - timedelta(days=ago), zone) for ago in range(DAYS_BACK + 1)]
    over = [day for day in days if _is_due(day, now)]
    hours = [hour for day in days if day not in over for hour in reversed(hours_of(day))]
    due = [*(hour for hour in hours if _is_due(hour, now)), *over]
    due = [one for one in due if one.until > first_at - OUT_OF_ORDER]
    if not due:
        return []
    window = Window(due[-1].start, due[0].until)
    held = await find_rolled(session, window, zone=zone, currency=currency)
    values = {"since": now - AGAIN_AFTER}
    lately = {Window(*row) for row in await session.execute(ROLLED_LATELY, values)}
    still = {one.window for one in held} | {hour for hour in hours if hour in lately}
    return [one for one in due if one not in still][:limit]


def _is_due(window: Window, now: datetime) -> bool:
    return window.until + AFTER <= now


async def draw_number(session: AsyncSession) -> int:
    """Draw a transaction's number: whoever has written something by now has a smaller one."""
    number = await session.scalar(NUMBER)
    assert isinstance(number, int), "each has one"
    return number


async def roll_day(session: AsyncSession, day: Window, *, currency: str, number: int) -> bool:
    """Sum up a day in a session that has just begun its transaction.

    False, and nothing is written, if another one does that now, or if somebody with a smaller
    number than `number`, which was drawn when the day was over, still writes.
    """
    await session.execute(SNAPSHOT)
    try:
        await session.execute(ALONE)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != IS_LOCKED:
            raise
        return False
    if not await session.scalar(MAY_ROLL, {"number": number}):
        return False
    await plan_for_values(session)
    values = await day_values(session, day, currency=currency)
    await session.execute(FORGET_MARKS, values)
    await session.execute(FORGET_DAYS, values)
    values["day_id"] = await session.scalar(ENTER_DAY, values)
    await session.execute(ENTER_USAGE, values)
    await session.execute(ENTER_WHOLE, values)
    return True


async def day_values(session: AsyncSession, day: Window, *, currency: str) -> dict[str, Any]:
    """Say what SUM_UP is bound to, of everything and by all purchase prices."""
    return {
        **await span_values(session, [day]),
        "start": day.start,
        "until": day.until,
        "currency": currency,
        "as_of": await session.scalar(text("SELECT clock_timestamp()")),
        **dict.fromkeys(("tenant_ids", "token_id", "channel_id", "model")),
    }
