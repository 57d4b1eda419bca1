"""Usage: what was made, charged and taken by Kling in a window, by any keys.

Each figure belongs to one moment, so that windows which touch add up to the window of both:

- A task to when it was made. How many succeeded and failed is said of these tasks, as they are now.
- Money to when it was entered: charges less refunds and corrections, as statements have them.
- Seconds, images and Kling's cost to the charge: of successes, which have one each.
- What Kling took for a task that was never charged, to when that was made.

Tasks of keys for tests are left out: they are free, and what sandboxes say of a cost is none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.months import Month, Window, days_of, first_moment
from relay.tasks.token_report import find_first_since
from relay.tenants.tables import Tenant
from relay.usage import costs, resold

OUT_OF_ORDER = timedelta(days=1)
"""Tasks are old in the order of their ids, give or take much less."""


class UsageKey(StrEnum):
    """What usage can be told apart by."""

    DAY = "day"
    """In the operator's time zone, as months are."""
    MONTH = "month"
    ACCOUNT = "account"
    TENANT = "tenant"
    TOKEN = "token"  # noqa: S105 (a word)
    MODEL = "model"
    """As the tenant spelled it."""
    ENDPOINT = "endpoint"
    CHANNEL = "channel"
    """The one that made it, or was tried last."""
    TASK = "task"
    """By our id."""


TIMES = {UsageKey.DAY, UsageKey.MONTH}
COLUMNS = {
    UsageKey.ACCOUNT: "t.account_id",
    UsageKey.TENANT: "t.tenant_id",
    UsageKey.TOKEN: "t.token_id",
    UsageKey.MODEL: "t.model",
    UsageKey.ENDPOINT: "t.endpoint",
    UsageKey.CHANNEL: "t.channel_id",
    UsageKey.TASK: "t.id",
}
BEHIND_ALL = 2**63 - 1
ROWS_MAX = 10_000
"""Where tasks are told apart."""
ALL = "0 AS of_all"
"""One more key, so that there is one where nothing is told apart."""
FIGURES = (
    *("tasks", "succeeded", "failed", "refused", "charges", "seconds", "images"),
    *("charged_micros", "resold_micros", "cost_micros", "at_list", "uncharged", "without_cost"),
    "without_cost_micros",
)
OF_TASKS, OF_MONEY = FIGURES[:4], FIGURES[4:]
WANTED = """
        AND (CAST(:tenant_id AS bigint) IS NULL OR t.tenant_id IN (
            SELECT id FROM tenants WHERE id = :tenant_id OR parent_id = :tenant_id))
        AND (CAST(:token_id AS bigint) IS NULL OR t.token_id = :token_id)
        AND (CAST(:channel_id AS bigint) IS NULL OR t.channel_id = :channel_id)
        AND (CAST(:model AS text) IS NULL OR t.model = :model)"""
LINE = f"""
           t.pack, t.quote, {costs.IS_KNOWN} AS is_known, {costs.MICROS} AS cost_micros,
           {costs.IS_AT_LIST} AS is_at_list"""
