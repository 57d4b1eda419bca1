"""`GET /api/kling/ws`: what `events.py` tells, by WebSocket, as JSON texts.

    ← {"token": "sk-…"}                           first, unless the handshake had `Authorization`
    → {"event": "here", "id": "8271.0.1795830000"}
    → {"event": "progress", "id": "…", "data": {"task_id": "…", "status": "processing", …}}
    ← {"subscribe": "{task_id}"}                  from here on of this task, and others named so
    ← {"unsubscribe": "{task_id}"}                of it no more
    ← {"subscribe": "*"}                          of all of the tenant's again, as it begins
    ← {"ping": 1}                                 for browsers, which cannot send the protocol's own
    → {"event": "pong", "data": 1}

With `last_event_id` beside `token` or `subscribe`, or in the query, it goes on from there. A key in
the address is not taken, since addresses end in logs. Closed with 1012 when the relay stops, 1013
when the client is too slow, 4401 when no key, or none that is let in (any more), was given.
"""

import asyncio
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog

from relay.counts import elsewhere
from relay.database.faults import is_fault, log_failure
from relay.errors import (
    BadRequest,
    CredentialMissing,
    InternalError,
    RelayError,
    TooManyStreams,
    Unauthorized,
    Unavailable,
)
from relay.logs import RequestLine, log_request
from relay.request_ids import new_request_id
from relay.runs.feed import Following, Told, TooSlow
from relay.studio.behind import Behind, Visit
from relay.studio.entry import Entry
from relay.studio.events import (
    FORGOTTEN,
    LOOK_AGAIN_S,
    PROGRESS,
    RESET,
    Forgotten,
    KeyWatch,
    Stream,
    begin,
    find,
    follow,
    read_place,
)
from relay.studio.refusals import refusal_of, status_of
from relay.studio.shown import progress_of_run

log = structlog.get_logger()

ROUTE = "studio.ws"
FIRST_S = 10.0
"""For the token, where the handshake had none."""
STRANGERS_MAX = 100
"""Who have shown no token yet, of a process."""
ACCEPTED = 101
RESTARTS, TRY_LATER, NOT_LET_IN, FAULT = 1012, 1013, 4401, 1011
ALL = "*"


class Said(msgspec.Struct, frozen=True):
    """What a client sends."""

    token: str | None = None
    subscribe: str | None = None
    unsubscribe: str | None = None
    last_event_id: str | None = None
    ping: Any = None


class Closed(Exception):
    """The client has gone."""


_said = msgspec.json.Decoder(Said)
_NOTHING = Said()
_MESSAGES = "A message is a JSON object with token, subscribe, unsubscribe or ping"


class Sockets:
    """The WebSockets of one relay; an ASGI application."""

    def __init__(self, entry: Entry, behind: Behind) -> None:
        self._entry = entry
        self._behind = behind
        self._strangers = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Talk with one client until it goes, or the process stops."""
        began = time.perf_counter()
        client = scope.get("client")
        line = RequestLine(new_request_id(), "GET", client[0] if client else "")
        line.route = ROUTE
        socket = _Socket(receive, send, line)
        try:
            with elsewhere(), ExitStack() as closing:
                await self._talk(scope, socket, closing)
        except (Closed, OSError):
            pass  # it has gone
        except TooSlow:
            await socket.close(TRY_LATER, "too slow: come back with the last id")
        except RelayError as error:
            await socket.refuse(error)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "request.failed", error, request_id=line.request_id)
            await socket.refuse(Unavailable() if is_fault(error) else InternalError())
        line.ms = round((time.perf_counter() - began) * 1000, 1)
        log_request(line)

    async def _talk(self, scope: Any, socket: "_Socket", closing: ExitStack) -> None:
        """Let a client in, and tell it what it wants.

        Raises:
            Closed, TooSlow, RelayError
        """
        await socket.receive()  # its wish to connect
        query = parse_qs(scope["query_string"].decode("latin-1"))
        last_event_id = next(iter(query.get("last_event_id", [])), None)
        if any(name == b"authorization" for name, _ in scope["headers"]):
            visit = await self._entry.let_in(scope, socket.line, closing)
            # Before it is accepted, so that what refuses it is an answer of HTTP.
            following = await follow(visit)
            await socket.accept()
        else:
            said = await self._first(socket)
            bearer = f"Bearer {said.token}"
            visit = await self._entry.let_in(scope, socket.line, closing, authorization=bearer)
            following = await follow(visit)
            last_event_id = said.last_event_id or last_event_id
        since = await read_place(visit.behind, last_event_id)
        await _Talk(visit, following, socket).go_on(since)

    async def _first(self, socket: "_Socket") -> Said:
        """Accept a stranger, and wait for its token."""
        if self._strangers >= STRANGERS_MAX:
            raise TooManyStreams
        self._strangers += 1
        try:
            await socket.accept()
            async with asyncio.timeout(FIRST_S):
                said = await socket.hear()
        except TimeoutError:
            raise CredentialMissing from None
        finally:
            self._strangers -= 1
        if not said.token:
            raise CredentialMissing
        return said


class _Socket:
    """One connection, in messages of ours."""

    def __init__(self, receive: Any, send: Any, line: RequestLine) -> None:
        self._receive = receive
        self._send = send
        self._is_open = False
        self.line = line

    async def accept(self) -> None:
        headers = [(b"x-request-id", self.line.request_id.encode())]
        await self._send({"type": "websocket.accept", "headers": headers})
        self._is_open, self.line.status = True, ACCEPTED

    async def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            Closed
        """
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Closed
        return message

    async def hear(self) -> Said:
        """Wait for what the client says next.

        Raises:
            Closed
            BadRequest: it is nothing that can be read.
        """
        message = await self.receive()
        try:
            said = _said.decode(message.get("text") or message.get("bytes") or b"")
        except (msgspec.DecodeError, UnicodeError):
            raise BadRequest(_MESSAGES) from None
        if said == _NOTHING:
            raise BadRequest(_MESSAGES)
        return said

    async def tell(self, event: str, data: object = None, *, place: str | None = None) -> None:
        message = {"event": event, "id": place, "data": data}
        kept = {name: value for name, value in message.items() if value is not None}
        await self._send({"type": "websocket.send", "text": msgspec.json.encode(kept).decode()})

    async def refuse(self, error: RelayError) -> None:
        """Say why not, by HTTP while it is no WebSocket yet, and close."""
        refusal = refusal_of(error, self.line, "")
        try:
            if self._is_open:
                await self.tell("over", refusal)
            else:
                await self._answer(error, msgspec.json.encode(refusal))
                return
        except OSError:
            return  # it has gone meanwhile
        if isinstance(error, Unauthorized):
            code = NOT_LET_IN
        else:
            code = FAULT if isinstance(error, InternalError) else TRY_LATER
        await self.close(code, error.message)

    async def close(self, code: int, reason: str) -> None:
        # A frame has room for 123 bytes of it.
        reason = reason.encode()[:120].decode(errors="ignore")
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:
            return  # it has gone meanwhile

    async def _answer(self, error: RelayError, body: bytes) -> None:
        self.line.status = status_of(error)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.line.request_id.encode()),
        ]
        if error.retry_after:
            headers.append((b"retry-after", error.retry_after.encode()))
        start = {"type": "websocket.http.response.start", "status": self.line.status}
        await self._send({**start, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body, "more_body": False})


