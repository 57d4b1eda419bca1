"""`GET /api/kling/…/events`: what happens to tasks of the studio's, as server-sent events.

    retry: 2000
    id: 8271.0.1795830000        from where to go on (`Last-Event-ID`)

    id: 8273.991.1795830004
    event: progress
    data: {"task_id":"…","status":"processing","stage":"submitted","progress":5,…}

A message with an id is a move, told once to who comes back with the last id that it has; one
without is the state at the start, or another percent. `reset` says that moves may be missing, since
the id is too old or none of ours; `over` that the key is let in no more. A stream of one task ends
with it, and who comes back for more is answered 204, by which a browser knows not to ask again.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get
from litestar.params import FromPath, FromQuery, HeaderParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from litestar.status_codes import HTTP_204_NO_CONTENT

from relay.errors import BadRequest, RelayError, RunNotFound
from relay.pages.streams import until_stopping
from relay.runs.feed import Following, Told, TooSlow
from relay.runs.find import find_run
from relay.runs.followed import Place
from relay.studio.behind import Behind, Visit
from relay.studio.creates import PREFIX
from relay.studio.shown import progress_of_run

HEARTBEAT_S, LOOK_AGAIN_S = 15.0, 5.0
"""How long nothing is said at the most; how often the key is looked at again."""
RETRY_MS = 2000
PROGRESS, RESET, OVER = "progress", "reset", "over"
FORGOTTEN = "what happened since that id may be forgotten: this begins with how tasks are now"
LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]


class EventPaths(Controller):
    """Streams of events."""

    path = PREFIX
    tags = ("events",)

    @get("/events", media_type="text/event-stream")
    async def follow_all(
        self,
        request: Request[Any, Any, Any],
        last_id: LastEventId = None,
        last_event_id: FromQuery[str | None] = None,
    ) -> Response[Any]:
        """Server-sent events of all tasks of the caller's tenant; first how the open ones are."""
        visit: Visit = request.scope["user"]
        following = await follow(visit)
        since = await read_place(visit.behind, last_id or last_event_id)
        return _stream(visit, Stream(following, since))

    @get("/ai-task/{task_id:str}/events", media_type="text/event-stream")
    async def follow_one(
        self,
        request: Request[Any, Any, Any],
        task_id: FromPath[str],
        last_id: LastEventId = None,
        last_event_id: FromQuery[str | None] = None,
    ) -> Response[Any]:
        """Server-sent events of one task, until it has ended: first how it is."""
        visit: Visit = request.scope["user"]
        run_id = await find(visit, task_id)
        since = await read_place(visit.behind, last_id or last_event_id)
        feed, tenant_id = visit.behind.runs.feed, visit.caller.tenant_id
        if isinstance(since, Place) and await feed.is_over(since, tenant_id, run_id):
            return Response(None, status_code=HTTP_204_NO_CONTENT)
        following = await follow(visit)
        following.runs = {run_id}
        return _stream(visit, Stream(following, since, run_id=run_id))

    @get("/ws")
    async def explain_socket(self) -> Response[Any]:
        """The same by WebSocket: this path, opened as one (see `docs/studio-events.md`)."""
        raise BadRequest("This path is opened as a WebSocket (Upgrade: websocket)")


class Forgotten(msgspec.Struct, frozen=True):
    """Instead of a place: one that nobody can go on from."""


class Stream(msgspec.Struct, frozen=True):
    """What one stream begins with, and follows."""

    following: Following
    since: Place | Forgotten | None
    run_id: int | None = None


async def follow(visit: Visit) -> Following:
    """Begin to follow the tenant's runs, until the request is over.

    Raises:
        TooManyStreams
    """
    feed = visit.behind.runs.feed
    following = await feed.follow(visit.caller.tenant_id)
    visit.closing.callback(feed.leave, following)
    return following


async def find(visit: Visit, task_id: str) -> int:
    """Find a task of the caller's.

    Raises:
        RunNotFound
    """
    async with visit.behind.sessions() as session:
        run_id = await find_run(session, task_id, tenant_id=visit.caller.tenant_id)
    if run_id is None:
        raise RunNotFound
    return run_id


async def read_place(behind: Behind, last_event_id: str | None) -> Place | Forgotten | None:
    """Read from where somebody wants to go on; None of who says nothing of it."""
    if not last_event_id:
        return None
    return await behind.runs.feed.find(last_event_id) or Forgotten()


async def begin(stream: Stream) -> AsyncGenerator[Told | str, None]:
    """Yield what a stream begins with; a string is from where to go on."""
    if isinstance(stream.since, Place):
        yield str(stream.since)
        async for told in stream.following.missed(stream.since, stream.run_id):
            yield told
        return
    standing, place = await stream.following.begin(stream.run_id)
    for told in standing:
        yield told
    yield place


def _stream(visit: Visit, stream: Stream) -> Response[Any]:
    return ServerSentEvent(until_stopping(_events(visit, stream), visit.behind.stopping))


async def _events(visit: Visit, stream: Stream) -> AsyncGenerator[ServerSentEventMessage, None]:
    yield ServerSentEventMessage(data=None, comment="here", retry=RETRY_MS)
    if isinstance(stream.since, Forgotten):
        yield ServerSentEventMessage(event=RESET, data=_spelt({"reason": FORGOTTEN}))
    has_ended = False
    async for one in begin(stream):
        if isinstance(one, str):
            yield ServerSentEventMessage(data=None, id=one)
        else:
            has_ended = one.is_end
            yield await _event(visit, one)
    if stream.run_id is not None and has_ended:
        return
    async for message in _moves(visit, stream):
        yield message


async def _moves(visit: Visit, stream: Stream) -> AsyncGenerator[ServerSentEventMessage, None]:
    watch, said_s = KeyWatch(visit), time.monotonic()
    while True:
        refused = await watch.refused()
        if refused is not None:
            over = {"error_code": int(refused.code), "error_message": refused.message}
            yield ServerSentEventMessage(event=OVER, data=_spelt(over))
            return
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                told = await stream.following.next()
        except TimeoutError:
            if time.monotonic() - said_s >= HEARTBEAT_S - 1:
                said_s = time.monotonic()
                yield ServerSentEventMessage(data=None, comment="here")
            continue
        except TooSlow:
            return  # it comes back with the last id that it has
        said_s = time.monotonic()
        yield await _event(visit, told)
        if stream.run_id is not None and told.is_end:
            return


class KeyWatch:
    """Looks from time to time whether who came in is let in still."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._due_s = time.monotonic() + LOOK_AGAIN_S

    async def refused(self) -> RelayError | None:
        """Say why it is let in no more."""
        if time.monotonic() < self._due_s:
            return None
        self._due_s = time.monotonic() + LOOK_AGAIN_S
        try:
            caller = await self._visit.again()
        except RelayError as error:
            return error
        assert caller.tenant_id == self._visit.caller.tenant_id, "a key is one tenant's"
        return None


async def _event(visit: Visit, told: Told) -> ServerSentEventMessage:
    message = await progress_of_run(told.seen, visit)
    return ServerSentEventMessage(event=PROGRESS, id=told.place, data=_spelt(message))


def _spelt(message: object) -> str:
    return msgspec.json.encode(message).decode()
