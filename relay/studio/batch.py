"""`POST /api/kling/batch`: up to five hundred creates in one request, each answered by itself."""

import asyncio
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType

from relay.errors import RunNotFound
from relay.html.words import say, translations
from relay.money import decimal_of
from relay.proxy.own_headers import KEY_HEADER
from relay.runs.batches import ITEMS_MAX
from relay.runs.tables import ENDED_RUNS, RunState
from relay.runs.wish import own_micros
from relay.studio.ai_tasks import actor_of
from relay.studio.batch_items import ItemAnswer, Writing, read_key
from relay.studio.behind import Visit
from relay.studio.creates import PREFIX
from relay.studio.priced import read_cap

log = structlog.get_logger()

CANCELLED = say(
    "Nothing new of it begins. Kling has no way to stop what it is making: that is finished, and"
    " charged if it succeeds."
)
_NOT_FOUND = "Batch not found"


class BatchBody(msgspec.Struct, kw_only=True):
    """What is asked for."""

    items: Annotated[list[Any], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
    """Each a body of its own path's, with `task_type` (`text_to_video`, the name of a workflow, or
    `variants`) and, if it likes, an `idempotency_key` beside its fields."""
    cap: str | int | float | None = None
    """What all of them may cost at the most: what would be more is refused in its place."""


class BatchAnswer(msgspec.Struct, frozen=True):
    """What a batch is answered."""

    success: bool
    """Whether any of it was taken."""
    batch_id: UUID
    taken: int
    refused: int
    items: list[ItemAnswer]
    """One for each, in the order in which they came."""
    request_id: str


class BatchSeen(msgspec.Struct, frozen=True):
    """How a batch is; `ai-tasks?batch=` lists its tasks."""

    success: bool
    batch_id: UUID
    items: int
    """How many were asked for; those that were refused are no tasks, and are not counted below."""
    tasks: int
    pending: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    is_over: bool
    """Whether each of its tasks has ended."""
    quote: str | None
    """What its tasks may cost, in the relay's currency; null to a key of scope `call` for what
    another key asked for."""
    created_at: datetime
    message: str | UnsetType = UNSET
    """What became of a wish to stop it."""


class Batches(Controller):
    """Many creates at once."""

    path = f"{PREFIX}/batch"
    tags = ("batch",)

    @post(status_code=200)
    async def make(
        self, request: Request[Any, Any, Any], data: JSONBody[BatchBody]
    ) -> Response[BatchAnswer]:
        """Take many creates, and say of each what its own path would have said.

        None is sent by the request itself: they wait, and are made beside everybody else's. With an
        `Idempotency-Key`, who sends it again hears of the same tasks; what was refused before is
        asked for anew.
        """
        visit: Visit = request.scope["user"]
        cap_micros = read_cap(data.cap)
        batch = await visit.behind.runs.batches.open(
            visit.caller,
            key=read_key(KEY_HEADER, request.headers.get(KEY_HEADER)),
            # In a thread: a hundred megabytes take a quarter of a second.
            fingerprint=await asyncio.to_thread(_fingerprint, data),
            items=len(data.items),
        )
        writing = Writing(visit, batch, cap_micros)
        for place, given in enumerate(data.items):
            data.items[place] = None  # its files are as large as all of them together otherwise
            await writing.take(place, given)
        answers = await writing.end()
        taken = sum(answer.success for answer in answers)
        log.info("batch.taken", id=str(batch.id), items=len(answers), taken=taken)
        return Response(
            BatchAnswer(
                success=taken > 0,
                batch_id=batch.id,
                taken=taken,
                refused=len(answers) - taken,
                items=answers,
                request_id=visit.request_id,
            )
        )

    @get("/{batch_id:str}")
    async def show(self, request: Request[Any, Any, Any], batch_id: FromPath[str]) -> BatchSeen:
        """How a batch is: how many of its tasks stand where."""
        return await _read(request.scope["user"], batch_id)

    @post("/{batch_id:str}/cancel", status_code=200)
    async def cancel(self, request: Request[Any, Any, Any], batch_id: FromPath[str]) -> BatchSeen:
        """Begin nothing new of a batch. Kling cannot be told to stop: what it has, it ends."""
        visit: Visit = request.scope["user"]
        await visit.behind.runs.batches.cancel(
            _id_of(batch_id), tenant_id=visit.caller.tenant_id, actor=actor_of(visit)
        )
        told = translations(visit.language).gettext(CANCELLED)
        return await _read(visit, batch_id, message=told)


def _id_of(text: str) -> UUID:
    """Read the id of a batch.

    Raises:
        RunNotFound
    """
    try:
        return UUID(text)
    except ValueError:
        raise RunNotFound(_NOT_FOUND) from None


async def _read(visit: Visit, batch_id: str, *, message: str | UnsetType = UNSET) -> BatchSeen:
    """Read a batch as its tenant sees it now.

    Raises:
        RunNotFound
    """
    seen = await visit.behind.runs.batches.find(_id_of(batch_id), tenant_id=visit.caller.tenant_id)
    if seen is None:
        raise RunNotFound(_NOT_FOUND)
    caller = visit.caller
    sees_money = caller.scope.sees_all or seen.token_id == caller.token_id
    return BatchSeen(
        success=True,
        batch_id=seen.id,
        items=seen.items,
        tasks=sum(seen.states.values()),
        **{state.value: seen.states.get(state, 0) for state in RunState},
        is_over=all(state in ENDED_RUNS for state in seen.states),
        quote=decimal_of(own_micros(caller, seen.quote_micros)) if sees_money else None,
        created_at=seen.created_at,
        message=message,
    )


def _fingerprint(data: BatchBody) -> bytes:
    digest = blake2b(msgspec.json.encode(data.cap), digest_size=32)
    for item in data.items:  # one by one: their files are as long as the body
        digest.update(msgspec.json.encode(item, order="deterministic"))
    return digest.digest()
