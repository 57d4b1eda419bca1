"""Limits as people see them."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.limits.tables import KEPT, Limit, LimitKind


class LimitSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as it stands."""

    id: int
    tenant_id: int
    token_id: int | None
    """None is of all that the tenant does."""
    kind: LimitKind
    allowed: int
    """Micros, tasks, or creates a second; without a raise."""
    raised: int | None
    """Allowed instead, until then; None where no raise is in force."""
    raised_until: datetime | None
    taken: int | None
    """Of what is allowed, in the window of now; None of what is not counted, or within a second."""
    until_at: datetime | None
    """When the window ends, if it does."""
    set_by_id: int | None
    """Which key set it; None is an operator."""

    @property
    def allows(self) -> int:
        return self.allowed if self.raised is None else max(self.allowed, self.raised)

    @property
    def left(self) -> int | None:
        """What is left of it; below 0 where more was taken than is allowed."""
        return None if self.taken is None else self.allows - self.taken


async def read_limits(
    session: AsyncSession, *, tenant_ids: Iterable[int] | None = None, token_id: int | None = None
) -> list[LimitSeen]:
    """Read limits: of these tenants, with their tokens', or of all; or of one token alone."""
    query = select(Limit, func.now().label("now")).order_by(
        Limit.tenant_id, Limit.token_id.nulls_first(), Limit.id
    )
    if tenant_ids is not None:
        query = query.where(Limit.tenant_id.in_(list(tenant_ids)))
    if token_id is not None:
        query = query.where(Limit.token_id == token_id)
    return [see_limit(limit, now) for limit, now in await session.execute(query)]


async def list_limits(
    session: AsyncSession,
    *,
    tenant_id: int | None = None,
    token_id: int | None = None,
    kind: LimitKind | None = None,
    before_id: int | None = None,
    limit: int,
) -> list[LimitSeen]:
    """List limits, newest first: of a tenant with its tokens', of one token, or of all."""
    query = select(Limit, func.now().label("now")).order_by(Limit.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(Limit.tenant_id == tenant_id)
    if token_id is not None:
        query = query.where(Limit.token_id == token_id)
    if kind is not None:
        query = query.where(Limit.kind == kind.value)
    if before_id is not None:
        query = query.where(Limit.id < before_id)
    return [see_limit(row, now) for row, now in await session.execute(query)]


def see_limit(limit: Limit, now: datetime) -> LimitSeen:
    """Read a row as it is at a moment: a window that is over has not been rolled over yet."""
    kind = LimitKind(limit.kind)
    is_over = limit.until_at is not None and limit.until_at <= now
    is_raised = limit.raised_until is not None and limit.raised_until > now
    return LimitSeen(
        id=limit.id,
        tenant_id=limit.tenant_id,
        token_id=limit.token_id,
        kind=kind,
        allowed=limit.allowed,
        raised=limit.raised if is_raised else None,
        raised_until=limit.raised_until if is_raised else None,
        taken=(0 if is_over else limit.taken) if kind in KEPT else None,
        until_at=None if is_over else limit.until_at,
        set_by_id=limit.set_by_id,
    )
