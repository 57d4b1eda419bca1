"""Usage: what was made, charged and taken by Kling in a window, by any keys.

Each figure belongs to one moment, so that windows which touch add up to the window of both:

- A task to when it was made. How many succeeded and failed is said of these tasks, as they are now.
- Money to when it was entered: charges less refunds and corrections, as statements have them.
- Seconds, images and Kling's cost to the charge: of successes, which have one each.

Tasks of keys for tests are left out: they are free, and what sandboxes say of a cost is none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.months import Month, Window, days_of, first_moment
from relay.tasks.token_report import find_first_since
from relay.tenants.tables import Tenant

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


TIMES = {UsageKey.DAY, UsageKey.MONTH}
COLUMNS = {
    UsageKey.ACCOUNT: "t.account_id",
    UsageKey.TENANT: "t.tenant_id",
    UsageKey.TOKEN: "t.token_id",
    UsageKey.MODEL: "t.model",
    UsageKey.ENDPOINT: "t.endpoint",
    UsageKey.CHANNEL: "t.channel_id",
}
ALL = "0 AS of_all"
"""One more key, so that there is one where nothing is told apart."""
FIGURES = (
    *("tasks", "succeeded", "failed", "refused", "seconds", "images"),
    *("charged_micros", "cost_micros", "without_cost"),
)
READ = """
WITH made AS (
    SELECT {of_task},
           count(*) FILTER (WHERE t.state <> 'refused') AS tasks,
           count(*) FILTER (WHERE t.state = 'succeed') AS succeeded,
           count(*) FILTER (WHERE t.state = 'failed') AS failed,
           count(*) FILTER (WHERE t.state = 'refused') AS refused
    FROM tasks t JOIN tokens k ON k.id = t.token_id
    WHERE t.id >= :first_id AND t.created_at >= :start AND t.created_at < :until
        AND NOT k.is_test AND (CAST(:tenant_id AS bigint) IS NULL OR t.tenant_id = :tenant_id)
    GROUP BY {keys}
),
entered AS (
    SELECT {of_entry}, -e.amount_micros AS charged_micros,
           -- Of one charge a success, which it still is.
           e.kind = 'charge' AND t.state = 'succeed' AND NOT k.is_test AS is_success,
           t.pack, t.quote, t.cost_units, t.cost_cash,
           coalesce(t.cost_pack, t.pack) AS cost_pack,
           coalesce(t.cost_currency, :currency) = :currency AS is_cash_ours
    FROM entries e JOIN tasks t ON t.id = e.task_id JOIN tokens k ON k.id = t.token_id
    WHERE e.created_at >= :start AND e.created_at < :until
        AND (CAST(:tenant_id AS bigint) IS NULL OR t.tenant_id = :tenant_id)
),
charged AS (
    SELECT {keys},
           sum((quote ->> 'seconds')::bigint) FILTER (WHERE is_success AND pack <> 'image' AND (
               quote #>> '{{wanted,seconds}}' IS NOT NULL
               OR (quote #>> '{{wanted,is_open}}')::boolean
           )) AS seconds,
           sum(coalesce((quote #>> '{{wanted,count}}')::bigint, 1))
               FILTER (WHERE is_success AND pack = 'image') AS images,
           sum(charged_micros) AS charged_micros,
           -- Rounded for each task, so that sums of parts are the sum of all.
           sum(
               round(coalesce(cost_units, 0) * CASE cost_pack
                   WHEN 'image' THEN (quote #>> '{{prices,image_micros}}')::numeric
                   ELSE (quote #>> '{{prices,video_micros}}')::numeric END)
               + CASE WHEN is_cash_ours THEN round(coalesce(cost_cash, 0) * 1000000) ELSE 0 END
           ) FILTER (WHERE is_success) AS cost_micros,
           count(*) FILTER (WHERE is_success AND cost_units IS NULL
               AND (cost_cash IS NULL OR NOT is_cash_ours)) AS without_cost
    FROM entered
    GROUP BY {keys}
)
SELECT {keys}, {sums}
FROM (
    SELECT {keys}, tasks, succeeded, failed, refused, 0 AS seconds, 0 AS images,
           0 AS charged_micros, 0 AS cost_micros, 0 AS without_cost
    FROM made
    UNION ALL
    SELECT {keys}, 0, 0, 0, 0, seconds, images, charged_micros, cost_micros, without_cost
    FROM charged
) parts
GROUP BY {keys}
"""


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
    charged_micros: int
    """Less what was given back in it."""
    cost_micros: int
    """Kling's: cash in the books' currency, and units at the list price that was in force."""
    without_cost: int
    """Successes of which Kling did not say what it took, or in another currency."""

    @property
    def margin_micros(self) -> int:
        return self.charged_micros - self.cost_micros


async def read_usage(
    session: AsyncSession,
    keys: Sequence[UsageKey],
    window: Window,
    *,
    zone: tzinfo,
    currency: str,
    tenant_id: int | None = None,
) -> list[Usage]:
    """Sum up a window; by time first, then what was charged most. `keys`: each once.

    `currency`: of the books.
    """
    pieces = {key: _pieces(key, window, zone) for key in keys if key in TIMES}
    columns = [f"key_{place}" for place in range(len(keys))]
    of_task, of_entry = (
        [f"{_spelt(key, row)} AS {column}" for key, column in zip(keys, columns, strict=True)]
        for row in ("t", "e")
    )
    query = READ.format(
        of_task=", ".join([*of_task, ALL]),
        of_entry=", ".join([*of_entry, ALL]),
        keys=", ".join([*columns, "of_all"]),
        sums=", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in FIGURES),
    )
    values: dict[str, Any] = {
        "first_id": await find_first_since(session, window.start - OUT_OF_ORDER),
        "start": window.start,
        "until": window.until,
        "tenant_id": tenant_id,
        "currency": currency,
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
    times = [key.value for key in keys if key in TIMES]
    return sorted(
        found,
        key=lambda one: (
            [one.keys[name] for name in times],
            -one.charged_micros,
            [str(value) for value in one.keys.values()],
        ),
    )


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
