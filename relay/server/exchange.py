"""One request and its answer, between uvicorn's protocol and an ASGI application.

In place of uvicorn's `RequestResponseCycle`, whose attributes its protocol sets, at half its cost.
What it spares: an answer comes in one piece, as all on Kling's paths do, so its head waits for the
body and both are one write, one packet; and a body that arrives in one piece is handed on without a
copy. What comes in many pieces is a `Page`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from relay.proxy.body import HANG_UP

Headers = list[tuple[bytes, bytes]]
Message = dict[str, Any]
Application = Callable[..., Coroutine[Any, Any, None]]

log = logging.getLogger("uvicorn.error")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body, nor tell its length (RFC 9110, 15)."""
USUAL = b"content-type: application/json\r\ncontent-length: %b\r\nx-request-id: %b\r\n"
LF, CR = b"\n\r"
FAILED = b"Internal Server Error"
FAILED_HEADERS: Headers = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(FAILED)),
]


class Exchange:
    """Calls the application for one request, and writes its answer."""

    __slots__ = (
        "_close",
        "_connection_headers",
        "_flow",
        "_on_hang_up",
        "_on_response",
        "_start",
        "_task",
        "_transport",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "scope",
        "waiting_for_100_continue",
    )

    def __init__(
        self,
        scope: Any,
        transport: asyncio.Transport,
        flow: FlowControl,
        *,
        connection_headers: Headers,
        keep_alive: bool,
        expects_100_continue: bool,
        on_response: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        """`connection_headers`: of every answer (Date). `close`: once all is written."""
        self.scope = scope
        self._transport = transport
        self._flow = flow
        self._connection_headers = connection_headers
        self._on_response = on_response
        self._close = close
        self._start: Message | None = None
        self._on_hang_up: Callable[[], None] | None = None
        self._task: asyncio.Task[None]
        # The protocol's to set, and to read.
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_100_continue
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.message_event = asyncio.Event()
        self.disconnected = False
        self.response_complete = False

    def start(
        self, app: Application, loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[None]]
    ) -> None:
        """Call the application in a task of its own, which stands in `tasks` until it has ended."""
        self._task = loop.create_task(self._run(app, tasks))
        tasks.add(self._task)

    async def _run(self, app: Application, tasks: set[asyncio.Task[None]]) -> None:
        """Call the application; a request that it leaves without an answer gets a 500."""
        self.scope["extensions"] = {HANG_UP: self.watch}
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            log.error("Exception in ASGI application", exc_info=error)  # noqa: TRY400 (any error)
            self._fail()
        else:
            if not self.response_complete and not self.disconnected:
                log.error("ASGI application left a request without an answer")
                self._fail()
        finally:
            tasks.discard(self._task)
            del self.scope["extensions"]  # it holds us, and we hold it
            self._on_response = self._close = nothing  # they hold the protocol, and it holds us

    def add(self, piece: bytes) -> int:
        """Keep a piece of the body until it is asked for; the bytes that wait now."""
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytes):
            self.body = bytearray(self.body + piece)
        else:
            self.body += piece
        self.message_event.set()
        return len(self.body)

    def watch(self, on_hang_up: Callable[[], None]) -> None:
        """Call it once, should the client go before its answer."""
        self._on_hang_up = on_hang_up

    def hang_up(self) -> None:
        """Note that the client has gone."""
        tell, self._on_hang_up = self._on_hang_up, None
        if tell is not None and not self.response_complete:
            tell()

    def abandon(self) -> None:
        """Give up before the start: before its turn the client went, or its body broke off."""
        self.disconnected = True
        self._on_response = self._close = nothing

    async def receive(self) -> Message:
        """Return the bytes of the body that came since, once there are some; ASGI's own message."""
        if self.waiting_for_100_continue and not self._transport.is_closing():
            self._transport.write(CONTINUE)
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self._flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Take an answer's head, or write it with its body.

        Raises:
            RuntimeError: not the one start and the one body, or headers that would break HTTP.
        """
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        if start is None or self.response_complete or message.get("more_body", False):
            raise RuntimeError("An answer is one start, and one body behind it.")
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self._transport.is_closing():  # only the last request of a connection is told
            self.disconnected = True
        if not self.disconnected:
            self._answer(start["status"], list(start["headers"]), message.get("body", b""))

    def _answer(self, status: int, headers: Headers, body: bytes) -> None:
        if self.scope["method"] == "HEAD" or status in BODILESS:
            body, head = b"", _spell(tuple(headers))
        else:
            head = _spell_usual(headers, len(body)) or _spell(tuple(headers), size=len(body))
        common = spell_common(tuple(self._connection_headers))
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        answer = b"%b%b%b%b%b" % (STATUS_LINE[status], common, head, end, body)
        self.response_complete = True
        self._on_hang_up = None
        self.message_event.set()  # whoever waits in receive() is told that it is over
        self.waiting_for_100_continue = False
        self._transport.write(answer)
        if not self.keep_alive:
            self._transport.close()
        self._on_response()

    def _fail(self) -> None:
        """Say that the application failed, if it said nothing, and close."""
        if self.response_complete or self.disconnected or self._transport.is_closing():
            self._close()
        else:
            self.keep_alive = False
            self._answer(500, FAILED_HEADERS, FAILED)


def _spell_usual(headers: Headers, size: int) -> bytes | None:
    """Spell the three headers of an answer to a tenant by one template; None if they are others."""
    if len(headers) != 3:  # noqa: PLR2004 (as the next line says)
        return None
    (kind_name, kind), (size_name, told), (id_name, request_id) = headers
    if (
        kind_name == b"content-type"
        and kind == b"application/json"
        and size_name == b"content-length"
        and told == b"%d" % size
        and id_name == b"x-request-id"
        and not (LF in request_id or CR in request_id)
    ):
        return USUAL % (told, request_id)
    return None


def _spell(headers: tuple[tuple[bytes, bytes], ...], *, size: int | None = None) -> bytes:
    """Spell any headers; `size` of the body, if there is one.

    Raises:
        RuntimeError: a line break in one of them, or they do not tell the size.
    """
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers):
        raise RuntimeError("A header holds a line break.")
    if size is not None and b"content-length: %d\r\n" % size not in head:
        raise RuntimeError("An answer tells the length of its body.")
    return head


spell_common = lru_cache(maxsize=8)(_spell)
"""Those of every answer change once a second."""


def nothing() -> None:
    """Stand where a callback stood."""