class _Talk:
    """One client that was let in."""

    def __init__(self, visit: Visit, following: Following, socket: _Socket) -> None:
        self._visit = visit
        self._following = following
        self._socket = socket
        self._watch = KeyWatch(visit)
        self._telling: asyncio.Future[Told] | None = None

    async def go_on(self, since: Any) -> None:
        """Tell and hear, until the client goes or the process stops.

        Raises:
            Closed, TooSlow
            RelayError: its key is let in no more.
        """
        stops = asyncio.ensure_future(self._visit.behind.stopping.wait())
        hearing = asyncio.ensure_future(self._socket.hear())
        try:
            await self._begin(Stream(self._following, since))
            while not stops.done():
                if self._telling is None:
                    self._telling = asyncio.ensure_future(self._following.next())
                await asyncio.wait(
                    (stops, hearing, self._telling),
                    timeout=LOOK_AGAIN_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                refused = await self._watch.refused()
                if refused is not None:
                    raise refused
                if self._telling.done():
                    await self._tell_next()
                if hearing.done():
                    await self._heard(hearing)
                    hearing = asyncio.ensure_future(self._socket.hear())
        finally:
            for future in (stops, hearing, self._telling):
                if future is not None:
                    future.cancel()
        await self._socket.close(RESTARTS, "the relay restarts: come back with the last id")

    async def _heard(self, hearing: "asyncio.Future[Said]") -> None:
        """Do what the client says."""
        try:
            said = hearing.result()
            if said.ping is not None:
                await self._socket.tell("pong", said.ping)
            if said.subscribe is not None or said.unsubscribe is not None:
                await self._choose(said)
        except RelayError as error:
            await self._socket.tell("error", refusal_of(error, self._socket.line, ""))

    async def _choose(self, said: Said) -> None:
        """Follow other tasks from here on.

        Raises:
            RunNotFound: nothing is changed.
        """
        following = self._following
        await self._stop_telling()
        if said.unsubscribe is not None and following.runs is not None:
            following.runs.discard(await find(self._visit, said.unsubscribe))
        if said.subscribe is None:
            return
        since = await read_place(self._visit.behind, said.last_event_id)
        if said.subscribe == ALL:
            following.runs = None
            await self._begin(Stream(following, since))
            return
        run_id = await find(self._visit, said.subscribe)
        following.runs = {run_id, *(following.runs or ())}
        await self._begin(Stream(following, since, run_id=run_id))

    async def _stop_telling(self) -> None:
        """Wait for nothing while what is told changes; what has come is told before."""
        telling = self._telling
        if telling is None:
            return
        if not telling.done():
            telling.cancel()
            await asyncio.wait((telling,))
        if telling.cancelled():
            self._telling = None
        else:
            await self._tell_next()

    async def _tell_next(self) -> None:
        assert self._telling is not None, "it is done"
        told = self._telling.result()
        self._telling = None
        await self._tell(told)

    async def _begin(self, stream: Stream) -> None:
        if isinstance(stream.since, Forgotten):
            await self._socket.tell(RESET, {"reason": FORGOTTEN})
        async for one in begin(stream):
            if isinstance(one, str):
                await self._socket.tell("here", place=one)
            else:
                await self._tell(one)

    async def _tell(self, told: Told) -> None:
        message = await progress_of_run(told.seen, self._visit)
        await self._socket.tell(PROGRESS, message, place=told.place)
