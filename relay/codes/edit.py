"""Writing codes; the desk alone does."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.codes.read import Locked
from relay.codes.spelling import hash_code, hint_of
from relay.codes.tables import Code, CodeBatch


class NewCode(NamedTuple):
    """A code to be kept; it is not logged, nor repeated in a message."""

    text: str
    amount_micros: int
    expires_at: datetime | None

    def __repr__(self) -> str:
        return "NewCode(…)"


async def add_batch(
    session: AsyncSession, name: str, *, topup_kind: str, source: str | None = None
) -> CodeBatch | None:
    """Add a batch without codes. None if there is one of that name, or of that source."""
    return await session.scalar(
        insert(CodeBatch)
        .values(name=name, topup_kind=topup_kind, source=source)
        .on_conflict_do_nothing()
        .returning(CodeBatch)
    )


async def add_codes(
    session: AsyncSession, batch: CodeBatch, codes: Sequence[NewCode]
) -> dict[bytes, int]:
    """Keep codes but for those that are here already; returns their ids, by their hashes."""
    rows = [
        {
            "batch_id": batch.id,
            "code_hash": hash_code(code.text),
            "hint": hint_of(code.text),
            "amount_micros": code.amount_micros,
            "expires_at": code.expires_at,
        }
        for code in codes
    ]
    kept = await session.execute(
        insert(Code).on_conflict_do_nothing().returning(Code.code_hash, Code.id), rows
    )
    return {row.code_hash: row.id for row in kept}


async def mark_redeemed(
    session: AsyncSession, locked: Locked, *, tenant_id: int, entry_id: int
) -> datetime:
    """Say whose a locked code is now, and which entry; returns since when."""
    redeemed_at: datetime | None = await session.scalar(
        update(Code)
        .where(Code.id == locked.code.id)
        .values(tenant_id=tenant_id, entry_id=entry_id, redeemed_at=func.clock_timestamp())
        .returning(Code.redeemed_at)
    )
    assert redeemed_at is not None, "its row is locked"
    return redeemed_at


async def revoke(session: AsyncSession, batch: CodeBatch, code_id: int | None) -> list[int]:
    """Revoke what is neither redeemed nor revoked, of a locked batch or one of it; returns ids."""
    wanted = update(Code).where(
        Code.batch_id == batch.id, Code.redeemed_at.is_(None), Code.revoked_at.is_(None)
    )
    if code_id is not None:
        wanted = wanted.where(Code.id == code_id)
    revoked = await session.execute(
        wanted.values(revoked_at=func.clock_timestamp()).returning(Code.id)
    )
    return sorted(revoked.scalars())
