"""Tasks as the operator looks at them: lists, and one task's whole story. Reads only."""

from datetime import datetime
from typing import Any, Self

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.database.ids import TaskId
from relay.deliveries.tables import Delivery
from relay.ledger.tables import Entry, EntryKind
from relay.tasks.outlook import Outlook, read_outlook
from relay.tasks.tables import Task, TaskEvent, TaskState
from relay.tasks.task import BY_OPERATOR
from relay.tasks.timeline import Happening, flag_reasons, timeline
from relay.tenants.tables import Tenant, Token

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
    public_id: str | None
    """What its tenant knows it by, where that is not Kling's id."""
    tenant_external_id: str | None
    model: str | None
    hold_micros: int
    """What was held at submit."""
    held_micros: int
    """Of that, what is held now: nothing of what ended."""
    price_micros: int
    """What it was quoted, which is what a settle charges."""
    charged_micros: int | None
    refunded_micros: int
    is_flagged: bool
    is_test: bool
    """Made with a key for tests: on a sandbox, and free."""
    created_at: datetime
    ended_at: datetime | None
    fail_message: str | None


class Story(msgspec.Struct, frozen=True):
    """One task with all that is known of it."""

    task: Task
    tenant: str
    is_test: bool
    channel: str
    channels_tried: list[str]
    sandbox_url: str | None
    """Where the sandbox is that made it, if one did."""
    outlook: Outlook
    flags: list[Happening]
    """Why it is flagged."""
    timeline: list[Happening]


class OfTask(msgspec.Struct, frozen=True):
    """What other tables have of one task."""

    entries: list[Entry]
    events: list[TaskEvent]
    deliveries: list[Delivery]


class TaskFilter(msgspec.Struct, frozen=True):
    """Which tasks a list has; what is None or False wants nothing."""

    tenant_id: int | None = None
    token_id: int | None = None
    caller_address: str | None = None
    channel_id: int | None = None
    endpoint: str | None = None
    model: str | None = None
    """As the tenant spelled it."""
    mode: str | None = None
    """As it was priced."""
    status: str | None = None
    failure: str | None = None
    """What stands anywhere in what Kling, or an operator, said of its failure."""
    charged_least_micros: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""
    is_open: bool = False
    """Not over: its hold is not ended."""
    is_refunded: bool = False
    """In part, or wholly."""
    is_by_hand: bool = False
    """An operator ended it."""
    is_real: bool = False
    """Made with no key for tests."""
    is_flagged: bool = False
    is_stuck: bool = False
    """Lives too long, is past its deadline, or is flagged: listed from the oldest on."""
    before_id: TaskId | None = None
    after_id: TaskId | None = None
    from_id: TaskId | None = None

    def behind(self, last_id: int | None) -> Self:
        """Ask for what a list has behind the last one of the page before."""
        if last_id is None:
            return self
        name = "after_id" if self.is_stuck else "before_id"
        return msgspec.structs.replace(self, **{name: TaskId(last_id)})


EVERY = TaskFilter()


async def list_tasks(
    session: AsyncSession, wanted: TaskFilter = EVERY, *, limit: int
) -> list[ListedTask]:
    """List tasks, newest first; what is stuck oldest first: it has waited for longest."""
    # A sum is in no index. By that of ids all old tasks would be walked through, of which few are
    # stuck; those that may be have indexes of their own.
    order = Task.id + 0 if wanted.is_stuck else Task.id.desc()
    query = _listed().order_by(order).limit(limit).where(*_conditions(wanted))
    return await _list(session, query)


async def count_tasks(session: AsyncSession, wanted: TaskFilter) -> int:
    """Count what is flagged or stuck, of which the indexes have little else."""
    query = select(func.count()).select_from(Task).where(*_conditions(wanted))
    return await session.scalar(query) or 0


