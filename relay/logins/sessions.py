"""Sessions of pages: opened by whoever proved who it is, found by a secret, ended.

A secret is always drawn here: one that a visitor brings opens nothing, so nobody can have a victim
log in under a session that he knows.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.logins.secret import csrf_of, hash_secret, new_secret, printable
from relay.logins.tables import WebSession
from relay.operators.tables import Operator, Role

IDLE = timedelta(hours=12)
"""Nobody used it for so long: it has ended."""
WHOLE = timedelta(days=7)
"""So old it has ended, whoever uses it."""
SEEN_EVERY = timedelta(minutes=1)
AGENT_CHARS_MAX = 200


class Visitor(msgspec.Struct, frozen=True):
    """Whose session it is; what a visitor may do is judged anew in each act."""

    session_id: int
    operator_id: int | None
    """None of a machine's own user."""
    name: str
    """The operator's, or the user's."""
    role: Role
    """An owner's, of a machine's own user: its shell has the database."""
    is_system: bool
    csrf: str
    """What forms of this session carry: it follows from the cookie's secret, and tells none."""


class OpenSession(msgspec.Struct, frozen=True):
    """A session that has not ended, as lists show it."""

    id: int
    operator_id: int | None
    name: str
    is_system: bool
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime


async def open_session(
    session: AsyncSession,
    *,
    operator_id: int | None = None,
    system_user: str | None = None,
    address: str,
    agent: str,
) -> str:
    """Open one for an operator or for a machine's user; return the secret that finds it."""
    secret = new_secret()
    row = WebSession(
        session_hash=hash_secret(secret),
        operator_id=operator_id,
        machine_user=system_user,
        address=printable(address),
        agent=printable(agent[:AGENT_CHARS_MAX]),
    )
    session.add(row)
    await session.flush()
    return secret


async def find_visitor(
    session: AsyncSession, secret: str, *, is_seen: bool = True
) -> Visitor | None:
    """Tell whose session it is; None where it is nobody's, or over.

    Writes when it was last seen, once a minute, unless `is_seen` says that nobody looks.
    """
    was_not_seen = WebSession.seen_at < func.now() - SEEN_EVERY
    query = _live().add_columns(was_not_seen).where(WebSession.session_hash == hash_secret(secret))
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    row, operator, is_to_be_touched = found
    if is_seen and is_to_be_touched:
        # Asked again in it: of the requests of one page only the first is to write.
        await session.execute(
            update(WebSession)
            .where(WebSession.id == row.id, was_not_seen)
            .values(seen_at=func.now())
            .execution_options(synchronize_session=False)
        )
    return Visitor(
        session_id=row.id,
        operator_id=row.operator_id,
        name=row.machine_user if operator is None else operator.name,
        role=Role.OWNER if operator is None else Role(operator.role),
        is_system=operator is None,
        csrf=csrf_of(secret),
    )


async def end_session(session: AsyncSession, session_id: int) -> bool:
    """End one. False if there is none or it was ended before."""
    return bool(await _end(session, WebSession.id == session_id))


async def end_sessions(session: AsyncSession, operator_id: int, *, but: int | None = None) -> int:
    """End all of an operator, `but` one perhaps; returns how many."""
    whose = WebSession.operator_id == operator_id
    return await _end(session, whose if but is None else and_(whose, WebSession.id != but))


async def end_all_sessions(session: AsyncSession) -> int:
    """End everybody's; returns how many."""
    return await _end(session)


async def read_sessions(session: AsyncSession, operator_id: int | None = None) -> list[OpenSession]:
    """Read those that have not ended, of one operator or of all; the last used first."""
    query = _live().order_by(WebSession.seen_at.desc(), WebSession.id.desc())
    if operator_id is not None:
        query = query.where(WebSession.operator_id == operator_id)
    return [
        OpenSession(
            id=row.id,
            operator_id=row.operator_id,
            name=row.machine_user if operator is None else operator.name,
            is_system=operator is None,
            address=row.address,
            agent=row.agent,
            created_at=row.created_at,
            seen_at=row.seen_at,
        )
        for row, operator in await session.execute(query)
    ]


def _live() -> Select[WebSession, Operator]:
    """Select those that have not ended, each with its operator, by the database's clock."""
    return (
        select(WebSession, Operator)
        .outerjoin(Operator, Operator.id == WebSession.operator_id)
        .where(
            WebSession.ended_at.is_(None),
            WebSession.seen_at > func.now() - IDLE,
            WebSession.created_at > func.now() - WHOLE,
            or_(WebSession.operator_id.is_(None), Operator.removed_at.is_(None)),
        )
        .execution_options(populate_existing=True)
    )


async def _end(session: AsyncSession, *which: ColumnElement[bool]) -> int:
    ended = await session.scalars(
        update(WebSession)
        .where(WebSession.ended_at.is_(None), *which)
        .values(ended_at=func.now())
        .returning(WebSession.id)
    )
    return len(ended.all())
