"""`/api/kling/ai-task/…`: how one is, stopping it, and going on with one that failed."""

import time
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from relay.desk.actor import Actor, ActorKind
from relay.errors import InvalidParameter, RunNotFound
from relay.html.words import say, translations
from relay.runs.find import find_run
from relay.runs.read import COUNTED_MAX, RunFilter
from relay.runs.stop import cancel_run, retry_run
from relay.runs.tables import ENDED_RUNS, RunState, StepState
from relay.studio.behind import Visit
from relay.studio.creates import PREFIX
from relay.studio.shown import AiTask, show

PAGE_MAX, SIZE_MAX = 1000, 100
Status = Annotated[str | None, QueryParameter(description=f"One of {', '.join(RunState)}.")]
Page = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
Size = Annotated[int, QueryParameter(ge=1, le=SIZE_MAX)]
STOPPED = say("It is cancelled.")
HAD_ENDED = say("It had ended; nothing was changed.")
NO_NEW_STEP = say(
    "No new step begins. Kling has no way to stop what it is making: that is finished, and charged"
    " if it succeeds."
)
AT_KLING = say(
    "Kling is making it, and has no way to stop: it is finished, and charged if it succeeds."
)


class AiTasks(msgspec.Struct, frozen=True):
    """A page of them, newest first."""

    success: bool
    tasks: list[AiTask]
    page: int
    page_size: int
    total: int
    """How many there are; more than 10,000 are told as 10,000."""
    next_before: str | None
    """What to ask for as `before` to go on behind these; null is the end."""


class Cancelled(msgspec.Struct, frozen=True):
    """What became of a wish to stop."""

    success: bool
    """Whether anything is stopped by it."""
    task_id: str
    status: str
    message: str


class AiTaskPaths(Controller):
    """Tasks of the studio's."""

    path = PREFIX
    tags = ("tasks",)

    @get("/ai-task/{task_id:str}")
    async def show_one(self, request: Request[Any, Any, Any], task_id: FromPath[str]) -> AiTask:
        """How a task is: its state, how far it is, and what it made."""
        visit: Visit = request.scope["user"]
        return await read_one(visit, task_id)

    @get("/ai-tasks")
    async def list_them(
        self,
        request: Request[Any, Any, Any],
        *,
        status: Status = None,
        task_type: FromQuery[str | None] = None,
        batch: FromQuery[UUID | None] = None,
        page: Page = 1,
        page_size: Size = 20,
        before: FromQuery[str | None] = None,
    ) -> AiTasks:
        """The tasks of the caller's tenant, newest first. `before`: older than the one of this id.

        `batch`: those of one batch alone.

        By `before` nothing is told twice, and nothing left out, when new ones come meanwhile.
        """
        visit: Visit = request.scope["user"]
        before_id = None if before is None else await _find_before(visit, before)
        kind = None if task_type is None else task_type.replace("-", "_")  # as in their paths
        wanted = RunFilter(visit.caller.tenant_id, _state_of(status), kind, before_id, batch)
        seen, total = await visit.behind.runs.runs.page(
            wanted, limit=page_size, offset=(page - 1) * page_size
        )
        tasks = [await _shown(visit, one) for one in seen]
        return AiTasks(
            success=True,
            tasks=tasks,
            page=page,
            page_size=page_size,
            total=min(total, COUNTED_MAX),
            next_before=tasks[-1].task_id if len(tasks) == page_size else None,
        )

    @post("/ai-task/{task_id:str}/cancel", status_code=200)
    async def cancel(self, request: Request[Any, Any, Any], task_id: FromPath[str]) -> Cancelled:
        """Stop what has not begun. Kling cannot be told to stop: what it has, it ends."""
        visit: Visit = request.scope["user"]
        async with visit.behind.sessions.begin() as session:
            run_id = await find_run(session, task_id, tenant_id=visit.caller.tenant_id)
            if run_id is None:
                raise RunNotFound
            moving = await cancel_run(session, run_id, actor=actor_of(visit))
            run, steps = moving.run, moving.steps
            is_at_kling = any(step.state == StepState.SENT for step in steps)
            is_stopped = any(step.state == StepState.SKIPPED for step in steps)
            status = RunState(run.state)
        if status in ENDED_RUNS:
            message = STOPPED if is_stopped else HAD_ENDED
        else:
            message = NO_NEW_STEP if is_at_kling and is_stopped else AT_KLING
        told = translations(visit.language).gettext(message)
        return Cancelled(is_stopped, str(run.public_id), status.value, told)

    @post("/ai-task/{task_id:str}/retry", status_code=200)
    async def retry(self, request: Request[Any, Any, Any], task_id: FromPath[str]) -> AiTask:
        """Do once more what failed of a task; what it made before is kept."""
        visit: Visit = request.scope["user"]
        seen = await visit.behind.runs.runs.find(task_id, tenant_id=visit.caller.tenant_id)
        if seen is not None and seen.no_retry is not None:
            raise InvalidParameter("task_id", seen.no_retry)
        async with visit.behind.sessions.begin() as session:
            run_id = await find_run(session, task_id, tenant_id=visit.caller.tenant_id)
            if run_id is None:
                raise RunNotFound
            caller = visit.caller
            moving = await retry_run(
                session, run_id, token_id=caller.token_id, address=visit.address or None
            )
            if moving.run.ended_at is not None:
                raise InvalidParameter(
                    "task_id", "it did not fail, or what it was asked for is forgotten"
                )
        return await read_one(visit, task_id)


async def read_one(visit: Visit, task_id: str) -> AiTask:
    """Read a task as its tenant sees it now.

    Raises:
        RunNotFound
    """
    seen = await visit.behind.runs.runs.find(task_id, tenant_id=visit.caller.tenant_id)
    if seen is None:
        raise RunNotFound
    return await _shown(visit, seen)


def _state_of(status: str | None) -> RunState | None:
    """Read a state.

    Raises:
        InvalidParameter: there is none of that name.
    """
    if status is None or status in set(RunState):
        return None if status is None else RunState(status)
    raise InvalidParameter("status", f"must be one of {', '.join(RunState)}")


async def _find_before(visit: Visit, task_id: str) -> int:
    async with visit.behind.sessions() as session:
        run_id = await find_run(session, task_id, tenant_id=visit.caller.tenant_id)
    if run_id is None:
        raise InvalidParameter("before", "must be the id of a task")
    return run_id


async def _shown(visit: Visit, seen: Any) -> AiTask:
    return await show(
        seen, visit.behind.urls, visit.caller, language=visit.language, now_s=time.time()
    )


def actor_of(visit: Visit) -> str:
    """Say who acts, as the history of tasks has it."""
    origin = f"api, token {visit.caller.token_id}"
    return str(Actor(ActorKind.TENANT, visit.caller.tenant, origin=origin))
