"""Operators' tokens: how they are made, stored and ended."""

import secrets as entropy
from datetime import datetime
from hashlib import sha256

import msgspec
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.operators.tables import Operator, OperatorToken

PREFIX = "ro-"


class IssuedOperatorToken(msgspec.Struct, frozen=True):
    """A new token; the only moment it exists outside its operator's hands."""

    id: int
    operator: str
    role: str
    token: str
    expires_at: datetime | None
    addresses: list[str] | None


async def issue_token(
    session: AsyncSession,
    operator: Operator,
    *,
    expires_at: datetime | None,
    addresses: list[str] | None,
) -> IssuedOperatorToken:
    """Make one; `addresses` as `addresses.py` spells them, None is anywhere."""
    token = PREFIX + entropy.token_urlsafe(36)
    row = OperatorToken(
        operator_id=operator.id,
        token_hash=hash_token(token),
        hint=token[-4:],
        addresses=addresses,
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    return IssuedOperatorToken(
        id=row.id,
        operator=operator.name,
        role=operator.role,
        token=token,
        expires_at=expires_at,
        addresses=addresses,
    )


async def revoke_token(session: AsyncSession, token_id: int) -> bool:
    """End one. False if there is none or it was revoked before."""
    revoked = await session.execute(
        update(OperatorToken)
        .where(OperatorToken.id == token_id, OperatorToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(OperatorToken.id)
    )
    return revoked.first() is not None


async def revoke_tokens(session: AsyncSession, operator_id: int) -> list[int]:
    """End all of an operator; returns the ids of those that were live."""
    revoked = await session.scalars(
        update(OperatorToken)
        .where(OperatorToken.operator_id == operator_id, OperatorToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(OperatorToken.id)
    )
    return sorted(revoked)


def hash_token(token: str) -> bytes:
    return sha256(token.encode(errors="surrogateescape")).digest()
