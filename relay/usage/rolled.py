"""Days of usage that were summed up once (`roll.py`), as far as they are still what they were.

A rolled day is taken only if nothing says that it may have changed:

- no mark of a moment in it: triggers write one with whatever changes a task or enters money late;
- as many purchase prices as then that could count for its tasks: prices are only ever added;
- the same two moments, so one of another time zone is none.

So what is read with them is what would be read without, to the micro; and without any row here, it
is as right and only slower.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.months import Window, days_of, first_moment
from relay.usage.raw import FIGURES, OF_WHAT, WANTED

SPANS_MAX = 6
"""What is read raw may be cut into so many; where there are more, days between them are too."""
HOLDS = """
    NOT EXISTS (SELECT FROM rolled_marks m WHERE m.at >= d.start_at AND m.at < d.until_at)
    AND d.costs = (SELECT count(*) FROM channel_costs WHERE valid_from <= d.ended_until)"""
FIND = text(
    f"""
    SELECT d.id, d.start_at, d.until_at FROM rolled_days d
    WHERE d.start_at >= :start AND d.until_at <= :until AND d.currency = :currency AND {HOLDS}
    ORDER BY d.start_at
    """  # noqa: S608 (composed of constants)
)
ENTERED_SINCE = text("SELECT EXISTS (SELECT FROM channel_costs WHERE created_at > :as_of)")
LINES = """
    SELECT {of_day}, {figures}
    FROM {table} r {joins}
    WHERE r.day_id = ANY(:day_ids) {wanted}"""


class Rolled(NamedTuple):
    """A rolled day."""

    id: int
    window: Window


async def find_rolled(
    session: AsyncSession, window: Window, *, zone: tzinfo, currency: str
) -> list[Rolled]:
    """Find the rolled days within a window that still hold, in order."""
    days = {window_of_day(day, zone) for day in days_of(window, zone)}
    values = {"start": window.start, "until": window.until, "currency": currency}
    rows = await session.execute(FIND, values)
    found = [Rolled(row.id, Window(row.start_at, row.until_at)) for row in rows]
    return [one for one in found if one.window in days]


async def were_all_known(session: AsyncSession, as_of: datetime) -> bool:
    """Tell whether all purchase prices that there are had been entered by then."""
    return not await session.scalar(ENTERED_SINCE, {"as_of": as_of})


def in_few_runs(days: Sequence[Rolled]) -> list[Rolled]:
    """Leave out the shortest runs of days, where what is between them would be too many spans."""
    runs: list[list[Rolled]] = []
    for one in days:
        if runs and runs[-1][-1].window.until == one.window.start:
            runs[-1].append(one)
        else:
            runs.append([one])
    longest = sorted(runs, key=len, reverse=True)[: SPANS_MAX - 1]
    return sorted((one for run in longest for one in run), key=lambda one: one.window)


def rest_of(window: Window, days: Sequence[Rolled]) -> list[Window]:
    """Say what of a window is in none of these days, which are in order."""
    if not days:
        return [window]
    edges = [window.start, *(edge for one in days for edge in one.window), window.until]
    between = [Window(start, until) for start, until in list(pairwise(edges))[::2]]
    return [span for span in between if span.start < span.until]


def lines_of(of_day: Sequence[str], *, is_whole: bool) -> str:
    """Compose what rolled days come to; `is_whole`: of all tenants together.

    `of_day`: keys of the lines `r` and of the days `d`.
    """
    needs_days = any("d." in one for one in of_day)
    return LINES.format(
        of_day=", ".join(of_day),
        figures=", ".join(FIGURES),
        joins="JOIN rolled_days d ON d.id = r.day_id" if needs_days else "",
        table="rolled_whole" if is_whole else "rolled_usage",
        wanted=(OF_WHAT if is_whole else WANTED).format(row="r"),
    )


def window_of_day(day: date, zone: tzinfo) -> Window:
    return Window(first_moment(day, zone), first_moment(day + timedelta(days=1), zone))
