"""Kling's bill for a channel, held against our tasks: each difference by name.

Synchronous calls have no id of Kling's here: they are found by their amount, and by when they were.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.opened import OpenedChannel
from relay.kling.bills import LISTS, PAGE_SIZE, PAUSE_S, BilledRow, BillList, read_bill_page
from relay.kling.codes import Code
from relay.kling.transport import Reply
from relay.kling.wire import read_envelope
from relay.moments import ms_of
from relay.months import Window
from relay.tasks.token_report import find_first_since
from relay.tasks.upstream import Upstream

AROUND = timedelta(days=1)
"""Beyond both edges of a window: Kling may deduct when a task is made, or after its end."""
BESIDE = timedelta(hours=1)
"""Of a task's own time: a deduction that is further from it is of another time."""
CALL_BESIDE = timedelta(minutes=5)
"""Of a synchronous call's."""
LIFE_MAX = timedelta(days=32)
"""Of a task: Kling forgets tasks after 30 days."""
TIMEOUT_S = 30.0
PAGES_MAX = 1000
PAUSES_S = (2.0, 4.0, 8.0)
"""Where Kling says that it was asked too fast."""

OURS = """
SELECT t.id, t.channel_id, c.name AS channel, t.endpoint, t.model, t.state, t.kling_id,
       t.created_at, coalesce(t.ended_at, t.created_at) AS ended_at,
       t.cost_units AS units, t.cost_cash AS cash, t.cost_currency AS currency
FROM tasks t JOIN channels c ON c.id = t.channel_id
WHERE t.kling_id = ANY(:kling_ids)
UNION
SELECT t.id, t.channel_id, c.name, t.endpoint, t.model, t.state, t.kling_id, t.created_at,
       coalesce(t.ended_at, t.created_at), t.cost_units, t.cost_cash, t.cost_currency
FROM tasks t JOIN channels c ON c.id = t.channel_id
WHERE t.id >= :first_id AND t.channel_id = :channel_id
    AND t.ended_at >= :start AND t.ended_at < :until
    AND (t.state = 'succeed' OR t.cost_units > 0 OR t.cost_cash > 0)
ORDER BY id
"""


class Unbilled(Exception):
    """Kling did not show its bill, or not all of it; the message says why."""


class Differs(StrEnum):
    """How a task and the bill differ."""

    NOT_THEIRS = "ours without theirs"
    """It succeeded here, or Kling told a deduction, and the bill has none."""
    NOT_OURS = "theirs without ours"
    """No task of this channel has that id: made beside the relay, lost, or a trial."""
    AMOUNT = "another amount"
    """Kling told us one deduction, and bills another one."""
    NOT_TOLD = "not told"
    """Kling told us no deduction, and bills one."""
    TIME = "another time"
    """Deducted in another month than the task ended in, or far from when it ran."""


