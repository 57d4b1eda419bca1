"""Columns whose values are sealed with the operator's secret keys, found by the key that sealed."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, func, literal, select, text, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.secrets import KeyRing, SecretKeyError


class SealedColumn(NamedTuple):
    """One of them; the packages that own the tables say which there are."""

    model: Any
    """A table of the ORM's, with an `id`."""
    name: str
    context: Callable[[int], str]
    """What a row's value is sealed for, by its owner."""
    owner: str = "id"
    """The column that names the owner."""
    is_behind: bool = False
    """Whether it stands behind what of it may be seen, and a space."""

    @property
    def title(self) -> str:
        return f"{self.model.__tablename__}.{self.name}"


class SealedValue(NamedTuple):
    """One row's value."""

    id: int
    sealed: str
    context: str


class Resealed(NamedTuple):
    """What became of some rows."""

    number: int
    unreadable: list[int]
    """Rows that none of the keys opens; they are as they were."""
    last_id: int | None
    """Where to go on; None at the end."""


async def find_sealed(
    session: AsyncSession, columns: Sequence[SealedColumn], *, by: str
) -> list[SealedValue]:
    """Find one value of each column that this key sealed, if there is one; in one statement."""
    queries = [
        select(literal(at), _values(column).where(_key_of(column) == by).limit(1).subquery())
        for at, column in enumerate(columns)
    ]
    rows = await session.execute(union_all(*queries))
    return [SealedValue(id_, sealed, columns[at].context(owner)) for at, id_, sealed, owner in rows]


async def count_sealed(session: AsyncSession, column: SealedColumn) -> dict[str, int]:
    """Count its values by the keys that sealed them."""
    key = _key_of(column)
    rows = await session.execute(select(key, func.count()).where(_is_sealed(column)).group_by(key))
    return {str(name): number for name, number in rows}


async def reseal(
    session: AsyncSession, column: SealedColumn, keys: KeyRing, *, after_id: int, limit: int
) -> Resealed:
    """Seal anew, with the current key, what others sealed; the next rows in the order of ids.

    They are locked until the commit, so that a value written meanwhile is not lost.
    """
    attribute, unreadable, number = _attribute(column), [], 0
    query = (
        _values(column)
        .where(_key_of(column) != keys.current, column.model.id > after_id)
        .order_by(column.model.id)
        .limit(limit)
        .with_for_update(key_share=True)
    )
    rows = (await session.execute(query)).all()
    for id_, sealed, owner in rows:
        context = column.context(owner)
        try:
            plaintext = keys.open(sealed, context=context)
        except SecretKeyError:
            unreadable.append(id_)
            continue
        await session.execute(
            update(column.model)
            .where(column.model.id == id_)
            .values({attribute: _shown(column) + keys.seal(plaintext, context=context)})
            .execution_options(synchronize_session=False)
        )
        number += 1
    return Resealed(number, unreadable, rows[-1][0] if len(rows) == limit else None)


def _attribute(column: SealedColumn) -> Any:
    return getattr(column.model, column.name)


def _key_of(column: SealedColumn) -> Any:
    """Spell the id of the key, which stands before the first colon."""
    return func.split_part(_sealed(column), ":", 1)


def _sealed(column: SealedColumn) -> Any:
    attribute = _attribute(column)
    return func.split_part(attribute, " ", 2) if column.is_behind else attribute


def _shown(column: SealedColumn) -> Any:
    """Spell what stands in front of a sealed value."""
    return func.split_part(_attribute(column), " ", 1) + " " if column.is_behind else literal("")


def _is_sealed(column: SealedColumn) -> Any:
    attribute = _attribute(column)
    # As the indexes of such columns have it: nearly all rows of theirs have nothing sealed.
    return text(f"{column.title} LIKE '% %'") if column.is_behind else attribute.is_not(None)


def _values(column: SealedColumn) -> Select[*tuple[Any, ...]]:
    owner = getattr(column.model, column.owner)
    return select(column.model.id, _sealed(column), owner).where(_is_sealed(column))
