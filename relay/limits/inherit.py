"""What a token makes may do no more than it may itself."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

INHERIT = text(
    """
    INSERT INTO limits (tenant_id, token_id, kind, allowed, start_at, until_at, set_by_id)
    SELECT CAST(:tenant_id AS bigint), CAST(:token_id AS bigint), kind, allowed, start_at, until_at,
        token_id
    FROM limits WHERE token_id = :maker_id
    """
)
"""Without what the maker has taken, or was allowed for a while. A window that is over by now is
rolled over by the first hold, as any is."""


async def inherit_limits(
    session: AsyncSession, *, maker_id: int, tenant_id: int, token_id: int | None
) -> None:
    """Give a new token of a tenant, or (None) a new tenant, the limits of the token that makes it.

    Of a sub-tenant they count what it costs that one, which is no less than what the account pays.
    """
    values = {"maker_id": maker_id, "tenant_id": tenant_id, "token_id": token_id}
    await session.execute(INHERIT, values)
