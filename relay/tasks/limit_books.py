"""Setting limits: what their running windows have seen so far is counted from the tasks.

Locks: the live tasks, then the account, then the limits, as everywhere. With the account nobody
takes a hold or ends one, so what is counted is what there is; and each live task is told which
limits its end is to be counted in. What had ended before keeps nothing of them.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Numeric, and_, cast, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from relay.ledger.tables import Account
from relay.limits.tables import KEPT, SPEND, Limit, LimitKind
from relay.limits.windows import EPOCH, window_of
from relay.tasks.tables import Task
from relay.tasks.token_report import OUT_OF_ORDER, find_first_since
from relay.tenants.tables import Tenant

Micros = ColumnElement[int] | InstrumentedAttribute[int]


class Whose(NamedTuple):
    """What limits are of."""

    tenant: Tenant
    token_id: int | None
    """None is all that the tenant does."""


async def lock_limits(session: AsyncSession, *every: Whose) -> list[dict[LimitKind, Limit]]:
    """Lock what is live, the account and the limits of tenants or tokens, and return these."""
    live = (
        select(Task.id)
        .where(or_(*(_whose(*one) for one in every)), Task.hold_ended_at.is_(None))
        .order_by(Task.id)
        .with_for_update(key_share=True)
    )
    await session.execute(live)
    accounts = select(Account.id).where(Account.id.in_({one.tenant.account_id for one in every}))
    await session.execute(accounts.order_by(Account.id).with_for_update(key_share=True))
    # Those that were held while the account was waited for.
    await session.execute(live)
    limits = await session.scalars(
        select(Limit)
        .where(
            or_(
                *(
                    and_(
                        Limit.tenant_id == tenant.id,
                        Limit.token_id.is_not_distinct_from(token_id),
                    )
                    for tenant, token_id in every
                )
            )
        )
        .order_by(Limit.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    found: dict[tuple[int, int | None], dict[LimitKind, Limit]] = {
        (tenant.id, token_id): {} for tenant, token_id in every
    }
    for limit in limits:
        found[limit.tenant_id, limit.token_id][LimitKind(limit.kind)] = limit
    return list(found.values())


async def put_limits(
    session: AsyncSession,
    tenant: Tenant,
    token_id: int | None,
    allowed: Mapping[LimitKind, int | None],
    *,
    locked: Mapping[LimitKind, Limit],
    set_by_id: int | None,
    zone: tzinfo,
) -> None:
    """Set or take away limits of a tenant, or of one token of it; None is taken away.

    `locked`: by `lock_limits`, all that there are. `set_by_id`: the key that sets
    them, if one does.
    """
    now = await session.scalar(select(func.clock_timestamp()))
    assert now is not None, "it has a clock"
    added = 0
    for kind, amount in allowed.items():
        limit = locked.get(kind)
        if amount is None:
            if limit is not None:
                await session.delete(limit)
        elif limit is not None:
            limit.allowed_max = None if set_by_id is None else limit.most_by_keys
            limit.allowed, limit.set_by_id = amount, set_by_id
        else:
            added += 1
            limit = await _add(session, tenant, token_id, kind, amount, now=now, zone=zone)
            limit.set_by_id = set_by_id
    await session.flush()
    if added:
        await session.execute(
            update(Account)
            .where(Account.id == tenant.account_id)
            .values(limits_set=Account.limits_set + added)
        )


async def _add(
    session: AsyncSession,
    tenant: Tenant,
    token_id: int | None,
    kind: LimitKind,
    amount: int,
    *,
    now: datetime,
    zone: tzinfo,
) -> Limit:
    window = window_of(kind, now, zone)
    before = await _ended(session, tenant, token_id, window.start_at) if kind in SPEND else 0
    limit = Limit(
        tenant_id=tenant.id,
        token_id=token_id,
        kind=kind.value,
        allowed=amount,
        start_at=window.start_at,
        until_at=window.until_at,
        taken_before=before,
    )
    session.add(limit)
    await session.flush()
    if kind not in KEPT:
        return limit
    marked = await session.execute(
        update(Task)
        .where(_whose(tenant, token_id), Task.hold_ended_at.is_(None))
        .where(Task.created_at >= window.start_at)
        .values(
            limit_ids=func.array_append(Task.limit_ids, limit.id),
            limit_starts=func.array_append(Task.limit_starts, window.start_at),
        )
        .returning(_own(tenant, Task.hold_micros))
    )
    held = list(marked.scalars())
    limit.taken = before + (sum(held) if kind in SPEND else len(held))
    return limit


async def _ended(
    session: AsyncSession, tenant: Tenant, token_id: int | None, start_at: datetime
) -> int:
    """Sum up, in micros, what ended tasks cost that were created since."""
    first_id = 1 if start_at == EPOCH else await find_first_since(session, start_at - OUT_OF_ORDER)
    kept = func.coalesce(Task.charged_micros, 0) - Task.refunded_micros
    query = select(func.coalesce(func.sum(_own(tenant, kept)), 0)).where(
        _whose(tenant, token_id),
        Task.id >= first_id,
        Task.created_at >= start_at,
        Task.hold_ended_at.is_not(None),
    )
    return int(await session.scalar(query) or 0)


def _whose(tenant: Tenant, token_id: int | None) -> ColumnElement[bool]:
    """Find what is counted: of a tenant also what its sub-tenants do."""
    if token_id is not None:
        return and_(Task.tenant_id == tenant.id, Task.token_id == token_id)
    theirs = select(Tenant.id).where(or_(Tenant.id == tenant.id, Tenant.parent_id == tenant.id))
    return Task.tenant_id.in_(theirs)


def _own(tenant: Tenant, micros: Micros) -> Micros:
    """Say what an amount is to whom the limit is of, as `Quote.resold` does."""
    if tenant.parent_id is None:
        return micros
    return cast(func.round(micros * cast(Task.quote["resale"].astext, Numeric)), BigInteger)
