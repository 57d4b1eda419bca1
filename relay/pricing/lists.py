"""Kling's price list as this database has adopted it, and how another one differs.

An upgrade may bring a newer list (`pricing/official.py`); it is in force once it was adopted. The
rows of each stand in the database, so that an older version prices by what was adopted since.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import Text, case, cast, null, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.pricing.book import KEY, PRICED, PriceRow
from relay.pricing.official import LIST, OFFICIAL
from relay.pricing.tables import PriceList

IN_FORCE = (
    select(
        PriceList.name,
        # The rows of our own list are here already.
        case((PriceList.name == LIST, null()), else_=cast(PriceList.rows, Text)),
    )
    .order_by(PriceList.id.desc())
    .limit(1)
)


class AdoptedList(msgspec.Struct, frozen=True):
    """The list in force."""

    name: str
    rows: tuple[PriceRow, ...]


class RowChange(msgspec.Struct, frozen=True):
    """A row that two lists have with another price, or that one of them does not have."""

    old: PriceRow | None
    new: PriceRow | None

    @property
    def either(self) -> PriceRow:
        row = self.new or self.old
        assert row is not None, "one of them has it"
        return row


OFFERED = AdoptedList(LIST, OFFICIAL)
"""What this version of the relay brings."""


async def read_adopted(session: AsyncSession) -> AdoptedList:
    name, rows = (await session.execute(IN_FORCE)).one()
    if rows is None:
        return OFFERED
    return AdoptedList(name, msgspec.json.decode(rows, type=tuple[PriceRow, ...]))


def compare(old: Iterable[PriceRow], new: Iterable[PriceRow]) -> list[RowChange]:
    """List what differs, in the order of the new list, with what it has no more at the end."""
    before = {_key(row): row for row in old}
    after = {_key(row): row for row in new}
    keys = [*after, *(key for key in before if key not in after)]
    changes = (RowChange(before.get(key), after.get(key)) for key in keys)
    return [change for change in changes if not is_same_price(change.old, change.new)]


def is_same_price(one: PriceRow | None, other: PriceRow | None) -> bool:
    """Tell whether two rows price the same tasks alike, whosever they are."""
    if one is None or other is None:
        return one is other
    return all(getattr(one, name) == getattr(other, name) for name in PRICED)


def unchanged(
    old: Sequence[PriceRow], new: Sequence[PriceRow]
) -> Iterator[tuple[PriceRow, PriceRow]]:
    """Pair the rows that both lists have at one price."""
    before = {_key(row): row for row in old}
    for row in new:
        found = before.get(_key(row))
        if found is not None and is_same_price(found, row):
            yield found, row


def _key(row: PriceRow) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in KEY)
