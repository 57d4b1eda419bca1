"""Tasks: the list, one task's story, why it cost what it did, and the operator's word about it."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import channel_names
from relay.console.access import may, may_each
from relay.console.acting import attempt, is_sure, rehearse
from relay.console.gate import ROOT
from relay.console.lists import ID_MAX, RowList
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of
from relay.console.reasons import REASONS_OF, read_reason
from relay.console.story import read_told
from relay.database.ids import TaskId
from relay.desk.actor import Actor
from relay.desk.errors import DoneBefore, NoSuch
from relay.desk.find import channel_named, tenant_named
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
from relay.html.days import read_day
from relay.html.downloads import hand_out
from relay.html.following import changes
from relay.html.form import Form, read_form
from relay.pages.rows import Read
from relay.pages.streams import until_stopping
from relay.tasks.inspect import ListedTask, TaskFilter, find_tasks
from relay.tasks.recent import read_newest
from relay.tasks.tables import TaskState
from relay.tasks.walk import Walked, walk_tasks

OPEN = "open"
"""A state of the filter's own: all that are not over."""
HERE = f"{ROOT}/tasks"
MORE = frozenset(
    (
        *("endpoint", "model", "mode", "failure", "charged", "token", "address"),
        *("refunded", "by_hand", "real"),
    )
)
"""Fields of the filter that are not shown at once."""

Do = Callable[[AsyncSession, Actor, TaskId, Form], Awaitable[object]]
MAY_EACH = may_each(lambda act: f"task.{act}" if act in ACTS else None)


