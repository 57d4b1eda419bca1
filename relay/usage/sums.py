"""Usage: what was made, charged and taken by Kling in a window, by any keys.

Each figure belongs to one moment, so that windows which touch add up to the window of both:

- A task to when it was made. How many succeeded and failed is said of these tasks, as they are now.
- Money to when it was entered: charges less refunds and corrections, as statements have them.
- Seconds, images and Kling's cost to the charge: of successes, which have one each.
- What Kling took for a task that was never charged, to when that was made.

Tasks of keys for tests are left out: they are free, and what sandboxes say of a cost is none.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import BigInteger, RowMapping, any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.months import Month, Window, days_of, first_moment
from relay.tenants.tables import Tenant
from relay.usage.raw import (
    FIGURES,
    family_of,
    parts_of,
    plan_for_values,
    span_values,
    sums_of,
)
from relay.usage.rolled import (
    Rolled,
    find_rolled,
    in_few_runs,
    lines_of,
    rest_of,
    were_all_known,
)


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
OF_WHOM = {UsageKey.ACCOUNT, UsageKey.TENANT, UsageKey.TOKEN}
COLUMNS = {
    UsageKey.ACCOUNT: "account_id",
    UsageKey.TENANT: "tenant_id",
    UsageKey.TOKEN: "token_id",
    UsageKey.MODEL: "model",
    UsageKey.ENDPOINT: "endpoint",
    UsageKey.CHANNEL: "channel_id",
    UsageKey.TASK: "id",
}
ROWS_MAX = 10_000
"""Where tasks are told apart."""
TRIES = 3
"""A day may be summed up anew, or become stale, while it is read."""
ALL = "0 AS of_all"
"""One more key, so that there is one where nothing is told apart."""
CHARGED = "charged_micros"
ONLY = ("tenant_ids", "token_id", "channel_id", "model")
OF_IDS = ARRAY(BigInteger)
READ = """{parts}
SELECT {keys}, grouping({keys}) AS of_table, {sums}
FROM ({sources}) parts
GROUP BY GROUPING SETS ({tables})
{order}
"""
LEAST_FIRST = """
HAVING sum(charges + uncharged) > 0 OR bool_or(charged_micros <> 0)
ORDER BY coalesce(sum(charged_micros), 0) - coalesce(sum(without_cost_micros), 0)
    - coalesce(sum(cost_micros), 0), {keys}
LIMIT :limit"""
"""By tasks there are many, most of which nothing was paid for."""
DEAREST_FIRST = """
ORDER BY coalesce(sum(charged_micros), 0) DESC, {keys}
LIMIT :limit"""


NAMED: dict[UsageKey, type[Tenant | Channel]] = {
    UsageKey.TENANT: Tenant,
    UsageKey.CHANNEL: Channel,
}


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


class _Reading:
    """A statement of some tables, each by its keys, and its rows told in words."""

    def __init__(
        self,
        tables: Sequence[Sequence[UsageKey]],
        window: Window,
        zone: tzinfo,
        *,
        is_dearest: bool = False,
    ) -> None:
        self._figures = (CHARGED,) if is_dearest else FIGURES
        keys = dict.fromkeys(key for table in tables for key in table)
        self._keys = {f"key_{place}": key for place, key in enumerate(keys)}
        columns = {key: name for name, key in self._keys.items()}
        self._tables = [[columns[key] for key in table] for table in tables]
        self._pieces = {key: _pieces(key, window, zone) for key in keys if key in TIMES}
        self._of_keys = ", ".join([*self._keys, "of_all"])
        self._order = ""
        if UsageKey.TASK in keys:
            self._order = LEAST_FIRST.format(keys=self._of_keys)
        elif is_dearest:
            self._order = DEAREST_FIRST.format(keys=self._of_keys)
        self.values: dict[str, Any] = {
            f"{key.value}s": [start for _, start in pieces] for key, pieces in self._pieces.items()
        }

    def statement(self, *, spans: int, has_days: bool, is_whole: bool) -> str:
        """Compose it, of so many spans that are read raw and, or, of rolled days."""
        parts, sources = "", []
        if has_days:
            of_day = self._spelt("r", at="d.start_at")
            sources.append(lines_of(of_day, self._figures, is_whole=is_whole))
        if spans:
            sources.append(sums_of(self._of_keys, self._figures))
            parts = "WITH" + parts_of(
                of_task=self._spelt("t", at="t.created_at"),
                of_entry=self._spelt("t", at="e.created_at"),
                keys=self._of_keys,
                spans=spans,
            )
        return READ.format(
            parts=parts,
            keys=self._of_keys,
            tables=", ".join(
                f"({', '.join([*sorted(table), 'of_all'])})"
                for table in {frozenset(table) for table in self._tables}
            ),
            sums=", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in self._figures),
            sources="\n    UNION ALL".join(sources),
            order=self._order,
        )

    def _spelt(self, row: str, *, at: str) -> list[str]:
        """Spell the keys of a source; `at`: by which moment it is of a day or month."""
        return [
            *(
                f"width_bucket({at}, CAST(:{key.value}s AS timestamptz[])) AS {column}"
                if key in TIMES
                else f"{row}.{COLUMNS[key]} AS {column}"
                for column, key in self._keys.items()
            ),
            ALL,
        ]

    async def told(self, session: AsyncSession, rows: Sequence[RowMapping]) -> list[list[Usage]]:
        """Name what rows are of, in their order, those of each table."""
        names: dict[UsageKey, dict[int, str]] = {}
        for column, key in self._keys.items():
            if (table := NAMED.get(key)) is not None:
                ids = list({row[column] for row in rows} - {None})
                query = select(table.id, table.name).where(table.id == any_(literal(ids, OF_IDS)))
                names[key] = dict((await session.execute(query)).all())

        def named(key: UsageKey, value: Any) -> Any:
            if key in TIMES:
                return self._pieces[key][value - 1][0]
            return names[key][value] if key in names else value

        return [
            [
                Usage(
                    keys={
                        (key := self._keys[column]).value: named(key, row[column])
                        for column in table
                    },
                    **{name: row[name] for name in FIGURES},
                )
                for row in rows
                if row["of_table"] == self._number_of(table)
            ]
            for table in self._tables
        ]

    def _number_of(self, table: Sequence[str]) -> int:
        """Say what Postgres' grouping() says of a table's rows: a bit for each key it has not."""
        behind = enumerate([ALL, *reversed(self._keys)])
        return sum(1 << place for place, name in behind if name not in (ALL, *table))


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

    Days that were summed up before (`rolled.py`) are taken as they were, while that still holds.
    """
    reading = _Reading([keys], window, zone)
    rows = await _read(
        *(session, reading, window),
        zone=zone,
        is_raw=UsageKey.TASK in keys,
        is_whole=tenant_id is None and token_id is None and not OF_WHOM & set(keys),
        tenant_ids=None if tenant_id is None else await family_of(session, tenant_id),
        token_id=token_id,
        channel_id=channel_id,
        model=model,
        currency=currency,
        as_of=as_of,
        limit=limit,
    )
    (found,) = await reading.told(session, rows)
    return found if UsageKey.TASK in keys else _sorted(found)


