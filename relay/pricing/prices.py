"""The price book in the database: read for quoting, written by the operator."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.pricing.book import Pack, Per, PriceBook, PriceKind, PriceRow
from relay.pricing.official import OFFICIAL
from relay.pricing.tables import Price, PriceMiss

BOOK_AGE_MAX_S = 2.0
"""How long a changed price may stay unseen by a running process."""
MISSES_MAX = 1000
"""Kinds of missing prices that are kept: tenants choose the words in them."""
KEY = ("endpoint", "model", "mode", "sound", "voice", "video_input", "duration_s")


def cached_book(sessions: Sessions) -> Cached[PriceBook]:
    """Keep the book in force, at most `BOOK_AGE_MAX_S` old."""

    async def read() -> PriceBook:
        async with sessions() as session:
            return await read_book(session)

    return Cached(read, age_max_s=BOOK_AGE_MAX_S)


async def read_book(session: AsyncSession) -> PriceBook:
    rows = await session.scalars(select(Price).order_by(Price.id))
    return PriceBook([_row(price) for price in rows], OFFICIAL)


async def set_price(session: AsyncSession, row: PriceRow) -> None:
    """Put a row in force, in place of the operator's row with the same key."""
    values = {
        **{name: getattr(row, name) for name in KEY},
        "kind": row.kind.value,
        "per": row.per.value,
        "units": row.units,
        "amount_micros": row.amount_micros,
        "pack": row.pack.value,
        "multiplier": row.multiplier,
        "hold_seconds": row.hold_seconds,
    }
    statement = insert(Price).values(values)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=list(KEY),
            set_={name: value for name, value in values.items() if name not in KEY}
            | {"created_at": func.now()},
        )
    )


async def remove_price(session: AsyncSession, row: PriceRow) -> bool:
    """Take the operator's row with this key out; False if there is none."""
    removed = await session.execute(
        delete(Price)
        .where(*(getattr(Price, name).is_not_distinct_from(getattr(row, name)) for name in KEY))
        .returning(Price.id)
    )
    return removed.first() is not None


async def note_miss(session: AsyncSession, wanted: str) -> None:
    """Remember that a task was refused for want of a price."""
    statement = insert(PriceMiss).values(wanted=wanted[:300])
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["wanted"],
            set_={"times": PriceMiss.times + 1, "last_at": func.now()},
        )
    )
    oldest = select(PriceMiss.wanted).order_by(PriceMiss.last_at.desc()).offset(MISSES_MAX)
    await session.execute(delete(PriceMiss).where(PriceMiss.wanted.in_(oldest)))


async def read_misses(session: AsyncSession) -> list[PriceMiss]:
    return list(await session.scalars(select(PriceMiss).order_by(PriceMiss.last_at.desc())))


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
    )
