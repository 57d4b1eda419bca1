"""The operator's own prices, and the list of Kling's behind them."""

from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.dated import (
    checked_for_whom,
    in_force,
    is_same_time,
    refuse_the_past,
    refuse_times,
    spelt_for_whom,
)
from relay.desk.errors import NoSuch, NotPossible
from relay.money import plain
from relay.pricing import edit
from relay.pricing.book import KEY, PriceRow
from relay.pricing.lists import OFFERED, compare, is_same_price, read_adopted, unchanged
from relay.pricing.prices import find_rows
from relay.pricing.underquotes import (
    forget_underquotes,
    read_underquoted,
    rename_underquoted,
)


@act("price.set")
async def set_price(
    session: AsyncSession, actor: Actor, row: PriceRow, *, tenant: str | None = None
) -> PriceRow:
    """Add a row, from now on or from its `valid_from`, if it says something new; returns it.

    What it replaces ends then, and stays to be read. A row that ends lies over the one for good.
    It is held for its own price, also where more was held of late since Kling took more.
    `tenant`: for that one alone.

    Raises:
        NoSuch, NotPossible: the tenant.
        Unusable: a time, or the price group's name.
    """
    refuse_times(row)
    row = await checked_for_whom(session, row, tenant)
    await edit.lock_prices(session)
    at = await refuse_the_past(session, row.valid_from, row.valid_to)
    standing = await find_rows(session, row)
    before = in_force(standing, at)
    fingerprints = [row] if before is None else [row, before]
    has_fallen = row.valid_from is None and await forget_underquotes(session, *fingerprints)
    is_new = not any(is_same_time(one, row, before) and is_same_price(one, row) for one in standing)
    if is_new:
        await edit.set_price(session, row)
    elif not has_fallen:
        return row
    name = _spelt(row, tenant)
    after = _named(row)
    if before is None:
        await _note(session, actor, "price.set", name, before=None, after=after)
    elif not is_new:
        same = msgspec.structs.replace(before, valid_from=None)
        await _note(session, actor, "price.set", name, before=_named(same), after=after)
    else:
        was = _state(msgspec.structs.replace(before, valid_from=None))
        was, becomes = differing(was, _state(row))
        await _note(session, actor, "price.set", name, before=was, after=becomes)
    return row


@act("price.remove")
async def remove_price(
    session: AsyncSession,
    actor: Actor,
    row: PriceRow,
    *,
    tenant: str | None = None,
    at: datetime | None = None,
) -> None:
    """End the operator's rows for these tasks, whom and hours, now or later; official rows stay.

    Those that were to come after that are withdrawn.

    Raises:
        NoSuch, NotPossible: no such row, or the tenant.
        Unusable: the moment is over.
    """
    row = await checked_for_whom(session, row, tenant, or_removed=True)
    await edit.lock_prices(session)
    moment = await refuse_the_past(session, at)
    standing = await find_rows(session, row)
    name = _spelt(row, tenant)
    if not await edit.end_price(session, row, at=at):
        raise NoSuch("price", name)
    before = in_force(standing, moment) or standing[-1]
    await forget_underquotes(session, before)
    after = None if at is None else {"valid_to": at.isoformat()}
    same = msgspec.structs.replace(before, valid_from=None)
    await _note(session, actor, "price.remove", name, before=_named(same), after=after)


@act("price.adopt")
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


@act("price.amounts")
async def say_amounts(session: AsyncSession, actor: Actor, *, are_multiplied: bool) -> None:
    """Say whether multipliers apply to rows with an amount, for new tasks."""
    before = await edit.say_amounts(session, are_multiplied=are_multiplied)
    if before is not are_multiplied:
        await note_change(
            session,
            actor,
            "price.amounts",
            kind="price",
            id=None,
            name="amounts",
            before={"are_multiplied": before},
            after={"are_multiplied": are_multiplied},
        )


async def _note(
    session: AsyncSession,
    actor: Actor,
    act: str,
    name: str,
    *,
    before: State | None,
    after: State | None,
) -> None:
    await note_change(
        session, actor, act, kind="price", id=None, name=name, before=before, after=after
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
        "valid_from": None if row.valid_from is None else row.valid_from.isoformat(),
        "valid_to": None if row.valid_to is None else row.valid_to.isoformat(),
    }


def _named(row: PriceRow) -> State:
    """Leave out what a whole row does not say."""
    return {name: value for name, value in _state(row).items() if value is not None}


def _spelt(row: PriceRow, tenant: str | None) -> str:
    """Spell for people what a row is for, and for whom and when of the day."""
    named = ((name, getattr(row, name)) for name in KEY[1:])
    return " ".join(
        [
            row.endpoint,
            *(f"{name}={value}" for name, value in named if value is not None),
            *spelt_for_whom(row, tenant),
        ]
    )