READ = """
WITH {costs},
made AS (
    SELECT {of_task},
           count(*) FILTER (WHERE t.state <> 'refused') AS tasks,
           count(*) FILTER (WHERE t.state = 'succeed') AS succeeded,
           count(*) FILTER (WHERE t.state = 'failed') AS failed,
           count(*) FILTER (WHERE t.state = 'refused') AS refused
    FROM tasks t JOIN tokens k ON k.id = t.token_id
    WHERE t.id >= :first_id AND t.id < :behind_id
        AND t.created_at >= :start AND t.created_at < :until
        AND NOT k.is_test {wanted}
    GROUP BY {keys}
),
lines AS (
    SELECT {of_entry}, {taken} AS charged_micros, {taken_resold} AS resold_micros,
           -- Of one charge a success, which it still is.
           e.kind = 'charge' AND t.state = 'succeed' AND NOT k.is_test AS is_success,
           false AS is_uncharged, {line}
    FROM entries e JOIN tasks t ON t.id = e.task_id JOIN tokens k ON k.id = t.token_id {joins}
    WHERE e.created_at >= :start AND e.created_at < :until {wanted}
    UNION ALL
    SELECT {of_task}, 0, 0, false, true, {line}
    FROM tasks t JOIN tokens k ON k.id = t.token_id {joins}
    WHERE t.id >= :first_id AND t.id < :behind_id
        AND t.created_at >= :start AND t.created_at < :until
        AND NOT k.is_test AND t.state <> 'succeed' AND {was_taken} {wanted}
),
money AS (
    SELECT {keys},
           count(*) FILTER (WHERE is_success) AS charges,
           sum((quote ->> 'seconds')::bigint) FILTER (WHERE is_success AND pack <> 'image' AND (
               quote #>> '{{wanted,seconds}}' IS NOT NULL
               OR (quote #>> '{{wanted,is_open}}')::boolean
           )) AS seconds,
           sum(coalesce((quote #>> '{{wanted,count}}')::bigint, 1))
               FILTER (WHERE is_success AND pack = 'image') AS images,
           sum(charged_micros) AS charged_micros, sum(resold_micros) AS resold_micros,
           sum(cost_micros) FILTER (WHERE (is_success OR is_uncharged) AND is_known) AS cost_micros,
           count(*) FILTER (WHERE (is_success OR is_uncharged) AND is_known AND is_at_list)
               AS at_list,
           count(*) FILTER (WHERE is_uncharged) AS uncharged,
           count(*) FILTER (WHERE (is_success OR is_uncharged) AND NOT is_known) AS without_cost,
           sum(charged_micros) FILTER (WHERE NOT is_known) AS without_cost_micros
    FROM lines
    GROUP BY {keys}
)
SELECT {keys}, {sums}
FROM (
    SELECT {keys}, {of_tasks}, {no_money} FROM made
    UNION ALL
    SELECT {keys}, {no_tasks}, {of_money} FROM money
) parts
GROUP BY {keys}
{least_first}
"""
LEAST_FIRST = """
HAVING sum(charges + uncharged) > 0 OR bool_or(charged_micros <> 0)
ORDER BY coalesce(sum(charged_micros), 0) - coalesce(sum(without_cost_micros), 0)
    - coalesce(sum(cost_micros), 0), {keys}
LIMIT :limit"""
"""By tasks there are many, most of which nothing was paid for."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a window comes to, of all that has the same keys."""

    keys: dict[str, Any]
    """In the order that was asked for; names of tenants and channels, ids of accounts and tokens.
    A model is null where none was named."""
    tasks: int
    """Made in it, without those that were refused."""
    succeeded: int
    """Of them."""
    failed: int
    refused: int
    """Beside them: nothing came of these, and nothing was charged."""
    seconds: int
    """Of video, as priced, of what was charged in it."""
    images: int
    charges: int
    """Successes that were charged in it."""
    charged_micros: int
    """Less what was given back in it."""
    resold_micros: int
    """What that is to whose tasks they are: of sub-tenants, at their own prices."""
    cost_micros: int
    """What Kling took, at what it was bought for (`costs.py`); of what is known."""
    at_list: int
    """Tasks whose units have no purchase price: they cost what Kling's list said."""
    uncharged: int
    """Tasks that Kling took for, and that were never charged."""
    without_cost: int
    """Tasks of which it is not known what Kling took: they stand apart from cost and margin."""
    without_cost_micros: int
    """What was charged for them, less what was given back; a part of `charged_micros`."""

    @property
    def margin_micros(self) -> int:
        """Say what is left of charges whose cost is known."""
        return self.charged_micros - self.without_cost_micros - self.cost_micros