async def read_tables(
    session: AsyncSession,
    tables: Sequence[Sequence[UsageKey]],
    window: Window,
    *,
    zone: tzinfo,
    currency: str,
    tenant_id: int,
    token_id: int | None = None,
) -> list[list[Usage]]:
    """Sum up a window of a tenant by several keys at once, each table as `read_usage` does.

    All are of one moment, so that they come to the same. `tables`: not by tasks.
    """
    reading = _Reading(tables, window, zone)
    of: dict[str, Any] = {**dict.fromkeys(ONLY), "token_id": token_id}
    of["tenant_ids"] = await family_of(session, tenant_id)
    rows = await _read(session, reading, window, zone=zone, currency=currency, **of)
    return [_sorted(found) for found in await reading.told(session, rows)]


async def read_dearest(
    session: AsyncSession, window: Window, *, count: int, zone: tzinfo, currency: str
) -> list[Usage]:
    """Sum up a window of the tenants that were charged most in it, as `read_usage` does by tenant.

    Of those alone: there may be many more.
    """
    keys = [UsageKey.TENANT]
    of: dict[str, Any] = {"zone": zone, "currency": currency, **dict.fromkeys(ONLY)}
    whose = _Reading([keys], window, zone, is_dearest=True)
    rows = await _read(session, whose, window, **of, limit=count)
    reading = _Reading([keys], window, zone)
    of["tenant_ids"] = [row["key_0"] for row in rows if row[CHARGED] > 0]
    (found,) = await reading.told(session, await _read(session, reading, window, **of))
    return sorted(found, key=lambda one: -one.charged_micros)


def _sorted(found: Sequence[Usage]) -> list[Usage]:
    """By time first, then what was charged most."""
    return sorted(
        found,
        key=lambda one: (
            [value for name, value in one.keys.items() if name in TIMES],
            -one.charged_micros,
            [str(value) for value in one.keys.values()],
        ),
    )


async def _read(
    session: AsyncSession,
    reading: _Reading,
    window: Window,
    *,
    zone: tzinfo,
    currency: str,
    is_raw: bool = False,
    is_whole: bool = False,
    as_of: datetime | None = None,
    limit: int = ROWS_MAX,
    **only: Any,
) -> Sequence[RowMapping]:
    """Run it. `only`: what WANTED is bound to."""
    await plan_for_values(session)
    values: dict[str, Any] = {
        "currency": currency,
        "as_of": as_of or await session.scalar(select(func.clock_timestamp())),
        "limit": limit,
        **only,
        **reading.values,
    }
    find = partial(find_rolled, session, window, zone=zone, currency=currency)
    is_raw = is_raw or (as_of is not None and not await were_all_known(session, as_of))
    rows: Sequence[RowMapping] = []
    for tries_left in reversed(range(TRIES)):
        held: list[Rolled] = []
        if tries_left and not is_raw:
            held = await find()
        days = in_few_runs(held)
        spans = rest_of(window, days)
        values |= {"day_ids": [day.id for day in days], **await span_values(session, spans)}
        query = reading.statement(spans=len(spans), has_days=bool(days), is_whole=is_whole)
        rows = (await session.execute(text(query), values)).mappings().all()
        # What held before and holds now, held meanwhile: a day that is rolled anew is another one.
        if not days or held == await find():
            break
    return rows


def _pieces(key: UsageKey, window: Window, zone: tzinfo) -> list[tuple[str, datetime]]:
    """Name the days or months of a window, each with its first moment.

    By this machine's calendar, for Postgres as well: two might know different clock changes.
    """
    days = list(days_of(window, zone))
    if key is UsageKey.DAY:
        return [(str(day), first_moment(day, zone)) for day in days]
    months = dict.fromkeys(Month(day.year, day.month) for day in days)
    return [(str(month), month.window(zone).start) for month in months]
