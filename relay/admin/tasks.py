"""Tasks: what became of them, and the operator's word about their money."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import (
    MICROS_MAX,
    Cursor,
    Limit,
    PathAnyId,
    PathId,
    QueryId,
    Words,
    read_cursor,
    refuse_naive,
)
from relay.admin.lists import Listing, answer_list
from relay.admin.routes import acts, reads
from relay.database.ids import TaskId
from relay.desk.actor import Actor
from relay.desk.errors import NoSuch, NotPossible
from relay.desk.find import channel_named, tenant_named
from relay.desk.office import Office
from relay.desk.tasks import (
    TOLD_OF_RELEASED,
    TOLD_OF_SETTLED,
    cancel,
    look_now,
    refund,
    release,
    settle,
    unflag,
)
from relay.tasks.inspect import ListedTask, TaskFilter, find_tasks, read_story
from relay.tasks.outlook import Outlook
from relay.tasks.tables import TaskState
from relay.tasks.walk import walk_tasks


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Words
    """For operators; the tenant never reads it."""
    tell: Words | None = None
    """What the tenant reads as the task's message; null is a neutral sentence."""


class Refund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Words
    amount_micros: int | None = None
    """So much of the charge; null is all that is left."""


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Words


class WithoutMoney(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Words | None = None


class Operated(msgspec.Struct, frozen=True):
    task: ListedTask
    amount_micros: int
    """That was charged, released or refunded."""


class TaskPage(msgspec.Struct, frozen=True):
    """Newest first. A filter looks at the newest for a while: a page may be short, and go on."""

    tasks: list[ListedTask]
    next_cursor: str | None


class Happened(msgspec.Struct, frozen=True):
    at: datetime
    what: str
    detail: str
    actor: str


class TaskStory(msgspec.Struct, frozen=True):
    task: ListedTask
    outlook: Outlook
    """What it waits for."""
    flags: list[Happened]
    channels_tried: list[str]
    timeline: list[Happened]


class Tasks(Controller):
    path = "/admin/v1/tasks"
    tags = ("Tasks",)

    @get(**reads("task.read", 404, streams=True))
    async def list_tasks(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        token: QueryId = None,
        address: FromQuery[str | None] = None,
        channel: FromQuery[str | None] = None,
        endpoint: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        mode: FromQuery[str | None] = None,
        wanted_state: Annotated[TaskState | None, QueryParameter(name="state")] = None,
        is_open: Annotated[bool, QueryParameter(name="open")] = False,
        failure: FromQuery[str | None] = None,
        charged_least_micros: Annotated[int | None, QueryParameter(ge=0, le=MICROS_MAX)] = None,
        refunded: FromQuery[bool] = False,
        by_hand: FromQuery[bool] = False,
        real: FromQuery[bool] = False,
        flagged: FromQuery[bool] = False,
        stuck: FromQuery[bool] = False,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[TaskPage]:
        """List tasks, newest first; `until`: the first moment that is too late.

        `mode`: as it was priced. `open`: not over. `failure`: what stands anywhere in what was said
        of its failure. `refunded`: in part, or wholly. `by_hand`: ended by an operator. `real`:
        made with no key for tests. `stuck`: what needs somebody to look, the oldest first.
        """
        refuse_naive(since=since, until=until)
        async with office.reading() as session:
            wanted = TaskFilter(
                tenant_id=None if tenant is None else (await tenant_named(session, tenant)).id,
                token_id=token,
                caller_address=address,
                channel_id=None if channel is None else (await channel_named(session, channel)).id,
                endpoint=endpoint,
                model=model,
                mode=mode,
                status=None if wanted_state is None else wanted_state.value,
                failure=failure,
                charged_least_micros=charged_least_micros,
                since=since,
                until=until,
                is_open=is_open,
                is_refunded=refunded,
                is_by_hand=by_hand,
                is_real=real,
                is_flagged=flagged,
                is_stuck=stuck,
            )

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedTask], int | None]:
            return await walk_tasks(session, wanted.behind(before_id), limit=most)

        return await answer_list(
            *(office, listing, read, ListedTask),
            page=TaskPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/{any_id:str}", **reads("task.read", 404, 409))
    async def show(
        self,
        office: NamedDependency[Office],
        any_id: PathAnyId,
        *,
        tenant: FromQuery[str | None] = None,
    ) -> TaskStory:
        """Show a task by any id of it: what it waits for, and all that happened.

        Ours, Kling's, the tenant's own, or that of a request.
        """
        async with office.reading() as session:
            whose = None if tenant is None else (await tenant_named(session, tenant)).id
            found = await find_tasks(session, any_id, tenant_id=whose)
            if len(found) != 1:
                if found:
                    why = f"{len(found)} tasks have it: name one by our id, or say whose it is"
                    raise NotPossible("task", any_id, why)
                raise NoSuch("task", any_id)
            story = await read_story(session, found[0].id)
        flags, timeline = (
            [Happened(one.at, one.what, one.detail, one.actor) for one in happened]
            for happened in (story.flags, story.timeline)
        )
        return TaskStory(found[0], story.outlook, flags, story.channels_tried, timeline)

    @post("/{task_id:int}/settle", **acts("task.settle", 404))
    async def settle(
        self, desk: NamedDependency[AtDesk], task_id: PathId, data: JSONBody[Operation]
    ) -> Response[Operated]:
        """Count a task as a success and charge what is held for it."""
        tell = data.tell or TOLD_OF_SETTLED
        return await _operate(desk, task_id, partial(settle, reason=data.reason, tell=tell))

    @post("/{task_id:int}/release", **acts("task.release", 404))
    async def release(
        self, desk: NamedDependency[AtDesk], task_id: PathId, data: JSONBody[Operation]
    ) -> Response[Operated]:
        """Give back what is held for a live task; should Kling still deliver it, it is charged."""
        tell = data.tell or TOLD_OF_RELEASED
        return await _operate(desk, task_id, partial(release, reason=data.reason, tell=tell))

    @post("/{task_id:int}/refund", **acts("task.refund", 404))
    async def refund(
        self, desk: NamedDependency[AtDesk], task_id: PathId, data: JSONBody[Refund]
    ) -> Response[Operated]:
        """Give a success's charge back, or a part of it; the task stays a success."""
        do = partial(refund, reason=data.reason, amount_micros=data.amount_micros)
        return await _operate(desk, task_id, do)

    @post("/{task_id:int}/cancel", **acts("task.cancel", 404))
    async def cancel(
        self, desk: NamedDependency[AtDesk], task_id: PathId, data: JSONBody[Cancel]
    ) -> Response[Operated]:
        """End a create that waits for room, and give its hold back; Kling never had it."""
        return await _operate(desk, task_id, partial(cancel, reason=data.reason))

    @post("/{task_id:int}/unflag", **acts("task.unflag", 404))
    async def unflag(
        self, desk: NamedDependency[AtDesk], task_id: PathId, data: JSONBody[WithoutMoney]
    ) -> Response[Operated]:
        """Take the flag off a task that you have read about."""
        return await _operate(desk, task_id, partial(unflag, reason=data.reason))

    @post("/{task_id:int}/look", **acts("task.look", 404))
    async def look(
        self, desk: NamedDependency[AtDesk], task_id: PathId, data: JSONBody[WithoutMoney]
    ) -> Response[Operated]:
        """Have a worker ask Kling about a task at once, and not when that is due."""
        return await _operate(desk, task_id, partial(look_now, reason=data.reason))


async def _operate(
    desk: AtDesk,
    task_id: int,
    do: Callable[[AsyncSession, Actor, TaskId], Awaitable[int | None]],
) -> Response[Operated]:
    """Do an act on one task, and answer what it came to with the task as it is then."""

    async def work(session: AsyncSession, actor: Actor) -> Operated:
        amount_micros = await do(session, actor, TaskId(task_id))
        found = await find_tasks(session, str(task_id))
        task = next(task for task in found if task.id == task_id)
        return Operated(task, amount_micros or 0)

    return await desk.act(work, status=201)
