"""Operators' tokens: how they are made, stored, checked and ended."""

import secrets as entropy
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

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
    """Make one; `addresses` as `read_networks` returns them, None is anywhere."""
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


def read_networks(given: Iterable[str]) -> list[str] | None:
    """Spell addresses and networks in full; None where there are none.

    Raises:
        ValueError: one is neither, with a sentence.
    """
    networks = []
    for part in given:
        try:
            networks.append(str(ip_network(part.strip(), strict=False)))
        except ValueError as error:
            raise ValueError(f"'{part}' is no address or network, such as 10.0.0.0/8") from error
    return list(dict.fromkeys(networks)) or None


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Tell whether a client's address is in one of them; what is no address is in none."""
    try:
        at = plain_address(address)
    except ValueError:
        return False
    return any(at in ip_network(network) for network in networks)


def plain_address(address: str) -> IPv4Address | IPv6Address:
    """Read an address; one of IPv4 that a socket of both kinds spells in IPv6 is IPv4.

    Raises:
        ValueError: it is none.
    """
    at = ip_address(address)
    return getattr(at, "ipv4_mapped", None) or at