async def read_usage(
    session: AsyncSession,
    keys: Sequence[UsageKey],
    window: Window,
    *,
    zone: tzinfo,
    currency: str,
    tenant_id: int | None = None,
    token_id: int | None = None,
    channel_id: int | None = None,
    model: str | None = None,
    as_of: datetime | None = None,
    limit: int = ROWS_MAX,
) -> list[Usage]:
    """Sum up a window; by time first, then what was charged most. `keys`: each once.

    `currency`: of the books. `tenant_id`: of that one, with its sub-tenants. `as_of`: by the
    purchase prices that were entered by then, by default all. By tasks, those of the least margin
    come first, and `limit` of them at most.
    """
    pieces = {key: _pieces(key, window, zone) for key in keys if key in TIMES}
    columns = [f"key_{place}" for place in range(len(keys))]
    of_task, of_entry = (
        [f"{_spelt(key, row)} AS {column}" for key, column in zip(keys, columns, strict=True)]
        for row in ("t", "e")
    )
    is_by_task = UsageKey.TASK in keys
    of_keys = ", ".join([*columns, "of_all"])
    query = READ.format(
        costs=costs.ROWS,
        joins=costs.JOINS,
        line=LINE,
        taken=resold.TAKEN,
        taken_resold=resold.TAKEN_RESOLD,
        was_taken=costs.WAS_TAKEN,
        wanted=WANTED,
        of_tasks=", ".join(OF_TASKS),
        of_money=", ".join(OF_MONEY),
        no_tasks=", ".join("0" for _ in OF_TASKS),
        no_money=", ".join(f"0 AS {name}" for name in OF_MONEY),
        least_first=LEAST_FIRST.format(keys=of_keys) if is_by_task else "",
        of_task=", ".join([*of_task, ALL]),
        of_entry=", ".join([*of_entry, ALL]),
        keys=of_keys,
        sums=", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in FIGURES),
    )
    values: dict[str, Any] = {
        **await ids_of(session, window),
        "start": window.start,
        "until": window.until,
        "tenant_id": tenant_id,
        "token_id": token_id,
        "channel_id": channel_id,
        "model": model,
        "currency": currency,
        "as_of": as_of or await session.scalar(select(func.clock_timestamp())),
        **({"limit": limit} if is_by_task else {}),
    }
    for key, of_key in pieces.items():
        values[f"{key.value}s"] = [start for _, start in of_key]
    rows = await session.execute(text(query), values)
    names = {
        UsageKey.TENANT: dict((await session.execute(select(Tenant.id, Tenant.name))).all()),
        UsageKey.CHANNEL: dict((await session.execute(select(Channel.id, Channel.name))).all()),
    }

    def named(key: UsageKey, value: Any) -> Any:
        if key in TIMES:
            return pieces[key][value - 1][0]
        return names[key][value] if key in names else value

    found = [
        Usage(
            keys={
                key.value: named(key, row[column])
                for key, column in zip(keys, columns, strict=True)
            },
            **{name: row[name] for name in FIGURES},
        )
        for row in rows.mappings()
    ]
    if is_by_task:
        return found
    times = [key.value for key in keys if key in TIMES]
    return sorted(
        found,
        key=lambda one: (
            [one.keys[name] for name in times],
            -one.charged_micros,
            [str(value) for value in one.keys.values()],
        ),
    )


async def ids_of(session: AsyncSession, window: Window) -> dict[str, int]:
    """Say between which ids the tasks of a window are, so that others need not be read."""
    now = await session.scalar(select(func.now()))
    assert now is not None, "it has a clock"
    behind_id = BEHIND_ALL
    if window.until + OUT_OF_ORDER < now:
        behind_id = await find_first_since(session, window.until + OUT_OF_ORDER)
    first_id = await find_first_since(session, window.start - OUT_OF_ORDER)
    return {"first_id": first_id, "behind_id": behind_id}


def _spelt(key: UsageKey, row: str) -> str:
    """Spell a key in SQL; `row`: whose moment it is by, that of the task or that of the entry."""
    if key in TIMES:
        return f"width_bucket({row}.created_at, CAST(:{key.value}s AS timestamptz[]))"
    return COLUMNS[key]


def _pieces(key: UsageKey, window: Window, zone: tzinfo) -> list[tuple[str, datetime]]:
    """Name the days or months of a window, each with its first moment.

    By this machine's calendar, for Postgres as well: two might know different clock changes.
    """
    days = list(days_of(window, zone))
    if key is UsageKey.DAY:
        return [(str(day), first_moment(day, zone)) for day in days]
    months = dict.fromkeys(Month(day.year, day.month) for day in days)
    return [(str(month), month.window(zone).start) for month in months]