class Tasks(Controller):
    path = HERE
    guards = (may("task.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List tasks by any filter, which stands in the address."""
        async with page.reading() as session:
            channels = await channel_names(session)
            found = await TASKS.page(page, session)
        return await page.render(
            "tasks/list.html",
            form=found.form,
            tasks=found.rows,
            next_cursor=found.next_cursor,
            channels=channels,
            states=[state.value for state in TaskState],
            more=any(found.form.values.get(name) for name in MORE),
            endpoints=[one.name for one in page.office.catalogue.endpoints],
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await TASKS.file(page, file_form, back=HERE)

    @get("/find")
    async def find(self, page: NamedDependency[Page], any_id: FromQuery[str] = "") -> Response[Any]:
        """Lead to the task with an id: ours, Kling's, the tenant's own, or of a request."""
        key = page.request.query_params.get("id", any_id).strip()
        async with page.reading() as session:
            found = await find_tasks(session, key) if key else []
        if len(found) == 1:
            return page.go(f"{HERE}/{found[0].id}")
        return await page.render("tasks/found.html", key=key, tasks=found)

    @get("/events")
    async def follow(self, page: NamedDependency[Page], request: Asked) -> ServerSentEvent:
        """Say that something is new, for as long as somebody looks; the page then asks for it."""
        scope: Any = request.scope

        async def look() -> object:
            async with page.reading() as session:
                return await read_newest(session)

        return ServerSentEvent(until_stopping(changes(look, page.is_still_in), scope["stopping"]))

    @get("/{task_id:int}")
    async def show(self, page: NamedDependency[Page], task_id: FromPath[int]) -> Response[Any]:
        """Tell one task's story."""
        return await _show(page, task_id)

    @get("/{task_id:int}/raw")
    async def show_raw(self, page: NamedDependency[Page], task_id: FromPath[int]) -> Response[Any]:
        """Show what Kling said and we told, in its bytes."""
        async with page.reading() as session:
            told = await read_told(session, page, TaskId(task_id))
        return await page.render("tasks/raw.html", told=told)

    @get("/{task_id:int}/files/{number:int}")
    async def hand_out(
        self, page: NamedDependency[Page], task_id: FromPath[int], number: FromPath[int]
    ) -> Response[Any]:
        """Hand out a file of its result, the first one being 1."""
        async with page.reading() as session:
            told = await read_told(session, page, TaskId(task_id))
        result = told.results[number - 1] if 1 <= number <= len(told.results) else None
        if result is None or not result.is_known:
            raise NotFoundException
        return await hand_out(
            *(page, page.office.passing, result),
            sandbox_url=told.story.sandbox_url,
            whose=f"operator {page.visitor.name}",
            stem=f"{task_id}-{number}",
        )

    @get("/{task_id:int}/{act:str}", guards=[MAY_EACH])
    async def ask(
        self, page: NamedDependency[Page], task_id: FromPath[int], act: FromPath[str]
    ) -> Response[Any]:
        """Ask for the reason of an act, and say what it does to whose money."""
        return await _ask(page, task_id, act, Form(page.say))

    @post("/{task_id:int}/{act:str}", guards=[MAY_EACH])
    async def do(
        self,
        page: NamedDependency[Page],
        request: Asked,
        task_id: FromPath[int],
        act: FromPath[str],
    ) -> Response[Any]:
        """Do it, with its reason."""
        if act not in ACTS:
            raise NoSuch("page", act)
        form = await read_form(request, page.say)
        read_reason(form, act)
        amount_micros = form.amount("amount", must=True) if act == "refund" else None

        async def work(session: AsyncSession) -> object:
            return await ACTS[act](session, page.actor_by(form), TaskId(task_id), form)

        try:
            if form.is_right and amount_micros is not None and not is_sure(form, amount_micros):
                _, status = await rehearse(page, form, work)
                return await _ask(page, task_id, act, form, status=status)
            _, status = await attempt(page, form, work)
        except DoneBefore:
            return page.go(f"{HERE}/{task_id}", said="done-before")
        if form.is_right:
            return page.go(f"{HERE}/{task_id}", said="done")
        return await _ask(page, task_id, act, form, status=status)


async def _show(page: Page, task_id: int) -> Response[Any]:
    async with page.reading() as session:
        told = await read_told(session, page, TaskId(task_id))
    return await page.render("tasks/one.html", told=told)


async def _ask(
    page: Page, task_id: int, act: str, form: Form, *, status: int = 200
) -> Response[Any]:
    if act not in ACTS:
        raise NoSuch("page", act)
    async with page.reading() as session:
        told = await read_told(session, page, TaskId(task_id))
    return await page.render(
        "tasks/act.html",
        status=status,
        told=told,
        act=act,
        form=form,
        amount_micros=form.amount("amount") if form.is_right else None,
        reasons=REASONS_OF[act],
    )


async def _settle(session: AsyncSession, actor: Actor, task_id: TaskId, form: Form) -> object:
    tell = form.text("tell") or TOLD_OF_SETTLED
    return await settle(session, actor, task_id, reason=read_reason(form, "settle"), tell=tell)


async def _release(session: AsyncSession, actor: Actor, task_id: TaskId, form: Form) -> object:
    tell = form.text("tell") or TOLD_OF_RELEASED
    return await release(session, actor, task_id, reason=read_reason(form, "release"), tell=tell)


async def _refund(session: AsyncSession, actor: Actor, task_id: TaskId, form: Form) -> object:
    amount_micros = form.amount("amount", must=True)
    return await refund(
        session, actor, task_id, reason=read_reason(form, "refund"), amount_micros=amount_micros
    )


async def _cancel(session: AsyncSession, actor: Actor, task_id: TaskId, form: Form) -> object:
    return await cancel(session, actor, task_id, reason=read_reason(form, "cancel"))


async def _unflag(session: AsyncSession, actor: Actor, task_id: TaskId, form: Form) -> object:
    await unflag(session, actor, task_id, reason=read_reason(form, "unflag"))
    return None


async def _look(session: AsyncSession, actor: Actor, task_id: TaskId, form: Form) -> object:
    await look_now(session, actor, task_id, reason=read_reason(form, "look"))
    return None


ACTS: dict[str, Do] = {
    "settle": _settle,
    "release": _release,
    "refund": _refund,
    "cancel": _cancel,
    "unflag": _unflag,
    "look": _look,
}


async def _read_of(session: AsyncSession, page: Page, form: Form) -> Read[ListedTask]:
    """Read what a list is asked for; what cannot be is told beside its field."""
    tenant, channel = form.text("tenant"), form.text("channel")
    token = form.whole("token", most=ID_MAX)
    tenant_id = channel_id = None
    try:
        if tenant is not None:
            tenant_id = (await tenant_named(session, tenant)).id
    except NoSuch as error:
        form.errors["tenant"] = sentence_of(error, page)
    try:
        if channel is not None:
            channel_id = (await channel_named(session, channel)).id
    except NoSuch as error:
        form.errors["channel"] = sentence_of(error, page)
    since = read_day(form, "since", page.office.settings.zone)
    until = read_day(form, "until", page.office.settings.zone, is_end=True)
    state = form.choice("state", {OPEN, *TaskState})
    wanted = TaskFilter(
        tenant_id=tenant_id,
        token_id=token,
        caller_address=form.text("address"),
        channel_id=channel_id,
        endpoint=form.text("endpoint"),
        model=form.text("model"),
        mode=form.text("mode"),
        status=None if state == OPEN else state,
        is_open=state == OPEN,
        failure=form.text("failure"),
        charged_least_micros=form.amount("charged"),
        is_refunded=form.is_checked("refunded"),
        is_by_hand=form.is_checked("by_hand"),
        is_real=form.is_checked("real"),
        since=since,
        until=until,
        is_flagged=form.is_checked("flagged"),
        is_stuck=form.is_checked("stuck"),
    )

    async def read(session: AsyncSession, last_id: int | None, most: int) -> Walked:
        return await walk_tasks(session, wanted.behind(last_id), limit=most)

    return read


TASKS = RowList(_read_of, ListedTask, name="tasks", title=lambda page: page.say("Tasks"))
