"""Days of usage that were summed up once (`roll.py`), as far as they are still what they were.

Of days that are not over the hours are. Such a day or hour is taken only if nothing says that it
may have changed:

- no mark of a moment in it: triggers write one with whatever changes a task or enters money late;
- as many purchase prices as then that could count for its tasks: prices are only ever added;
- the same two moments, so a day of another time zone is none.

So what is read with them is what would be read without, to the micro; and without any row here, it
is as right and only slower.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.months import Window, first_moment
from relay.usage.raw import OF_WHAT, WANTED

SPANS_MAX = 6
"""What is read raw may be cut into so many; where there are more, days between them are too."""
FORM = 2
"""Which figures a day has; another one of an earlier or later version is none."""
HOLDS = f"""
    d.form = {FORM}
    AND NOT EXISTS (SELECT FROM rolled_marks m WHERE m.at >= d.start_at AND m.at < d.until_at)
    AND d.costs = (SELECT count(*) FROM channel_costs WHERE valid_from <= d.ended_until)
    """  # noqa: S608 (composed of constants)
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


HOUR = timedelta(hours=1)


class Rolled(NamedTuple):
    """A rolled day, or an hour of one."""

    id: int
    window: Window


async def find_rolled(
    session: AsyncSession, window: Window, *, zone: tzinfo, currency: str
) -> list[Rolled]:
    """Find the rolled days and hours within a window that still hold, in order.

    None is within another one: what is rolled takes away all that it overlaps.
    """
    values = {"start": window.start, "until": window.until, "currency": currency}
    found: list[Rolled] = []
    for row in await session.execute(FIND, values):
        one = Rolled(row.id, Window(row.start_at, row.until_at))
        if _is_of_zone(one.window, zone):
            found.append(one)
    return found


def window_of_day(day: date, zone: tzinfo) -> Window:
    return Window(first_moment(day, zone), first_moment(day + timedelta(days=1), zone))


def hours_of(day: Window) -> list[Window]:
    """Cut a day into hours from its first moment on; the last one may be shorter."""
    hours = -((day.start - day.until) // HOUR)
    starts = [day.start + HOUR * number for number in range(hours)]
    return [Window(start, until) for start, until in pairwise([*starts, day.until])]


def _is_of_zone(window: Window, zone: tzinfo) -> bool:
    """Tell whether it is one of its days, or an hour of one."""
    day = window_of_day(window.start.astimezone(zone).date(), zone)
    return window == day or window in hours_of(day)


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
    runs.sort(key=lambda run: run[-1].window.until - run[0].window.start, reverse=True)
    longest = runs[: SPANS_MAX - 1]
    return sorted((one for run in longest for one in run), key=lambda one: one.window)


def rest_of(window: Window, days: Sequence[Rolled]) -> list[Window]:
    """Say what of a window is in none of these days, which are in order."""
    if not days:
        return [window]
    edges = [window.start, *(edge for one in days for edge in one.window), window.until]
    between = [Window(start, until) for start, until in list(pairwise(edges))[::2]]
    return [span for span in between if span.start < span.until]


def lines_of(of_day: Sequence[str], figures: Sequence[str], *, is_whole: bool) -> str:
    """Compose what rolled days come to; `is_whole`: of all tenants together.

    `of_day`: keys of the lines `r` and of the days `d`.
    """
    needs_days = any("d." in one for one in of_day)
    return LINES.format(
        of_day=", ".join(of_day),
        figures=", ".join(figures),
        joins="JOIN rolled_days d ON d.id = r.day_id" if needs_days else "",
        table="rolled_whole" if is_whole else "rolled_usage",
        wanted=(OF_WHAT if is_whole else WANTED).format(row="r"),
    )
