"""One request for a page of Litestar's, and its answer, which may come in many pieces.

uvicorn's own exchange sends it: events one by one, files, pages larger than memory. What is added
is what our protocol asks of an exchange, and what uvicorn leaves out: a stream of unknown length to
a client of HTTP/1.0, and word of a lost connection to whichever page is being answered.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from relay.proxy.body import HANG_UP
from relay.server.exchange import Application, Headers, nothing

if TYPE_CHECKING:
    from uvicorn._types import HTTPScope

log = logging.getLogger("uvicorn.error")


class Page(RequestResponseCycle):
    """Calls the application for one request, and writes its answer as it comes."""

    def __init__(
        self,
        scope: "HTTPScope",
        transport: asyncio.Transport,
        flow: FlowControl,
        *,
        connection_headers: Headers,
        keep_alive: bool,
        expects_100_continue: bool,
        on_response: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        super().__init__(
            scope=scope,
            transport=transport,
            flow=flow,
            logger=log,
            access_logger=log,
            access_log=False,
            default_headers=connection_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects_100_continue,
            keep_alive=keep_alive,
            on_response=on_response,
        )
        self._on_hang_up: Callable[[], None] | None = None
        self._close = close
        self._ends_with_the_connection = False
        """HTTP/1.0 has no pieces, so a length that nobody told is told by the end."""

    def start(
        self, app: Application, loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[None]]
    ) -> None:
        """Call the application in a task of its own, which stands in `tasks` until it has ended."""
        task = loop.create_task(self._run(app))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _run(self, app: Any) -> None:
        scope: Any = self.scope
        scope["extensions"] = {HANG_UP: self.watch}
        try:
            await self.run_asgi(app)
        finally:
            del scope["extensions"]  # it holds us, and we hold it
            if self.transport.is_closing():
                self._close()  # uvicorn closes too, but would wait for a reader for ever
            self._forget()

    def add(self, piece: bytes) -> int:
        """Keep a piece of the body until it is asked for; the bytes that wait now."""
        self.body += piece
        self.message_event.set()
        return len(self.body)

    def watch(self, on_hang_up: Callable[[], None]) -> None:
        """Call it once, should the client go before its answer."""
        self._on_hang_up = on_hang_up

    def hang_up(self) -> None:
        """Tell the application that the client has gone."""
        self.disconnected = True
        self.message_event.set()
        tell, self._on_hang_up = self._on_hang_up, None
        if tell is not None and not self.response_complete:
            tell()

    def abandon(self) -> None:
        """Give up before the start: before its turn the client went, or its body broke off."""
        self.disconnected = True
        self._forget()

    def _forget(self) -> None:
        """Let go of the protocol, which holds us."""
        self.on_response = self._close = nothing
        self._on_hang_up = None

    async def send(self, message: Any) -> None:
        """Write the head, or a piece of the body, once the client has read of what came before."""
        if self.transport.is_closing() and not self.response_complete:
            self.hang_up()  # a refusal may be the last thing that is said, and uvloop would go on
        if self._ends_with_the_connection:
            self.expected_content_length = len(message.get("body", b""))
        elif not self.response_started and self.scope["http_version"] == "1.0":
            self._ends_with_the_connection = is_of_unknown_length(message)
            self.chunked_encoding = False if self._ends_with_the_connection else None
        await super().send(message)
        if message.get("more_body", False):
            # A page that waits for nothing would let nobody else run, nor hear that it is over.
            await asyncio.sleep(0)


def is_of_unknown_length(start: Any) -> bool:
    return all(name.lower() != b"content-length" for name, _ in start.get("headers", ()))
