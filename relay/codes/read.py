"""Codes and batches as they are read."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Row, Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.codes.tables import Code, CodeBatch
from relay.tenants.tables import Tenant


class CodeState(StrEnum):
    FREE = "free"
    REDEEMED = "redeemed"
    REVOKED = "revoked"
    EXPIRED = "expired"


class ListedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch, with what became of its codes."""

    id: int
    name: str
    topup_kind: str
    codes: int
    free: int
    redeemed: int
    revoked: int
    expired: int
    free_micros: int
    """What those that are free would add."""
    redeemed_micros: int
    expires_at: datetime | None
    """When the last one expires; null if one never does."""
    source: str | None
    created_at: datetime


class ListedCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code, by what tells it from others."""

    id: int
    hint: str
    state: CodeState
    amount_micros: int
    expires_at: datetime | None
    revoked_at: datetime | None
    redeemed_at: datetime | None
    tenant: str | None
    """Who redeemed it."""
    entry_id: int | None


class CodeOfBatch(ListedCode, frozen=True, kw_only=True):
    """A code, with what it was made with."""

    batch: str
    topup_kind: str


class Locked(NamedTuple):
    """A code that nobody else can redeem, revoke or look at so until the transaction ends."""

    code: Code
    batch: CodeBatch
    state: CodeState


state_now: ColumnElement[str] = case(
    (Code.redeemed_at.is_not(None), CodeState.REDEEMED.value),
    (Code.revoked_at.is_not(None), CodeState.REVOKED.value),
    (Code.expires_at <= func.clock_timestamp(), CodeState.EXPIRED.value),
    else_=CodeState.FREE.value,
)
"""By the clock, and not by when a transaction began that may have waited for a lock since."""


async def lock_code(session: AsyncSession, code_hash: bytes) -> Locked | None:
    """Lock a code and read it as it is then; None if there is none."""
    query = (
        select(Code, CodeBatch, state_now)
        .join(CodeBatch, CodeBatch.id == Code.batch_id)
        .where(Code.code_hash == code_hash)
        .with_for_update(of=Code, key_share=True)
        .execution_options(populate_existing=True)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Locked(row[0], row[1], CodeState(row[2]))


async def find_batch(
    session: AsyncSession, name: str, *, is_locked: bool = False
) -> CodeBatch | None:
    query = select(CodeBatch).where(CodeBatch.name == name)
    return await session.scalar(query.with_for_update(key_share=True) if is_locked else query)


async def batch_names(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(CodeBatch.name).order_by(CodeBatch.name)))


async def list_batches(session: AsyncSession, *, batch_id: int | None = None) -> list[ListedBatch]:
    """List all of them, the newest first; or one, which has a code."""
    every = {state: func.count().filter(state_now == state.value) for state in CodeState}
    summed = {
        state: func.coalesce(func.sum(Code.amount_micros).filter(state_now == state.value), 0)
        for state in (CodeState.FREE, CodeState.REDEEMED)
    }
    expires_at = case(
        (func.bool_or(Code.expires_at.is_(None)), None), else_=func.max(Code.expires_at)
    )
    query = (
        select(
            CodeBatch,
            func.count().label("codes"),
            *(count.label(state.value) for state, count in every.items()),
            *(micros.label(f"{state.value}_micros") for state, micros in summed.items()),
            expires_at.label("expires_at"),
        )
        .join(Code, Code.batch_id == CodeBatch.id)
        .group_by(CodeBatch.id)
        .order_by(CodeBatch.id.desc())
    )
    if batch_id is not None:
        query = query.where(CodeBatch.id == batch_id)
    return [
        ListedBatch(
            id=row.CodeBatch.id,
            name=row.CodeBatch.name,
            topup_kind=row.CodeBatch.topup_kind,
            codes=row.codes,
            free=row.free,
            redeemed=row.redeemed,
            revoked=row.revoked,
            expired=row.expired,
            free_micros=int(row.free_micros),
            redeemed_micros=int(row.redeemed_micros),
            expires_at=row.expires_at,
            source=row.CodeBatch.source,
            created_at=row.CodeBatch.created_at,
        )
        for row in await session.execute(query)
    ]


async def list_codes(
    session: AsyncSession, batch_id: int, *, before_id: int | None = None, limit: int | None = None
) -> list[ListedCode]:
    """List a batch's codes, the newest first."""
    rows = await session.execute(_codes(before_id, limit).where(Code.batch_id == batch_id))
    return [ListedCode(**_fields(row)) for row in rows]


async def list_all_codes(
    session: AsyncSession, *, before_id: int | None, limit: int
) -> list[CodeOfBatch]:
    """List codes of all batches, the newest first."""
    rows = await session.execute(_codes(before_id, limit))
    return [
        CodeOfBatch(**_fields(row), batch=row.CodeBatch.name, topup_kind=row.CodeBatch.topup_kind)
        for row in rows
    ]


def _codes(before_id: int | None, limit: int | None) -> Select[Code, CodeBatch, str, str]:
    query = (
        select(Code, CodeBatch, state_now.label("state"), Tenant.name.label("tenant"))
        .join(CodeBatch, CodeBatch.id == Code.batch_id)
        .outerjoin(Tenant, Tenant.id == Code.tenant_id)
        .order_by(Code.id.desc())
        .limit(limit)
    )
    return query if before_id is None else query.where(Code.id < before_id)


def _fields(row: Row[Code, CodeBatch, str, str]) -> dict[str, Any]:
    code: Code = row.Code
    return {
        "id": code.id,
        "hint": code.hint,
        "state": CodeState(row.state),
        "amount_micros": code.amount_micros,
        "expires_at": code.expires_at,
        "revoked_at": code.revoked_at,
        "redeemed_at": code.redeemed_at,
        "tenant": row.tenant,
        "entry_id": code.entry_id,
    }


class Known(NamedTuple):
    """A code that is here."""

    id: int
    is_free: bool
    """It may have expired."""


async def known_codes(
    session: AsyncSession, hashes: Iterable[bytes], *, source: str
) -> dict[bytes, Known]:
    """Find which of these codes are here already, and whatever was moved of a source."""
    is_free = Code.redeemed_at.is_(None) & Code.revoked_at.is_(None)
    query = (
        select(Code.code_hash, Code.id, is_free)
        .join(CodeBatch, CodeBatch.id == Code.batch_id)
        .where(or_(Code.code_hash.in_(list(hashes)), CodeBatch.source == source))
    )
    return {row[0]: Known(row[1], row[2]) for row in await session.execute(query)}
