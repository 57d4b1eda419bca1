"""The operator's rows of the price book, and the list that is in force, as the desk writes them."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.pricing.book import KEY, PriceRow
from relay.pricing.tables import Price, PriceList


async def lock_prices(session: AsyncSession) -> None:
    """Let nobody else change prices until the end of the transaction; all may read them."""
    await session.execute(text("LOCK TABLE prices IN SHARE ROW EXCLUSIVE MODE"))


async def lock_lists(session: AsyncSession) -> None:
    """Let nobody else adopt a list until the end of the transaction; all may read them."""
    await session.execute(text("LOCK TABLE price_lists IN SHARE ROW EXCLUSIVE MODE"))


async def adopt_list(session: AsyncSession, name: str, rows: Sequence[PriceRow]) -> int:
    """Put a list of Kling's in force, in place of the one before; returns its id."""
    adopted = PriceList(name=name, rows=msgspec.to_builtins(rows))
    session.add(adopted)
    await session.flush()
    return adopted.id


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
        "input_floor": row.input_floor,
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
