"""The price book in the database, read for quoting, and what was asked for without a price."""

from datetime import datetime
from hashlib import sha256

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.kling.wanted import Wanted
from relay.pricing.book import KEY, Pack, Per, PriceBook, PriceKind, PriceRow
from relay.pricing.lists import read_adopted
from relay.pricing.tables import Price, PriceMiss
from relay.pricing.underquotes import read_rises

BOOK_AGE_MAX_S = 2.0
"""How long a changed price may stay unseen by a running process, while it can be read."""
WORD_CHARS_MAX = 300
"""Of a model that a tenant asks for: it may stand in a path, as long as paths are."""
MISSES_MAX = 1000
"""Kinds of missing prices that are kept: tenants choose the words in them."""


def cached_book(sessions: Sessions) -> Cached[PriceBook]:
    """Keep the book in force, at most `BOOK_AGE_MAX_S` old."""

    async def read() -> PriceBook:
        async with sessions() as session:
            return await read_book(session)

    return Cached(read, of="prices", age_max_s=BOOK_AGE_MAX_S)


async def read_book(session: AsyncSession) -> PriceBook:
    operators = await read_operators(session)
    adopted = await read_adopted(session)
    return PriceBook(operators, adopted.rows, await read_rises(session))


async def read_operators(session: AsyncSession) -> list[PriceRow]:
    return [_row(price) for price in await session.scalars(select(Price).order_by(Price.id))]


async def find_price(session: AsyncSession, row: PriceRow) -> PriceRow | None:
    """Find the operator's row with the same key."""
    found = await session.scalar(
        select(Price).where(
            *(getattr(Price, name).is_not_distinct_from(getattr(row, name)) for name in KEY)
        )
    )
    return None if found is None else _row(found)


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


def _row(price: Price) -> PriceRow:
    return PriceRow(
        **{name: getattr(price, name) for name in KEY},
        kind=PriceKind(price.kind),
        per=Per(price.per),
        units=price.units,
        amount_micros=price.amount_micros,
        pack=Pack(price.pack),
        multiplier=price.multiplier,
        hold_seconds=price.hold_seconds,
        input_floor=price.input_floor,
    )
