"""Tasks as the operator looks at them: lists, and one task's whole story. Reads only."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.database.ids import TaskId
from relay.deliveries.kept_url import show_url
from relay.deliveries.tables import Delivery
from relay.ledger.entries import BY_RELAY
from relay.ledger.tables import Entry, EntryKind
from relay.tasks.tables import Task, TaskEvent, TaskState
from relay.tenants.tables import Tenant

STUCK_AFTER_S = 3600
"""Kling ends a task in minutes; one that lives longer is worth a look."""
ID_MAX = 2**63 - 1


class ListedTask(msgspec.Struct, frozen=True):
    """One row of a list."""

    id: TaskId
    tenant: str
    channel: str
    endpoint: str
    status: str
    kling_id: str | None
    tenant_external_id: str | None
    hold_micros: int
    charged_micros: int | None
    is_flagged: bool
    created_at: datetime
    ended_at: datetime | None
    fail_message: str | None


class Happening(msgspec.Struct, frozen=True):
    """One thing that happened to a task; `body` is raw, as Kling sent it or we send it."""

    at: datetime
    what: str
    detail: str
    body: bytes | None = None
    actor: str = BY_RELAY
    """Whose doing it was, as `desk/actor.py` spells."""


class Story(msgspec.Struct, frozen=True):
    """One task with all that is known of it."""

    task: Task
    tenant: str
    channel: str
    channels_tried: list[str]
    refunded_micros: int
    timeline: list[Happening]


async def list_tasks(
    session: AsyncSession,
    *,
    tenant_id: int | None = None,
    status: str | None = None,
    is_stuck: bool = False,
    limit: int,
) -> list[ListedTask]:
    """List tasks, newest first. Stuck: lives too long, is past its deadline, or is flagged."""
    query = _listed().order_by(Task.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(Task.tenant_id == tenant_id)
    if status is not None:
        query = query.where(Task.state == status)
    if is_stuck:
        is_live = Task.hold_ended_at.is_(None)
        is_old = Task.created_at < func.now() - text(f"interval '{STUCK_AFTER_S} seconds'")
        has_no_verdict = Task.state.in_([TaskState.PENDING, TaskState.UNKNOWN])
        is_late = and_(has_no_verdict, Task.submit_deadline_at < func.now())
        query = query.where(or_(and_(is_live, or_(is_old, is_late)), Task.is_flagged))
    return await _list(session, query)


async def find_tasks(
    session: AsyncSession, key: str, *, tenant_id: int | None = None
) -> list[ListedTask]:
    """Find tasks by our id, Kling's, either external id, or a request id of ours or Kling's."""
    number = int(key) if key.isascii() and key.isdigit() and len(key) <= len(str(ID_MAX)) else 0
    indexed = or_(
        *([Task.id == number] if 0 < number <= ID_MAX else []),
        Task.kling_id == key,
        Task.injected_id == key,
        Task.request_id == key,
        Task.kling_request_id == key,
        and_(
            # By tenant, since that is what the index of external ids begins with.
            Task.tenant_id.in_(select(Tenant.id)),
            Task.tenant_external_id == key,
            Task.state != TaskState.REFUSED,
        ),
    )
    found = await _list(session, _of_tenant(_listed().where(indexed), tenant_id))
    if not found:
        refused = and_(Task.tenant_external_id == key, Task.state == TaskState.REFUSED)
        found = await _list(session, _of_tenant(_listed().where(refused), tenant_id))
    return found


async def read_story(session: AsyncSession, task_id: TaskId) -> Story:
    """Read one task that exists."""
    task = await session.get_one(Task, task_id)
    tenant = await session.get_one(Tenant, task.tenant_id)
    channels = await session.execute(select(Channel.id, Channel.name))
    names = {channel_id: name for channel_id, name in channels}  # noqa: C416 (rows are typed)
    of_task = (
        list(await session.scalars(select(Entry).where(Entry.task_id == task_id))),
        list(await session.scalars(select(TaskEvent).where(TaskEvent.task_id == task_id))),
        list(await session.scalars(select(Delivery).where(Delivery.task_id == task_id))),
    )
    entries, events, deliveries = of_task
    tried = [names[channel_id] for channel_id in task.channels_tried]
    happened = [
        *_steps(task, first_channel=[*tried, names[task.channel_id]][0]),
        *(_of_event(event) for event in sorted(events, key=lambda event: event.id)),
        *(_of_entry(entry) for entry in sorted(entries, key=lambda entry: entry.id)),
        *(_of_delivery(delivery) for delivery in deliveries),
    ]
    return Story(
        task=task,
        tenant=tenant.name,
        channel=names[task.channel_id],
        channels_tried=tried,
        refunded_micros=sum(
            entry.amount_micros for entry in entries if entry.kind == EntryKind.REFUND
        ),
        timeline=sorted(happened, key=lambda one: one.at),  # stable: in this order if at once
    )


def _listed() -> Select[*tuple[Any, ...]]:
    listed: Select[*tuple[Any, ...]] = (
        select(
            Task.id,
            Tenant.name.label("tenant"),
            Channel.name.label("channel"),
            Task.endpoint,
            Task.state.label("status"),
            Task.kling_id,
            Task.tenant_external_id,
            Task.hold_micros,
            Task.charged_micros,
            Task.is_flagged,
            Task.created_at,
            Task.ended_at,
            Task.fail_message,
        )
        .join(Tenant, Tenant.id == Task.tenant_id)
        .join(Channel, Channel.id == Task.channel_id)
    )
    return listed


def _of_tenant(query: Select[*tuple[Any, ...]], tenant_id: int | None) -> Select[*tuple[Any, ...]]:
    query = query.order_by(Task.id).limit(100)
    return query if tenant_id is None else query.where(Task.tenant_id == tenant_id)


async def _list(session: AsyncSession, query: Select[*tuple[Any, ...]]) -> list[ListedTask]:
    rows = (await session.execute(query)).mappings()
    return [ListedTask(**row) for row in rows]


def _steps(task: Task, *, first_channel: str) -> list[Happening]:
    """Tell what the row itself says, without its events."""
    steps = [
        Happening(task.created_at, "created", f"{task.endpoint} for channel {first_channel}"),
        Happening(task.created_at, "held", f"{task.hold_micros} micros"),
    ]
    if task.submitted_at is not None:
        known = f"as {task.kling_id}" if task.kling_id else "without an id so far"
        steps.append(Happening(task.submitted_at, "submitted", f"Kling has it {known}"))
    if task.ended_at is not None:
        why = f": {task.fail_message}" if task.fail_message else ""
        steps.append(Happening(task.ended_at, "ended", f"{task.state} by {task.ended_via}{why}"))
    if task.hold_ended_at is not None:
        charged = task.charged_micros or 0
        steps.append(
            Happening(
                task.hold_ended_at,
                "charged" if task.charged_micros is not None else "released",
                f"{charged} micros charged, {task.hold_micros - charged} micros given back",
            )
        )
    return steps


def _of_event(event: TaskEvent) -> Happening:
    return Happening(event.created_at, event.kind, event.detail or "", event.body, event.actor)


def _of_entry(entry: Entry) -> Happening:
    why = f" ({entry.reason})" if entry.reason else ""
    return Happening(
        entry.created_at,
        f"entry.{entry.kind}",
        f"{entry.amount_micros} micros of quota{why}",
        actor=entry.actor,
    )


def _of_delivery(delivery: Delivery) -> Happening:
    url = show_url(delivery.url)
    return Happening(
        delivery.created_at,
        "delivery",
        f"{delivery.task_status} to {url}: {delivery.state}, {delivery.attempts} attempts",
        delivery.body.encode(),
    )