class OurTask(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    channel_id: int
    channel: str
    endpoint: str
    model: str | None
    state: str
    kling_id: str | None
    created_at: datetime
    ended_at: datetime
    units: Decimal | None
    cash: Decimal | None
    currency: str | None


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """All that Kling deducted for one of its ids."""

    kling_id: str
    at: datetime | None
    """The last of them."""
    units: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    currency: str | None = None
    function: str = ""


class BillDifference(msgspec.Struct, frozen=True):
    """One task or deduction; what is not there is None."""

    differs: Differs
    ours: OurTask | None
    theirs: Billed | None


class Sums(msgspec.Struct, frozen=True):
    """Of a window."""

    tasks: int
    units: Decimal
    cash: Decimal


class Bill(msgspec.Struct, frozen=True):
    """What a window of a channel comes to, here and at Kling."""

    ours: Sums
    theirs: Sums
    """Without trials."""
    trials: Sums
    """At Kling: no tasks here, and known by their ids."""
    differences: list[BillDifference]
    unread: int
    """Rows of Kling's that could not be read."""


async def read_deductions(
    upstream: Upstream,
    channel: OpenedChannel,
    window: Window,
    *,
    pause_s: float = PAUSE_S,
    page_size: int = PAGE_SIZE,
) -> tuple[list[BilledRow], int]:
    """Read both of Kling's lists, with a day around the window; and count what was not readable.

    Raises:
        NoUsableReply, Unbilled
    """
    rows: list[BilledRow] = []
    unread = 0
    for one in LISTS:
        asked: dict[str, object] = {
            "start_time": ms_of(window.start - AROUND),
            "end_time": ms_of(min(window.until, datetime.now(UTC)) + AROUND),
            "limit": page_size,
        }
        for number in range(PAGES_MAX + 1):
            if number == PAGES_MAX:
                raise Unbilled(f"it has more than {PAGES_MAX * page_size:,} rows")
            await asyncio.sleep(pause_s)
            reply = await _asked(upstream, channel, one, asked)
            page = read_bill_page(reply, is_cash=one.is_cash)
            rows += page.rows
            unread += page.unread
            if page.next_cursor is None:
                break
            asked = {"cursor": page.next_cursor, "limit": page_size}
    return rows, unread


async def _asked(
    upstream: Upstream, channel: OpenedChannel, one: BillList, asked: dict[str, object]
) -> Reply:
    for pause_s in (*PAUSES_S, None):
        reply = await upstream.bill_page(channel, one.endpoint, asked, timeout_s=TIMEOUT_S)
        envelope = read_envelope(reply)
        code = None if envelope is None else envelope.code
        if code == Code.RATE_LIMITED and pause_s is not None:
            await asyncio.sleep(pause_s)
            continue
        if code != Code.OK:
            said = f": {code} {envelope.message}" if envelope else ""
            raise Unbilled(f"{one.endpoint.path} answered HTTP {reply.status}{said}")
        return reply
    raise AssertionError("the last try returns or raises")


async def read_our_tasks(
    session: AsyncSession, channel_id: int, window: Window, kling_ids: Iterable[str]
) -> list[OurTask]:
    """Read what ended on a channel in a window, and a day around it; and what has those ids."""
    values: dict[str, Any] = {
        "kling_ids": list(kling_ids),
        "channel_id": channel_id,
        "first_id": await find_first_since(session, window.start - LIFE_MAX),
        "start": window.start - AROUND,
        "until": window.until + AROUND,
    }
    rows = (await session.execute(text(OURS), values)).mappings()
    return [OurTask(**row) for row in rows]


def compare(
    channel_id: int,
    window: Window,
    tasks: Sequence[OurTask],
    rows: Sequence[BilledRow],
    *,
    unread: int = 0,
    of_trials: Collection[str] = (),
) -> Bill:
    """Hold them against each other; what lies outside the window counts for what lies in it.

    `of_trials`: Kling's ids of what trials made.
    """
    billed_all = _by_id(rows)
    theirs = {key: one for key, one in billed_all.items() if key not in of_trials}
    tried = [one for key, one in billed_all.items() if key in of_trials]
    ours = {
        task.kling_id: task for task in tasks if task.kling_id and task.channel_id == channel_id
    }
    elsewhere = {
        task.kling_id: task for task in tasks if task.kling_id and task.channel_id != channel_id
    }
    calls = [task for task in tasks if not task.kling_id and task.channel_id == channel_id]
    found: list[BillDifference] = []
    strays: list[Billed] = []
    for key, billed in theirs.items():
        task = ours.get(key)
        if task is None:
            strays.append(billed)
            continue
        if _is_in(window, billed.at) or _is_in(window, task.ended_at):
            found += [BillDifference(one, task, billed) for one in _differs(window, task, billed)]
    left, calls_left = _match_calls(calls, [one for one in strays if one.kling_id not in elsewhere])
    left += [one for one in strays if one.kling_id in elsewhere]
    found += [
        BillDifference(Differs.NOT_OURS, elsewhere.get(one.kling_id), one)
        for one in left
        if _is_in(window, one.at) and (one.units or one.cash)
    ]
    missing = [task for key, task in ours.items() if key not in theirs] + calls_left
    found += [
        BillDifference(Differs.NOT_THEIRS, task, None)
        for task in missing
        if _is_in(window, task.ended_at) and _is_due(task)
    ]
    found.sort(key=lambda one: (one.differs, one.ours.id if one.ours else 0))
    return Bill(
        ours=_sums(one for one in [*ours.values(), *calls] if _is_in(window, one.ended_at)),
        theirs=_sums(one for one in theirs.values() if _is_in(window, one.at)),
        trials=_sums(one for one in tried if _is_in(window, one.at)),
        differences=found,
        unread=unread,
    )


def _by_id(rows: Iterable[BilledRow]) -> dict[str, Billed]:
    found: dict[str, Billed] = {}
    for number, row in enumerate(rows):
        key = row.kling_id or f"(row {number})"
        one = found.get(key, Billed(kling_id=key, at=row.at, function=row.function))
        moments = [at for at in (one.at, row.at) if at is not None]
        found[key] = msgspec.structs.replace(
            one,
            at=max(moments, default=None),
            units=one.units + (0 if row.is_cash else row.amount),
            cash=one.cash + (row.amount if row.is_cash else 0),
            currency=row.currency or one.currency,
        )
    return found


def _differs(window: Window, task: OurTask, billed: Billed) -> Iterable[Differs]:
    told = (task.units or Decimal(0), task.cash or Decimal(0))
    is_same_currency = None in (task.currency, billed.currency) or task.currency == billed.currency
    if told != (billed.units, billed.cash) or not is_same_currency:
        yield Differs.AMOUNT if any(told) else Differs.NOT_TOLD
    if billed.at is not None and (
        not task.created_at - BESIDE <= billed.at <= task.ended_at + BESIDE
        or _is_in(window, billed.at) != _is_in(window, task.ended_at)
    ):
        yield Differs.TIME


def _match_calls(
    calls: Sequence[OurTask], strays: Sequence[Billed]
) -> tuple[list[Billed], list[OurTask]]:
    """Give each call the nearest deduction of its amount; return what is left of both."""
    left, alone = list(strays), []
    for call in calls:
        told = (call.units or Decimal(0), call.cash or Decimal(0))
        near = [
            (abs(one.at - call.ended_at), place)
            for place, one in enumerate(left)
            if one.at is not None
            and abs(one.at - call.ended_at) <= CALL_BESIDE
            and (one.units, one.cash) == told
        ]
        if near:
            del left[min(near)[1]]
        else:
            alone.append(call)
    return left, alone


def _is_due(task: OurTask) -> bool:
    """Tell whether a bill should have it; what Kling told to be 0 need not stand there."""
    is_told = task.units is not None or task.cash is not None
    return bool(task.units or task.cash) or (task.state == "succeed" and not is_told)


def _is_in(window: Window, at: datetime | None) -> bool:
    """Tell whether it is of the window; what is of no moment is of any."""
    return at is None or window.start <= at < window.until


def _sums(found: Iterable[OurTask | Billed]) -> Sums:
    tasks, units, cash = 0, Decimal(0), Decimal(0)
    for one in found:
        if one.units or one.cash:
            tasks += 1
            units += one.units or 0
            cash += one.cash or 0
    return Sums(tasks, units, cash)
