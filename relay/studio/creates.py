"""`POST /api/kling/{what}`: each capability's path, made of its row."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import structlog
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from relay.database.faults import log_failure
from relay.errors import InvalidParameter, RelayError
from relay.kling.codes import Code
from relay.kling.lint.judge import check
from relay.kling.wire import Fields
from relay.proxy.body import ReadBody, watch
from relay.proxy.outcomes import SERVER_ERROR
from relay.proxy.own_headers import KEY_HEADER
from relay.runs.plan import FROM, Plan, PlannedStep, has_hole, with_samples
from relay.runs.reuse import REUSE
from relay.runs.tables import Run, RunState
from relay.runs.wish import Wish
from relay.studio.behind import Visit
from relay.studio.capabilities import CAPABILITIES, Capability
from relay.studio.capabilities.capability import Body
from relay.studio.refusals import Refusal
from relay.tasks.retries import Client

log = structlog.get_logger()

PREFIX = "/api/kling"
SOURCE = "api"
_fields = msgspec.json.Decoder(Fields)


class CreateAnswer(msgspec.Struct, frozen=True):
    """What a create is answered."""

    success: bool
    task_id: UUID
    status: str
    notes: list[str]
    """What of the request was taken, and does nothing."""
    is_reused: bool = False
    """Nothing is made: it has the results of a task before, at no charge (`reuse_days`)."""


class Asked(msgspec.Struct, frozen=True):
    """What a body asks for, read and checked."""

    plan: Plan
    shown: dict[str, Any]
    """What is remembered of the body."""
    notes: list[str] = []
    """What of it was taken, and does nothing."""
    cap_micros: int | None = None
    """What it may cost at the most; None is what it is quoted."""
    files: dict[str, str] = {}
    """Each that it names by its id, with the field that does."""


def creates() -> list[HTTPRouteHandler]:
    """Make the handlers of all capabilities."""
    return [_handler(capability) for capability in CAPABILITIES]


def _handler(capability: Capability) -> HTTPRouteHandler:
    async def create(data: Any, request: Request[Any, Any, Any]) -> Response[Any]:
        visit: Visit = request.scope["user"]
        async with ask(visit, capability, data) as asked:
            return await start(visit, asked, client=client_of(request))

    body: Any = capability.body
    create.__annotations__["data"] = JSONBody[body]  # type: ignore[misc]
    create.__doc__ = capability.summary
    name = capability.name
    create.__name__ = name
    return post(
        f"{PREFIX}/{capability.path}",
        operation_id=name,
        summary=capability.summary,
        status_code=200,
        tags=["create"],
    )(create)


@asynccontextmanager
async def ask(visit: Visit, capability: Capability, body: Body) -> AsyncIterator[Asked]:
    """Plan what a create asks for, with its files where Kling finds them.

    What is kept of one that is refused within is kept no more.

    Raises:
        RelayError: it cannot be made.
    """
    async with visit.behind.files.put(visit.caller.tenant_id, capability, body) as put:
        refuse_holes(put.shown)
        steps = capability.steps(body, visit.behind.rules)
        check_steps(visit, steps)
        notes = [
            f"{name} has no effect: Kling has nothing of the kind"
            for name in capability.without_effect
            if put.shown.get(name) not in (None, "")
        ]
        plan = Plan(capability.name, tuple(steps))
        yield Asked(plan, put.shown, notes, files=put.named)


def check_steps(visit: Visit, steps: Iterable[PlannedStep]) -> None:
    """Refuse what Kling would refuse, before anything is held.

    Raises:
        InvalidParameter: by Kling's name of the field, which is what a step is told in.
    """
    for step in steps:
        fields = _fields.decode(msgspec.json.encode(with_samples(step.body)))
        check(visit.behind.catalogue.of(step.endpoint), fields, step.model)


def refuse_holes(asked: dict[str, Any]) -> None:
    """Refuse what would be read as a hole of ours, and is a tenant's.

    Raises:
        InvalidParameter
    """
    if has_hole(asked):
        raise InvalidParameter(FROM, "is no field of anything")


def client_of(request: Request[Any, Any, Any]) -> Client[int]:
    """Tell who awaits what a create comes to; should it go before, what it sends again joins."""
    visit: Visit = request.scope["user"]
    read: ReadBody = request.scope["body"]  # type: ignore[typeddict-item]
    client = Client(
        visit.behind.runs.beginner.retries,
        request_id=visit.request_id,
        path=request.scope["path"],
        body=read.content,
        key=request.headers.get(KEY_HEADER) or None,
    )
    watch(request.scope, client.hang_up)
    return client


async def start(visit: Visit, asked: Asked, *, client: Client[int]) -> Response[Any]:
    """Begin a run, send its first step, and say so; or what Kling said to that.

    Raises:
        RelayError: nothing was written.
    """
    try:
        run = await _begin(visit, wish_of(visit, asked, key=client.key), client)
    except BaseException as error:
        if not isinstance(error, RelayError) or error.http_status >= SERVER_ERROR:
            await client.give_up()
        raise
    if run.state == RunState.FAILED:
        code = Code(run.error_code) if run.error_code in set(Code) else Code.INTERNAL_ERROR
        refusal = Refusal(
            int(code), run.error_message or "", visit.request_id, task_id=str(run.public_id)
        )
        return Response(refusal, status_code=code.http_status)
    status = RunState.PENDING if run.ended_at is None else RunState(run.state)
    return Response(
        CreateAnswer(
            success=True,
            task_id=run.public_id,
            status=status.value,
            notes=[*asked.notes, *notes_of_reuse(visit, asked)],
            is_reused=run.reused_from is not None,
        )
    )


def wish_of(
    visit: Visit, asked: Asked, *, key: str | None, batch: tuple[UUID, int] | None = None
) -> Wish:
    """Say what is asked for as runs have it."""
    return Wish(
        asked.plan,
        SOURCE,
        asked.shown,
        request_id=visit.request_id,
        address=visit.address,
        key=key,
        cap_micros=asked.cap_micros,
        batch=batch,
        files=asked.files,
    )


def notes_of_reuse(visit: Visit, asked: Asked) -> list[str]:
    """Say so where nothing can be given again to who asks for that."""
    reuse = visit.behind.runs.beginner.reuse
    if not asked.shown.get(REUSE) or reuse.is_for(visit.caller):
        return []
    return [f"{REUSE} has no effect: of your results none is kept to be given again"]


async def _begin(visit: Visit, wish: Wish, client: Client[int]) -> Run:
    """Begin a run, and send its first step; returns it as it stands then.

    Raises:
        RelayError: nothing was written.
    """
    behind = visit.behind
    begun = await behind.runs.beginner.begin(visit.caller, wish, client=client)
    if begun.due is not None:
        try:
            await asyncio.shield(behind.runs.runner.advance(begun.due))
        except Exception as error:  # noqa: BLE001 (told in the log)
            # It is written, and goes on when its lease ends: who heard 5xx would ask again.
            log_failure(log, "run.not_advanced", error, id=begun.id)
    async with behind.sessions() as session:
        return await session.get_one(Run, begun.id)
