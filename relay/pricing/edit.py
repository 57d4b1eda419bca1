"""Prices, multipliers and the list that is in force, as the desk writes them.

A change is a row of its own, and nothing that was in force is ever written over: what it replaces
gets an end. A row for a while lies over the one for good, which is in force again afterwards.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.pricing.book import KEY, PRICED, Multiplier, PriceRow
from relay.pricing.tables import (
    Price,
    PriceList,
    PriceState,
    Stored,
    StoredMultiplier,
    StoredPrice,
    in_slot,
)


async def lock_prices(session: AsyncSession) -> None:
    """Let nobody else change prices until the end of the transaction; all may read them."""
    await session.execute(text("LOCK TABLE price_rows IN SHARE ROW EXCLUSIVE MODE"))


async def lock_multipliers(session: AsyncSession) -> None:
    """Let nobody else change multipliers until the end of the transaction; all may read them."""
    await session.execute(text("LOCK TABLE multipliers IN SHARE ROW EXCLUSIVE MODE"))


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
    """Add a row, from now on or from its `valid_from`, and end what it replaces."""
    await _add(session, StoredPrice, row, _price_values(row))
    await _mirror(session, row)


async def end_price(session: AsyncSession, row: PriceRow, *, at: datetime | None = None) -> bool:
    """End the rows for these tasks, whom and hours, those to come too; False if there are none.

    `at`: at a later moment; None is now.
    """
    has_ended = await _end(session, StoredPrice, row, at=at)
    await _mirror(session, row)
    return has_ended


async def change_all(
    session: AsyncSession,
    *,
    ended: Sequence[PriceRow | Multiplier],
    added: Sequence[PriceRow | Multiplier],
) -> None:
    """End rows as they were read, and add others; those that have begun begin now, in order."""
    for one in ended:
        model = StoredPrice if isinstance(one, PriceRow) else StoredMultiplier
        now = await _now(session)
        await session.execute(
            update(model)
            .where(*in_slot(model, one), model.valid_from == one.valid_from)
            .values(valid_to=func.greatest(model.valid_from, now))
        )
    for one in added:
        now = await _now(session)
        begins = now if one.valid_from is None else max(now, one.valid_from)
        later = msgspec.structs.replace(one, valid_from=begins)
        if isinstance(later, PriceRow):
            await _insert(session, StoredPrice, later, _price_values(later))
        else:
            await _insert(session, StoredMultiplier, later, {"multiplier": later.times})
    for row in (*ended, *added):
        if isinstance(row, PriceRow):
            await _mirror(session, row)


async def set_multiplier(session: AsyncSession, one: Multiplier) -> None:
    """Add a multiplier, from now on or from its `valid_from`, and end what it replaces."""
    await _add(session, StoredMultiplier, one, {"multiplier": one.times})


async def end_multiplier(
    session: AsyncSession, one: Multiplier, *, at: datetime | None = None
) -> bool:
    """End the multipliers for this whom and these hours; see `end_price`."""
    return await _end(session, StoredMultiplier, one, at=at)


async def say_amounts(session: AsyncSession, *, are_multiplied: bool) -> bool | None:
    """Say whether multipliers apply to rows with an amount; returns what was said before."""
    before: bool | None = await session.scalar(
        select(PriceState.multiplies_amounts).with_for_update(key_share=True)
    )
    if before is not are_multiplied:
        changed = {"multiplies_amounts": are_multiplied, "number": PriceState.number + 1}
        await session.execute(update(PriceState).values(changed))
    return before


async def _add(
    session: AsyncSession, model: Stored, one: PriceRow | Multiplier, values: dict[str, Any]
) -> None:
    begins = one.valid_from or await _now(session)
    if one.valid_to is None:
        replaced = (model.valid_from <= begins) & _lasts_beyond(model, begins)
    else:
        # What began as late and ends no later; all else goes on beneath it.
        replaced = (model.valid_from == begins) & (model.valid_to <= one.valid_to)
    await session.execute(
        update(model).where(*in_slot(model, one), replaced).values(valid_to=begins)
    )
    await _insert(session, model, msgspec.structs.replace(one, valid_from=begins), values)


async def _insert(
    session: AsyncSession, model: Stored, one: PriceRow | Multiplier, values: dict[str, Any]
) -> None:
    hour_from, hour_to = one.hours or (None, None)
    await session.execute(
        insert(model).values(
            **values,
            tenant_id=one.tenant_id,
            price_group=one.price_group,
            hour_from=hour_from,
            hour_to=hour_to,
            valid_from=one.valid_from,
            valid_to=one.valid_to,
        )
    )


def _price_values(row: PriceRow) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in PRICED},
        "kind": row.kind.value,
        "per": row.per.value,
        "pack": row.pack.value,
    }


async def _end(
    session: AsyncSession, model: Stored, one: PriceRow | Multiplier, *, at: datetime | None
) -> bool:
    moment = at or await _now(session)
    ended = await session.execute(
        update(model)
        .where(*in_slot(model, one), _lasts_beyond(model, moment), is_not_withdrawn(model))
        .values(valid_to=func.greatest(model.valid_from, moment))
        .returning(model.id)
    )
    return ended.first() is not None


async def _now(session: AsyncSession) -> datetime:
    """Ask for the moment itself, behind all that others have set.

    When the transaction began, somebody else may still have held the lock that it waited for.
    """
    now: datetime | None = await session.scalar(select(func.clock_timestamp()))
    assert now is not None, "a function returns a value"
    return now


def _lasts_beyond(model: Stored, moment: datetime) -> ColumnElement[bool]:
    return or_(model.valid_to.is_(None), model.valid_to > moment)


def is_not_withdrawn(model: Stored) -> ColumnElement[bool]:
    return or_(model.valid_to.is_(None), model.valid_to > model.valid_from)


async def _mirror(session: AsyncSession, row: PriceRow) -> None:
    """Have the release before price by what is in force now, as far as it can say so."""
    if row.tenant_id is not None or row.price_group is not None or row.hours is not None:
        return
    now = await _now(session)
    await session.execute(
        delete(Price).where(
            *(getattr(Price, name).is_not_distinct_from(getattr(row, name)) for name in KEY)
        )
    )
    in_force = (
        select(*(getattr(StoredPrice, name) for name in PRICED))
        .where(
            *in_slot(StoredPrice, row),
            StoredPrice.valid_from <= now,
            _lasts_beyond(StoredPrice, now),
        )
        .order_by(StoredPrice.valid_from.desc(), StoredPrice.id.desc())
        .limit(1)
    )
    await session.execute(insert(Price).from_select(PRICED, in_force))
