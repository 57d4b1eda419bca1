"""The operator's own rows of the price book, and the list of Kling's behind them."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import NoSuch, NotPossible
from relay.money import plain
from relay.pricing import edit
from relay.pricing.book import KEY, PriceRow
from relay.pricing.lists import OFFERED, compare, read_adopted, unchanged
from relay.pricing.prices import find_price
from relay.pricing.underquotes import (
    forget_underquotes,
    read_underquoted,
    rename_underquoted,
)


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


@act
async def adopt_list(session: AsyncSession, actor: Actor, *, instead_of: str) -> None:
    """Price by the list of Kling's that this version brings, in place of the named one.

    Rows at the same price are held as they were, also where more is held since Kling took more.

    Raises:
        NotPossible: it is in force already, or another one than `instead_of` is meanwhile.
    """
    await edit.lock_lists(session)
    before = await read_adopted(session)
    if before.name == OFFERED.name:
        raise NotPossible("price list", OFFERED.name, "it is in force already")
    if before.name != instead_of:
        raise NotPossible(
            "price list", OFFERED.name, f"by now '{before.name}' is in force: look again"
        )
    id_ = await edit.adopt_list(session, OFFERED.name, OFFERED.rows)
    changes = compare(before.rows, OFFERED.rows)
    underquoted = await read_underquoted(session)
    for old, new in unchanged(before.rows, OFFERED.rows):
        if old.fingerprint in underquoted:
            await rename_underquoted(session, old=old, new=new)
    await forget_underquotes(session, *(change.old for change in changes if change.old))
    await note_change(
        session,
        actor,
        "price.adopt",
        kind="price_list",
        id=id_,
        name=OFFERED.name,
        before={"in_force": before.name},
        after={"in_force": OFFERED.name, "changed_rows": len(changes)},
    )


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
