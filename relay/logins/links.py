"""One-time links into the console, for whoever has a shell on a machine of the relay's."""

from datetime import timedelta

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.logins.secret import hash_secret, new_secret
from relay.logins.tables import LoginLink

GOOD_FOR = timedelta(minutes=10)


async def make_link(session: AsyncSession, *, system_user: str) -> str:
    """Make one for a machine's user; return its secret."""
    secret = new_secret()
    row = LoginLink(
        link_hash=hash_secret(secret),
        machine_user=system_user,
        expires_at=func.now() + GOOD_FOR,
    )
    session.add(row)
    await session.flush()
    return secret


async def take_link(session: AsyncSession, secret: str) -> str | None:
    """Use one up; return whose it was. None: there is none, or it is used up or over."""
    return await session.scalar(
        update(LoginLink)
        .where(
            LoginLink.link_hash == hash_secret(secret),
            LoginLink.used_at.is_(None),
            LoginLink.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(LoginLink.machine_user)
    )


async def use_up_links(session: AsyncSession) -> None:
    """Let nobody enter by those that were made so far."""
    await session.execute(
        update(LoginLink).where(LoginLink.used_at.is_(None)).values(used_at=func.now())
    )
