"""Limits as operators are shown them, by command and by HTTP."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.find import tenant_named
from relay.limits.read import LimitSeen, read_limits
from relay.limits.tables import IN_MICROS, LimitKind
from relay.tenants.read import names_by_id

COUNTED = ("allowed", "raised", "taken", "left")


class ShownLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit; amounts of what is spent are micros."""

    id: int
    tenant: str
    token: int | None
    """Null is of all that the tenant does."""
    limit: LimitKind
    allowed: int
    """Without a raise."""
    raised: int | None
    """Allowed instead, until then."""
    raised_until: datetime | None
    taken: int | None
    """In the window of now; null of what is not counted, or within a second."""
    left: int | None
    begins_anew: datetime | None
    set_by: int | None
    """The tenant's key that set it; null is an operator."""

    @property
    def amounts(self) -> Collection[str]:
        """Name the fields that are micros, though their names do not say so."""
        return COUNTED if self.limit in IN_MICROS else ()


async def read_shown_limits(
    session: AsyncSession, tenant: str | None = None, token_id: int | None = None
) -> list[ShownLimit]:
    """List limits: of a tenant with its tokens', of one token, or all.

    Raises:
        NoSuch: there is no such tenant.
    """
    whose = None if tenant is None else [(await tenant_named(session, tenant)).id]
    return await show_limits(
        session, await read_limits(session, tenant_ids=whose, token_id=token_id)
    )


async def show_limits(session: AsyncSession, found: list[LimitSeen]) -> list[ShownLimit]:
    """Show limits with their tenants' names."""
    names = await names_by_id(session, {seen.tenant_id for seen in found})
    return [
        ShownLimit(
            id=seen.id,
            tenant=names[seen.tenant_id],
            token=seen.token_id,
            limit=seen.kind,
            allowed=seen.allowed,
            raised=seen.raised,
            raised_until=seen.raised_until,
            taken=seen.taken,
            left=seen.left,
            begins_anew=seen.until_at,
            set_by=seen.set_by_id,
        )
        for seen in found
    ]
