"""A token that another one makes may do no more than that one."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

INHERIT = text(
    """
    INSERT INTO limits (tenant_id, token_id, kind, allowed, start_at, until_at)
    SELECT tenant_id, :token_id, kind, allowed, start_at, until_at
    FROM limits WHERE token_id = :maker_id
    """
)
"""Without what the maker has taken, or was allowed for a while. A window that is over by now is
rolled over by the first hold, as any is."""


async def inherit_limits(session: AsyncSession, *, maker_id: int, token_id: int) -> None:
    """Give a new token the limits of the one that makes it."""
    await session.execute(INHERIT, {"maker_id": maker_id, "token_id": token_id})
