"""Sessions of tenants in the portal, and links into it.

Each is of one token of the tenant's, may what that may, and ends with it.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.logins.secret import csrf_of, hash_secret, new_secret, printable
from relay.logins.sessions import AGENT_CHARS_MAX, IDLE, SEEN_EVERY, WHOLE
from relay.logins.tables import PortalLink, PortalSession
from relay.tenants.tables import Token

GOOD_FOR = timedelta(hours=1)
"""Of a link, which is sent to somebody elsewhere."""


class TenantVisitor(msgspec.Struct, frozen=True):
    """Whose session it is; what its token may is asked of it anew at each request."""

    session_id: int
    token_id: int
    access_key: str | None
    api_key_hash: bytes | None
    """By which its token is known; one of them is there."""
    token_name: str | None
    csrf: str


class OpenPortalSession(msgspec.Struct, frozen=True):
    """A session that has not ended, as lists show it."""

    id: int
    token_id: int
    address: str
    agent: str
    support_by: str | None
    """Who of the operator's side it is."""
    created_at: datetime
    seen_at: datetime


class TakenLink(msgspec.Struct, frozen=True):
    """A link that was just used up."""

    token_id: int
    support_by: str | None


async def make_portal_link(
    session: AsyncSession, token_id: int, *, support_by: str | None = None
) -> tuple[str, datetime]:
    """Make one for who is to act with a token; return its secret, and until when it is good."""
    secret = new_secret()
    row = PortalLink(
        link_hash=hash_secret(secret),
        token_id=token_id,
        support_by=support_by,
        expires_at=func.now() + GOOD_FOR,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return secret, row.expires_at


async def take_portal_link(session: AsyncSession, secret: str) -> TakenLink | None:
    """Use one up. None: there is none, or it is used up or over."""
    taken = await session.execute(
        update(PortalLink)
        .where(
            PortalLink.link_hash == hash_secret(secret),
            PortalLink.used_at.is_(None),
            PortalLink.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(PortalLink.token_id, PortalLink.support_by)
    )
    row = taken.one_or_none()
    return None if row is None else TakenLink(*row)


async def open_portal_session(
    session: AsyncSession,
    token_id: int,
    *,
    address: str,
    agent: str,
    support_by: str | None = None,
) -> str:
    """Open one; return the secret that finds it."""
    secret = new_secret()
    row = PortalSession(
        session_hash=hash_secret(secret),
        token_id=token_id,
        address=printable(address),
        agent=printable(agent[:AGENT_CHARS_MAX]),
        support_by=support_by,
    )
    session.add(row)
    await session.flush()
    return secret


async def find_tenant_visitor(
    session: AsyncSession, secret: str, *, is_seen: bool = True
) -> TenantVisitor | None:
    """Tell whose session it is; None where it is nobody's, or over.

    Writes when it was last seen, once a minute, unless `is_seen` says that nobody looks.
    """
    was_not_seen = PortalSession.seen_at < func.now() - SEEN_EVERY
    query = _live().add_columns(was_not_seen)
    query = query.where(PortalSession.session_hash == hash_secret(secret))
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    row, token, is_to_be_touched = found
    if is_seen and is_to_be_touched:
        # Asked again in it: of the requests of one page only the first is to write.
        await session.execute(
            update(PortalSession)
            .where(PortalSession.id == row.id, was_not_seen)
            .values(seen_at=func.now())
            .execution_options(synchronize_session=False)
        )
    return TenantVisitor(
        session_id=row.id,
        token_id=token.id,
        access_key=token.access_key,
        api_key_hash=token.api_key_hash,
        token_name=token.name,
        csrf=csrf_of(secret),
    )


async def read_portal_sessions(
    session: AsyncSession, tenant_id: int, token_id: int | None = None
) -> list[OpenPortalSession]:
    """Read those of a tenant that have not ended, or of one token; the last used first."""
    query = _live().where(Token.tenant_id == tenant_id)
    if token_id is not None:
        query = query.where(Token.id == token_id)
    query = query.order_by(PortalSession.seen_at.desc(), PortalSession.id.desc())
    return [
        OpenPortalSession(
            id=row.id,
            token_id=token.id,
            address=row.address,
            agent=row.agent,
            support_by=row.support_by,
            created_at=row.created_at,
            seen_at=row.seen_at,
        )
        for row, token in await session.execute(query)
    ]


async def end_portal_session(session: AsyncSession, session_id: int) -> int:
    """End one; returns 0 if there is none, or it was ended before."""
    return await _end(session, PortalSession.id == session_id)


async def end_portal_sessions(session: AsyncSession, token_id: int) -> int:
    """End all that were entered by a token, and its links; returns how many sessions."""
    await session.execute(
        update(PortalLink)
        .where(PortalLink.token_id == token_id, PortalLink.used_at.is_(None))
        .values(used_at=func.now())
    )
    return await _end(session, PortalSession.token_id == token_id)


async def end_all_portal_sessions(session: AsyncSession) -> int:
    """End everybody's, and let nobody enter by the links that were made so far."""
    await session.execute(
        update(PortalLink).where(PortalLink.used_at.is_(None)).values(used_at=func.now())
    )
    return await _end(session)


def _live() -> Select[PortalSession, Token]:
    """Select those that have not ended, each with its token, by the database's clock."""
    return (
        select(PortalSession, Token)
        .join(Token, Token.id == PortalSession.token_id)
        .where(
            PortalSession.ended_at.is_(None),
            PortalSession.seen_at > func.now() - IDLE,
            PortalSession.created_at > func.now() - WHOLE,
            Token.revoked_at.is_(None),
        )
        .execution_options(populate_existing=True)
    )


async def _end(session: AsyncSession, *which: ColumnElement[bool]) -> int:
    ended = await session.scalars(
        update(PortalSession)
        .where(PortalSession.ended_at.is_(None), *which)
        .values(ended_at=func.now())
        .returning(PortalSession.id)
    )
    return len(ended.all())
