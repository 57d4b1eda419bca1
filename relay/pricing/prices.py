"""Prices and multipliers in the database, read for quoting, and what was asked for without one."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, delete, false, func, not_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.kling.wanted import Wanted
from relay.pricing.book import KEY, Multiplier, Pack, Per, PriceKind, PriceRow
from relay.pricing.tables import (
    PriceMiss,
    PriceState,
    Stored,
    StoredMultiplier,
    StoredPrice,
    in_slot,
)

STATE = select(
    PriceState.number,
    PriceState.multiplies_amounts,
    # Not the transaction's beginning: what was set since, here too, is in force.
    func.clock_timestamp().label("now"),
)
WORD_CHARS_MAX = 300
"""Of a model that a tenant asks for: it may stand in a path, as long as paths are."""
MISSES_MAX = 1000
"""Kinds of missing prices that are kept: tenants choose the words in them."""


class PriceStateNow(NamedTuple):
    """What all prices have in common, and the moment at which it was read."""

    number: int
    """Of the latest change."""
    multiplies_amounts: bool | None
    """Whether multipliers apply to rows with an amount; None was never said, and is no."""
    now: datetime


async def read_state(session: AsyncSession) -> PriceStateNow:
    row = (await session.execute(STATE)).one()
    return PriceStateNow(row.number, row.multiplies_amounts, row.now)


async def read_rows(session: AsyncSession, *, since: datetime | None = None) -> list[PriceRow]:
    """Read the operator's rows in the order in which they were set, those that are over too.

    `since`: not those that were over by then.
    """
    found = await session.execute(_since(StoredPrice, since))
    return [_row(row) for row in found.all()]


class RowFilter(msgspec.Struct, frozen=True):
    """Which of the operator's rows a list has; what is None wants nothing."""

    endpoint: str | None = None
    model: str | None = None
    """A part of its name."""
    price_group: str | None = None
    tenant_ids: Sequence[int] | None = None
    whose: str | None = None
    """`tenant`, `group` or `all`."""
    before_id: int | None = None


async def list_rows(
    session: AsyncSession, wanted: RowFilter, *, limit: int
) -> list[tuple[int, PriceRow]]:
    """List rows that were ever set, with their ids, the newest first."""
    table = StoredPrice
    whose = {
        "tenant": table.tenant_id.is_not(None),
        "group": table.price_group.is_not(None),
        "all": and_(table.tenant_id.is_(None), table.price_group.is_(None)),
    }
    asked: list[tuple[ColumnElement[bool], object]] = [
        (table.endpoint == wanted.endpoint, wanted.endpoint),
        (table.model.icontains(wanted.model or "", autoescape=True), wanted.model),
        (table.price_group == wanted.price_group, wanted.price_group),
        (table.tenant_id.in_(wanted.tenant_ids or ()), wanted.tenant_ids),
        (whose.get(wanted.whose or "", false()), wanted.whose),
        (table.id < (wanted.before_id or 0), wanted.before_id),
    ]
    found = await session.execute(
        select(*table.__table__.columns)
        .where(*(condition for condition, value in asked if value is not None))
        .order_by(table.id.desc())
        .limit(limit)
    )
    return [(row.id, _row(row)) for row in found.all()]


async def read_multipliers(
    session: AsyncSession, *, since: datetime | None = None
) -> list[Multiplier]:
    """Read multipliers in the same way."""
    found = await session.execute(_since(StoredMultiplier, since))
    return [_multiplier(row) for row in found.all()]


async def find_rows(session: AsyncSession, row: PriceRow) -> list[PriceRow]:
    """Find the operator's rows for the same tasks, whom and hours that are not over."""
    found = await session.execute(_since(StoredPrice, None).where(*_standing(StoredPrice, row)))
    return [_row(one) for one in found.all()]


async def find_multipliers(session: AsyncSession, one: Multiplier) -> list[Multiplier]:
    """Find the multipliers for the same whom and hours that are not over."""
    found = await session.execute(
        _since(StoredMultiplier, None).where(*_standing(StoredMultiplier, one))
    )
    return [_multiplier(row) for row in found.all()]


async def note_miss(session: AsyncSession, wanted: Wanted) -> None:
    """Remember that a task was refused for want of a price."""
    told_apart = msgspec.structs.replace(
        wanted,
        model=wanted.model and wanted.model[:WORD_CHARS_MAX],
        count=1,  # no row is for a number of images
        input_seconds=0,  # nor of seconds put in
    )
    statement = insert(PriceMiss).values(
        # What tells two kinds of task apart; of equal bytes for equal kinds.
        key=sha256(msgspec.json.encode(told_apart)).digest(),
        wanted=msgspec.to_builtins(told_apart),
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={"times": PriceMiss.times + 1, "last_at": func.now()},
        )
    )
    oldest = select(PriceMiss.key).order_by(PriceMiss.last_at.desc()).offset(MISSES_MAX)
    await session.execute(delete(PriceMiss).where(PriceMiss.key.in_(oldest)))


class Miss(msgspec.Struct, frozen=True):
    """A kind of task that was refused for want of a price, and how often."""

    wanted: Wanted
    times: int
    first_at: datetime
    last_at: datetime


async def read_misses(session: AsyncSession) -> list[Miss]:
    """Read what was refused, the latest first."""
    rows = await session.scalars(select(PriceMiss).order_by(PriceMiss.last_at.desc()))
    return [
        Miss(msgspec.convert(row.wanted, Wanted), row.times, row.first_at, row.last_at)
        for row in rows
    ]


def _since(model: Stored, since: datetime | None) -> Select[Any]:
    """Select columns, not objects: there may be thousands, while requests wait."""
    statement = select(*model.__table__.columns).order_by(model.id)
    if since is None:
        return statement
    return statement.where(or_(model.valid_to.is_(None), model.valid_to > since))


def _standing(model: Stored, one: PriceRow | Multiplier) -> list[ColumnElement[bool]]:
    is_over = model.valid_to <= func.greatest(func.clock_timestamp(), model.valid_from)
    return [*in_slot(model, one), or_(model.valid_to.is_(None), not_(is_over))]


def _row(row: Row[Any]) -> PriceRow:
    return PriceRow(
        **{name: getattr(row, name) for name in KEY},
        kind=PriceKind(row.kind),
        per=Per(row.per),
        units=row.units,
        amount_micros=row.amount_micros,
        pack=Pack(row.pack),
        multiplier=row.multiplier,
        hold_seconds=row.hold_seconds,
        input_floor=row.input_floor,
        **_dated(row),
    )


def _multiplier(row: Row[Any]) -> Multiplier:
    return Multiplier(times=row.multiplier, **_dated(row))


def _dated(row: Row[Any]) -> dict[str, Any]:
    return {
        "tenant_id": row.tenant_id,
        "price_group": row.price_group,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "hours": None if row.hour_from is None else (row.hour_from, row.hour_to),
    }
