"""Holding the configured keys to those that sealed what is stored."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.sealed import SealedColumn, find_sealed
from relay.secret_keys.tables import SecretKey
from relay.secrets import KeyRing, SecretKeyError

WORD = "kling-relay"


async def check_keys(session: AsyncSession, keys: KeyRing, columns: Sequence[SealedColumn]) -> None:
    """Refuse keys that are not this database's; note the one that seals, at its first use.

    `columns`: whatever holds what is sealed; asked about a key that has no proof yet.

    Raises:
        SecretKeyError: with a sentence; nothing was written.
    """
    known = await judge_keys(session, keys, columns)
    if keys.current not in known or known[keys.current].retired_at is not None:
        await _note(session, keys)


async def judge_keys(
    session: AsyncSession, keys: KeyRing, columns: Sequence[SealedColumn]
) -> dict[str, SecretKey]:
    """Refuse keys that are not this database's; return those that it knows, and note nothing.

    Raises:
        SecretKeyError: with a sentence.
    """
    known = {row.id: row for row in await session.scalars(select(SecretKey))}
    for name in keys.names:
        if name in known:
            _open_proof(keys, name, known[name].proof)
        else:
            await _open_samples(session, keys, name, columns)
    live = [row.id for row in known.values() if row.retired_at is None]
    if live and not set(live) & set(keys.names):
        raise SecretKeyError(
            f"what this database holds was sealed by {_listed(live)}, and no such key is in it;"
            " put it behind the new one (k2:…,k1:…), or say that it is lost:"
            f" `relay secret-key rotate --lost {live[0]}`"
        )
    return known


async def retire(session: AsyncSession, names: Sequence[str]) -> list[str]:
    """Note that nothing readable is sealed by these any more; return which of them were in use."""
    retired = await session.scalars(
        update(SecretKey)
        .where(SecretKey.id.in_(names), SecretKey.retired_at.is_(None))
        .values(retired_at=func.now())
        .returning(SecretKey.id)
    )
    return sorted(retired)


async def read_keys(session: AsyncSession) -> list[SecretKey]:
    """Read all that this database has seen, the oldest first."""
    return list(await session.scalars(select(SecretKey).order_by(SecretKey.first_used_at)))


async def _note(session: AsyncSession, keys: KeyRing) -> None:
    """Keep a proof of the current key; of two that come at once with one id, one is refused."""
    name = keys.current
    statement = insert(SecretKey).values(id=name, proof=keys.seal(WORD, context=_context(name)))
    await session.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_={"retired_at": None})
    )
    proof = await session.scalar(select(SecretKey.proof).where(SecretKey.id == name))
    assert proof is not None, "it was just written, or was there"
    _open_proof(keys, name, proof)


def _open_proof(keys: KeyRing, name: str, proof: str) -> None:
    try:
        keys.open(proof, context=_context(name))
    except SecretKeyError as error:
        raise _another(name) from error


async def _open_samples(
    session: AsyncSession, keys: KeyRing, name: str, columns: Sequence[SealedColumn]
) -> None:
    """Try what a key of this id sealed before there were proofs."""
    for sample in await find_sealed(session, columns, by=name):
        try:
            keys.open(sample.sealed, context=sample.context)
        except SecretKeyError as error:
            raise _another(name) from error


def _another(name: str) -> SecretKeyError:
    return SecretKeyError(
        f"key '{name}' is not the one that sealed what this database holds under that id:"
        " give that one, or another id to a new one"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _context(name: str) -> str:
    return f"secret_keys/{name}/proof"
