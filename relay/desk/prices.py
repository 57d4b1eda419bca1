"""The operator's own rows of the price book."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import NoSuch
from relay.money import plain
from relay.pricing import edit
from relay.pricing.book import PriceRow
from relay.pricing.prices import KEY, find_price
from relay.pricing.underquotes import forget_underquotes


@act
async def set_price(session: AsyncSession, actor: Actor, row: PriceRow) -> None:
    """Put a row in force, in place of the operator's row with the same key, if it is another.

    It is held for its own price, also where more was held of late since Kling took more.
    """
    await edit.lock_prices(session)
    before = await find_price(session, row)
    has_fallen = await forget_underquotes(session, *filter(None, (row, before)))
    if before == row:
        if has_fallen:
            await _note(session, actor, "price.set", row, before=_named(row), after=_named(row))
        return
    await edit.set_price(session, row)
    if before is None:
        await _note(session, actor, "price.set", row, before=None, after=_named(row))
    else:
        was, becomes = differing(_state(before), _state(row))
        await _note(session, actor, "price.set", row, before=was, after=becomes)


@act
async def remove_price(session: AsyncSession, actor: Actor, row: PriceRow) -> None:
    """Take the operator's row with this key out; official rows stay.

    Raises:
        NoSuch
    """
    await edit.lock_prices(session)
    before = await find_price(session, row)
    if before is None:
        raise NoSuch("price", _spelt(row))
    await edit.remove_price(session, row)
    await forget_underquotes(session, before)
    await _note(session, actor, "price.remove", row, before=_named(before), after=None)


async def _note(
    session: AsyncSession,
    actor: Actor,
    act: str,
    row: PriceRow,
    *,
    before: State | None,
    after: State | None,
) -> None:
    await note_change(
        session,
        actor,
        act,
        kind="price",
        id=None,
        name=_spelt(row),
        before=before,
        after=after,
    )


def _state(row: PriceRow) -> State:
    """Describe the price; what it is for stands in the change's subject."""
    return {
        "kind": row.kind.value,
        "per": row.per.value,
        "units": None if row.units is None else plain(row.units),
        "amount_micros": row.amount_micros,
        "pack": row.pack.value,
        "multiplier": plain(row.multiplier),
        "hold_seconds": row.hold_seconds,
        "input_floor": None if row.input_floor is None else plain(row.input_floor),
    }


def _named(row: PriceRow) -> State:
    """Leave out what a whole row does not say."""
    return {name: value for name, value in _state(row).items() if value is not None}


def _spelt(row: PriceRow) -> str:
    """Spell the key of a row for people."""
    named = ((name, getattr(row, name)) for name in KEY[1:])
    return " ".join(
        [row.endpoint, *(f"{name}={value}" for name, value in named if value is not None)]
    )
