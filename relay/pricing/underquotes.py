"""Price rows by which less was held than Kling took: one that repeats it is held for more.

Kling's own prices rise without a word. What it takes for a single task may be an oddity; of several
within the hour it is the price.
"""

from decimal import ROUND_CEILING, Decimal

import msgspec
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.pricing.book import PriceRow
from relay.pricing.tables import PriceUnderquote

TIMES = 5
"""Underquotes within an hour after which a row's hold rises."""
STEP = Decimal("0.000000001")

NOTE = f"""
INSERT INTO price_underquotes AS u (key, price, seen_at, dearest)
VALUES (:key, CAST(:price AS jsonb), ARRAY[now()], :times)
ON CONFLICT (key) DO UPDATE
SET seen_at = ARRAY(
        SELECT at FROM unnest(u.seen_at || now()) AS at
        WHERE at > now() - interval '1 hour' ORDER BY at DESC LIMIT {TIMES}
    ),
    dearest = CASE WHEN EXISTS (
        SELECT FROM unnest(u.seen_at) AS at WHERE at > now() - interval '1 hour'
    ) THEN greatest(u.dearest, excluded.dearest) ELSE excluded.dearest END
"""  # noqa: S608 (a number)
RAISE = f"""
UPDATE price_underquotes SET rise = dearest, risen_at = now()
WHERE key = :key AND cardinality(seen_at) >= {TIMES} AND dearest > coalesce(rise, 1)
RETURNING rise
"""  # noqa: S608 (a number)


async def note_underquote(
    session: AsyncSession, row: PriceRow, *, price_micros: int, cost_micros: int
) -> Decimal | None:
    """Count a success that cost more than its row said; `price_micros` is above 0.

    Returns how many times its price a task of the row is held from now on, if that has just risen.
    The row is locked until the end of the transaction, so that no two count as one.
    """
    times = (Decimal(cost_micros) / price_micros).quantize(STEP, ROUND_CEILING)
    key = row.fingerprint
    price = msgspec.json.encode(row).decode()
    await session.execute(text(NOTE), {"key": key, "price": price, "times": times})
    risen: Decimal | None = await session.scalar(text(RAISE), {"key": key})
    return risen


async def read_rises(session: AsyncSession) -> dict[bytes, Decimal]:
    """Read how many times their price rows are held, by their fingerprints."""
    found = await session.execute(
        select(PriceUnderquote.key, PriceUnderquote.rise).where(PriceUnderquote.rise.is_not(None))
    )
    return {key: rise for key, rise in found if rise is not None}


async def rename_underquoted(session: AsyncSession, *, old: PriceRow, new: PriceRow) -> None:
    """Go on counting for a row at the same price that comes from another list."""
    await session.execute(
        update(PriceUnderquote)
        .where(PriceUnderquote.key == old.fingerprint)
        .values(key=new.fingerprint, price=msgspec.to_builtins(new))
    )


async def read_underquoted(session: AsyncSession) -> set[bytes]:
    """Read which rows were underquoted, by their fingerprints."""
    return set(await session.scalars(select(PriceUnderquote.key)))


async def forget_underquotes(session: AsyncSession, *rows: PriceRow) -> bool:
    """Hold rows for their own price again, as when the operator has set it; False if they were."""
    gone = await session.execute(
        delete(PriceUnderquote)
        .where(PriceUnderquote.key.in_([row.fingerprint for row in rows]))
        .returning(PriceUnderquote.rise)
    )
    return any(rise is not None for rise in gone.scalars())
