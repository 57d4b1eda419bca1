"""Entries as the operator looks at them: each with whose it is and the quota after it."""

from collections import defaultdict
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, and_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from relay.database.ids import AccountId, TaskId
from relay.ledger.read import read_quotas_after
from relay.ledger.tables import Entry, EntryKind, TopupKind
from relay.tasks.tables import Task
from relay.tenants.tables import Tenant


class ListedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a list."""

    id: int
    created_at: datetime
    account_id: AccountId
    tenant: str | None
    """Whose task it is of; of others, who draws on the account."""
    kind: str
    topup_kind: str | None
    """Of top-ups only."""
    amount_micros: int
    quota_after_micros: int
    task_id: TaskId | None
    reference: str | None
    reason: str | None
    actor: str


class EntryFilter(msgspec.Struct, frozen=True):
    """Which entries a list has; what is None wants nothing."""

    account_id: int | None = None
    tenant: Tenant | None = None
    """Those of its tasks, and what else changed the account that it draws on."""
    kind: str | None = None
    topup_kind: str | None = None
    task_id: TaskId | None = None
    reference: str | None = None
    """How that of a top-up begins."""
    actor: str | None = None
    """As it is spelled, or its name alone: `operator:ann`, or `ann`."""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""
    before_id: int | None = None
    """Of the last one on the page before."""


EVERY = EntryFilter()
PAID = TopupKind.PAID.value
TOPUP_KIND = func.coalesce(Entry.topup_kind, PAID)
"""Of a top-up: those of before there were kinds were of what was sold."""


async def list_entries(
    session: AsyncSession, wanted: EntryFilter = EVERY, *, limit: int
) -> list[ListedEntry]:
    """List entries, newest first."""
    drawer = aliased(Tenant)
    drawing = (
        select(func.string_agg(drawer.name, aggregate_order_by(literal(", "), drawer.id)))
        .where(drawer.account_id == Entry.account_id)
        .scalar_subquery()
    )
    query = (
        select(Entry, func.coalesce(Tenant.name, drawing))
        .outerjoin(Task, Task.id == Entry.task_id)
        .outerjoin(Tenant, Tenant.id == Task.tenant_id)
        .where(*_conditions(wanted))
        .order_by(Entry.id.desc())
        .limit(limit)
    )
    rows = [(entry, tenant) for entry, tenant in await session.execute(query)]
    after = await _quotas_after(session, [entry for entry, _ in rows])
    return [
        ListedEntry(
            id=entry.id,
            created_at=entry.created_at,
            account_id=AccountId(entry.account_id),
            tenant=tenant,
            kind=entry.kind,
            topup_kind=(entry.topup_kind or PAID) if entry.kind == EntryKind.TOPUP else None,
            amount_micros=entry.amount_micros,
            quota_after_micros=after[entry.id],
            task_id=TaskId(entry.task_id) if entry.task_id is not None else None,
            reference=entry.reference,
            reason=entry.reason,
            actor=entry.actor,
        )
        for entry, tenant in rows
    ]


def _conditions(wanted: EntryFilter) -> list[ColumnElement[bool]]:
    equal: list[tuple[ColumnElement[bool], object]] = [
        (Entry.account_id == wanted.account_id, wanted.account_id),
        (Entry.kind == wanted.kind, wanted.kind),
    ]
    conditions = [condition for condition, value in equal if value is not None]
    if wanted.topup_kind is not None:
        conditions += [
            Entry.kind == EntryKind.TOPUP,
            TOPUP_KIND.is_not_distinct_from(wanted.topup_kind),
        ]
    if wanted.reference is not None:
        conditions += [
            Entry.kind == EntryKind.TOPUP,  # which alone have one; by the index of all but charges
            Entry.reference.startswith(wanted.reference, autoescape=True),
        ]
    if wanted.actor is not None:
        is_named = Entry.actor.endswith(f":{wanted.actor}", autoescape=True)
        conditions.append(or_(Entry.actor == wanted.actor, is_named))
    if wanted.since is not None:
        conditions.append(Entry.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Entry.created_at < wanted.until)
    if wanted.before_id is not None:
        conditions.append(Entry.id < wanted.before_id)
    if wanted.tenant is not None:
        conditions += [
            Entry.account_id == wanted.tenant.account_id,
            or_(Entry.task_id.is_(None), Task.tenant_id == wanted.tenant.id),
        ]
    if wanted.task_id is not None:
        # By both of the indexes of tasks' entries.
        is_charge = Entry.kind == EntryKind.CHARGE
        conditions.append(
            or_(*(and_(Entry.task_id == wanted.task_id, one) for one in (is_charge, ~is_charge)))
        )
    return conditions


async def _quotas_after(session: AsyncSession, entries: list[Entry]) -> dict[int, int]:
    """Take what entries keep, and sum it up for older ones, an account at a time."""
    after: dict[int, int] = {}
    unkept: defaultdict[AccountId, list[int]] = defaultdict(list)
    for entry in entries:
        if entry.quota_after_micros is None:
            unkept[AccountId(entry.account_id)].append(entry.id)
        else:
            after[entry.id] = entry.quota_after_micros
    for account_id, ids in unkept.items():
        after |= await read_quotas_after(session, account_id, ids)
    return after
