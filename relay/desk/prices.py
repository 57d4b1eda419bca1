"""The operator's own rows of the price book."""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch
from relay.pricing import edit
from relay.pricing.book import PriceRow
from relay.pricing.prices import KEY, find_price


async def set_price(session: AsyncSession, actor: Actor, row: PriceRow) -> None:
    """Put a row in force, in place of the operator's row with the same key."""
    before = await find_price(session, row)
    await edit.set_price(session, row)
    await _note(session, actor, "price.set", row, before=before, after=row)


async def remove_price(session: AsyncSession, actor: Actor, row: PriceRow) -> None:
    """Take the operator's row with this key out; official rows stay.

    Raises:
        NoSuch
    """
    before = await find_price(session, row)
    if before is None or not await edit.remove_price(session, row):
        raise NoSuch("price", _spelt(row))
    await _note(session, actor, "price.remove", row, before=before, after=None)


async def _note(
    session: AsyncSession,
    actor: Actor,
    act: str,
    row: PriceRow,
    *,
    before: PriceRow | None,
    after: PriceRow | None,
) -> None:
    await note_change(
        session,
        actor,
        act,
        kind="price",
        id=None,
        name=_spelt(row),
        before=_state(before),
        after=_state(after),
    )


def _state(row: PriceRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    state: dict[str, Any] = msgspec.to_builtins(row)
    return state


def _spelt(row: PriceRow) -> str:
    """Spell the key of a row for people."""
    named = ((name, getattr(row, name)) for name in KEY[1:])
    return " ".join(
        [row.endpoint, *(f"{name}={value}" for name, value in named if value is not None)]
    )