def _conditions(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    equal: list[tuple[ColumnElement[bool], object]] = [
        (Task.tenant_id == wanted.tenant_id, wanted.tenant_id),
        (Task.token_id == wanted.token_id, wanted.token_id),
        (Task.caller_address == wanted.caller_address, wanted.caller_address),
        (Task.channel_id == wanted.channel_id, wanted.channel_id),
        (Task.endpoint == wanted.endpoint, wanted.endpoint),
        (Task.model == wanted.model, wanted.model),
        (Task.state == wanted.status, wanted.status),
        (Task.quote["wanted"]["mode"].astext == wanted.mode, wanted.mode),
        (Task.fail_message.icontains(wanted.failure or "", autoescape=True), wanted.failure),
        (Task.charged_micros >= (wanted.charged_least_micros or 0), wanted.charged_least_micros),
    ]
    conditions = [condition for condition, value in equal if value is not None]
    if wanted.since is not None:
        conditions.append(Task.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Task.created_at < wanted.until)
    if wanted.before_id is not None:
        conditions.append(Task.id < wanted.before_id)
    if wanted.after_id is not None:
        conditions.append(Task.id > wanted.after_id)
    if wanted.from_id is not None:
        conditions.append(Task.id >= wanted.from_id)
    conditions += [
        condition
        for condition, is_wanted in (
            (Task.hold_ended_at.is_(None), wanted.is_open),
            (Task.refunded_micros > 0, wanted.is_refunded),
            (Task.ended_via == BY_OPERATOR, wanted.is_by_hand),
            (~Token.is_test, wanted.is_real),
        )
        if is_wanted
    ]
    if wanted.is_flagged:
        conditions.append(and_(Task.is_flagged))  # as its index has it: `IS true` reads all tasks
    if wanted.is_stuck:
        is_live = Task.hold_ended_at.is_(None)
        is_old = Task.created_at < func.now() - text(f"interval '{STUCK_AFTER_S} seconds'")
        has_no_verdict = Task.state.in_([TaskState.PENDING, TaskState.UNKNOWN])
        is_late = and_(has_no_verdict, Task.submit_deadline_at < func.now())
        conditions.append(or_(and_(is_live, or_(is_old, is_late)), Task.is_flagged))
    return conditions


async def find_tasks(
    session: AsyncSession, key: str, *, tenant_id: int | None = None
) -> list[ListedTask]:
    """Find tasks by our id, Kling's, either external id, or a request id of ours or Kling's."""
    number = int(key) if key.isascii() and key.isdigit() and len(key) <= len(str(ID_MAX)) else 0
    indexed = or_(
        *([Task.id == number] if 0 < number <= ID_MAX else []),
        Task.kling_id == key,
        Task.public_id == key,
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
    channels = await session.execute(
        select(Channel.id, Channel.name, Channel.base_url, Channel.is_sandbox)
    )
    by_id = {one.id: one for one in channels}
    names = {channel_id: one.name for channel_id, one in by_id.items()}
    channel = by_id[task.channel_id]
    of_task = await read_of_task(session, task_id)
    tried = [names[channel_id] for channel_id in task.channels_tried]
    is_test = (await session.get_one(Token, task.token_id)).is_test
    return Story(
        task=task,
        tenant=tenant.name,
        is_test=is_test,
        channel=channel.name,
        channels_tried=tried,
        sandbox_url=channel.base_url if channel.is_sandbox else None,
        outlook=await read_outlook(session, task, of_task.deliveries, is_test=is_test),
        flags=flag_reasons(of_task.events) if task.is_flagged else [],
        timeline=timeline(
            task,
            first_channel=[*tried, channel.name][0],
            events=of_task.events,
            entries=of_task.entries,
            deliveries=of_task.deliveries,
        ),
    )


async def read_of_task(session: AsyncSession, task_id: TaskId) -> OfTask:
    """Read what was entered, noted and told of one task."""
    return OfTask(
        list(await session.scalars(select(Entry).where(_is_of(task_id)))),
        list(await session.scalars(select(TaskEvent).where(TaskEvent.task_id == task_id))),
        list(await session.scalars(select(Delivery).where(Delivery.task_id == task_id))),
    )


def _is_of(task_id: TaskId) -> ColumnElement[bool]:
    """Spell that an entry is of a task so that both of the indexes of tasks' entries serve it."""
    is_charge = Entry.kind == EntryKind.CHARGE
    return or_(*(and_(Entry.task_id == task_id, one) for one in (is_charge, ~is_charge)))


def _listed() -> Select[*tuple[Any, ...]]:
    listed: Select[*tuple[Any, ...]] = (
        select(
            Task.id,
            Tenant.name.label("tenant"),
            Channel.name.label("channel"),
            Task.endpoint,
            Task.state.label("status"),
            Task.kling_id,
            Task.public_id,
            Task.tenant_external_id,
            Task.model,
            Task.hold_micros,
            case((Task.hold_ended_at.is_(None), Task.hold_micros), else_=0).label("held_micros"),
            func.coalesce(
                cast(Task.quote["quoted_micros"].astext, BigInteger), Task.hold_micros
            ).label("price_micros"),
            Task.charged_micros,
            Task.refunded_micros,
            Task.is_flagged,
            Token.is_test,
            Task.created_at,
            Task.ended_at,
            Task.fail_message,
        )
        .join(Tenant, Tenant.id == Task.tenant_id)
        .join(Channel, Channel.id == Task.channel_id)
        .join(Token, Token.id == Task.token_id)
    )
    return listed


def _of_tenant(query: Select[*tuple[Any, ...]], tenant_id: int | None) -> Select[*tuple[Any, ...]]:
    query = query.order_by(Task.id).limit(100)
    return query if tenant_id is None else query.where(Task.tenant_id == tenant_id)


async def _list(session: AsyncSession, query: Select[*tuple[Any, ...]]) -> list[ListedTask]:
    rows = (await session.execute(query)).mappings()
    return [ListedTask(**row) for row in rows]
