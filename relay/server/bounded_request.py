"""The server's HTTP protocol, with bounds on what a client may take to send a request.

Bytes that bring no body: httptools takes a request line, headers and trailers of any length and
number, and uvicorn keeps all of them, trailers among the headers. Time until a request is complete:
kept here, where the socket is seen, so that a request that arrives in one piece, as nearly all do,
starts no timer. A connection that is given up is closed, and the application's `receive()` says
`http.disconnect`.

Between requests the clock is the keep-alive timer; while a request is answered there is none.
"""

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from relay.proxy.body import body_time_s, declared_length
from relay.server.exchange import Application, Exchange
from relay.server.head import (
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    INVALID,
    TOO_LONG,
    TOO_MANY,
    HeadRefused,
    size_of_head,
    spell_refusal,
)
from relay.server.page import Page
from relay.server.timed_flow import TimedFlow
from relay.server.upgraded import Upgraded

if TYPE_CHECKING:
    from uvicorn._types import HTTPScope

EXPECT = b"expect"
NOTED = frozenset({EXPECT, b"x-forwarded-for", b"x-forwarded-proto"})
"""The two others are what uvicorn's middleware for trusted proxies reads; a request without them
goes past it."""
PIPELINED_MAX = 100
"""Requests of a connection that wait for their turn; clients that pipeline at all send a few."""
TOO_FAST = f"More than {PIPELINED_MAX} requests wait for their turn"

Cycle = Exchange | Page


class BoundedRequest(Upgraded):
    """Closes the connection of a client whose request does not end."""

    silence_s = 60.0
    """Without one byte, while we read: the client has gone."""
    head_s = 60.0
    """From the first byte of a head to its last."""
    body_bytes_max = 100 * 1024 * 1024
    """What a body of unknown length may become; more than this gets no more time."""
    unread_s = 75.0
    """While an answer waits for its client to read, and not one byte leaves."""

    @staticmethod
    def is_page(raw_path: bytes, /) -> bool:
        """Tell whether the path is a page of Litestar's, which uvicorn's own exchange sends.

        The others are Kling's paths, whose answers come in one piece.
        """
        return raw_path.startswith(b"/health/")

    _complete_scope: "HTTPScope | None" = None
    """Of the last request that arrived whole; uvicorn makes a new one for each."""
    _watched_scope: "HTTPScope | None" = None
    _bodiless_bytes = 0
    """That arrived since the last piece of a body."""
    _had_body = False
    _began_s = 0.0
    _heard_s = 0.0
    _waited = False
    _idle_since_s = math.inf
    flow: TimedFlow
    # Ours, with what uvicorn's protocol uses of one.
    cycle: Cycle  # type: ignore[assignment]
    pipeline: deque[tuple[Cycle, Application]]  # type: ignore[assignment]
    _answered: Cycle | None = None
    """The last one whose turn came: others may wait behind it, so `cycle` is not always it."""
    _is_forwarded = False
    """Whether a proxy tells whom it speaks for."""
    _offers_upgrade = False
    _is_refused = False
    """Whether 400 is to be said behind the answers that are still owed."""
    _fault = INVALID
    """What it is to say."""
    _measures_heads = False
    """Whether one came that may be too long; most connections never send so much at once."""
    _left = 0
    """Bytes of answers that an idle client had not read when the clock was last looked at."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        app: Any = self.app
        self._forwarded_app: Application = app
        self._plain_app: Application = app
        if isinstance(app, ProxyHeadersMiddleware):
            self._plain_app = app.app  # type: ignore[assignment]  # uvicorn's types of the same

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.flow = TimedFlow(transport, self.loop, self.pipeline, unread_s=self.unread_s)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unset_keepalive_if_required()  # uvicorn's does so only where there was no error
        super().connection_lost(exc)
        if self._answered is not None:
            self._answered.hang_up()
            self._answered = None
        while self.pipeline:
            self.pipeline.pop()[0].abandon()

    def eof_received(self) -> None:
        self._close()  # the transport closes by itself, but would wait for a reader for ever

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return  # left unread, it would turn the close into a reset, which loses answers
        if len(data) > HEAD_BYTES_MAX:
            self._measures_heads = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._offers_upgrade:
                rest = data[upgrade.args[0] :]
                if self._opens_a_socket():
                    self._become_socket(rest)
                else:
                    self._read_again(rest)
                return
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._refuse(str(refused) if isinstance(refused, HeadRefused) else INVALID)
            return
        if self.scope is not self._complete_scope:
            self._watch(data)

    def _read_again(self, rest: bytes) -> None:
        """Read a request without the upgrade that it offers (Java's client: h2c), as servers may.

        httptools would take its body for the other protocol.
        """
        offered = {b"upgrade", b"http2-settings"}
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                kept = b", ".join(token for token in tokens if token.lower() not in offered)
                lines.append(b"connection: %b" % (kept or b"keep-alive"))
            elif name not in offered:
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _refuse(self, fault: str) -> None:
        """Say 400 behind the answers to all that arrived whole before the fault.

        uvicorn says it at once: a tenant was told 400, and charged for the task that ran.
        """
        self.logger.warning(fault)
        self._fault = fault
        last = self.cycle
        if self.pipeline:
            if last.more_body:
                self.pipeline.popleft()[0].abandon()
                self.flow.resume_reading()
        elif last is None or last.more_body or last.response_complete:
            self._say_refused()
            return
        self._is_refused = True

    def _say_refused(self) -> None:
        self.transport.write(spell_refusal(self._fault, self.server_state.default_headers))
        self._close()

    def on_body(self, body: bytes) -> None:
        self._had_body = True
        cycle = self.cycle
        if not cycle.response_complete and cycle.add(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        if self._offers_upgrade:
            return
        cycle = self.cycle
        self._complete_scope = self.scope
        if cycle.response_complete:  # refused before its body had ended
            self._rest()
        else:
            cycle.more_body = False
            cycle.message_event.set()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_forwarded = self._offers_upgrade = False
        self._idle_since_s = math.inf
        self._left = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self.headers
        if len(headers) >= HEADERS_MAX:
            raise HeadRefused(TOO_MANY)
        name = name.lower()
        headers.append((name, value))
        if name in NOTED:
            if name != EXPECT:
                self._is_forwarded = True
            elif value.lower() == b"100-continue":
                self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        """Do as uvicorn's, which has no seam for its cycle; without websockets and limits."""
        scope, parser = self.scope, self.parser
        version = parser.get_http_version()
        scope["http_version"] = version
        scope["method"] = method = parser.get_method().decode("ascii")
        self._offers_upgrade = parser.should_upgrade() and method != "CONNECT"
        if self._offers_upgrade:
            return
        if len(self.pipeline) >= PIPELINED_MAX:
            raise HeadRefused(TOO_FAST)
        if self._measures_heads and size_of_head(self.url, self.headers) > HEAD_BYTES_MAX:
            raise HeadRefused(TOO_LONG)
        # Trailers come later, and are no headers: in a list that nobody reads they name no tenant.
        self.headers = []
        url = httptools.parse_url(self.url)
        scope["raw_path"] = url.path
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["query_string"] = url.query or b""
        before = self.cycle
        keep_alive = version != "1.0" and parser.should_keep_alive()
        cycle: Cycle
        if self.is_page(url.path):
            cycle = self._page_of(scope, keep_alive=keep_alive)
        else:
            cycle = Exchange(
                scope,
                self.transport,
                self.flow,
                connection_headers=self.server_state.default_headers,
                keep_alive=keep_alive,
                expects_100_continue=self.expect_100_continue,
                on_response=self.on_response_complete,
                close=self._close,
            )
        self.cycle = cycle
        app = self._forwarded_app if self._is_forwarded else self._plain_app
        if before is None or before.response_complete:
            self._answered = cycle
            cycle.start(app, self.loop, self.tasks)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def _page_of(self, scope: "HTTPScope", *, keep_alive: bool) -> Page:
        return Page(
            scope,
            self.transport,
            self.flow,
            connection_headers=self.server_state.default_headers,
            keep_alive=keep_alive,
            expects_100_continue=self.expect_100_continue,
            on_response=self.on_response_complete,
            close=self._close,
        )

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._close()
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self.flow.resume_reading()
            self._answered = cycle
            cycle.start(app, self.loop, self.tasks)
            return
        if self._is_refused:
            self._say_refused()
            return
        self.flow.resume_reading()
        if self.scope is self._complete_scope:  # else the next one has begun, or this one goes on
            self._rest()

    def _close(self) -> None:
        """Close when all is written; a client that reads none of it is let go by the clock."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._rest()

    # uvicorn starts and cancels a keep-alive timer for each request, 3 us. Here one runs on, and
    # looks when it fires.

    def _rest(self) -> None:
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_handler()

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        due_s = self._idle_since_s + self.timeout_keep_alive
        if due_s <= self.loop.time():
            self._let_go()
        elif due_s < math.inf:
            self.timeout_keep_alive_task = self.loop.call_at(due_s, self.timeout_keep_alive_handler)

    def _let_go(self) -> None:
        """Close an idle connection; one that still reads its answer, only when it stops."""
        left, before = self.transport.get_write_buffer_size(), self._left
        self._left = left
        if not left:
            self.transport.close()
        elif left < before or not before:
            self._rest()
        else:
            self.transport.abort()

    def body_limit_s(self) -> float:
        """Say how long the whole request may take."""
        declared = declared_length(self.scope["headers"])
        largest = self.body_bytes_max
        return body_time_s(largest if declared is None else min(declared, largest))

    def _watch(self, data: bytes) -> None:
        """Note that bytes of an unfinished request arrived, perhaps behind a finished one's."""
        if self.transport.is_closing():
            return
        self._heard_s = self.loop.time()
        size = len(data)
        if self._watched_scope is not self.scope:
            self._watched_scope, self._began_s = self.scope, self._heard_s
            self._bodiless_bytes, self._waited = 0, False
            size = len(data.rpartition(b"\r\n\r\n")[2])
        self._bodiless_bytes = 0 if self._had_body else self._bodiless_bytes + size
        self._had_body = False
        is_in_head = self._is_in_head()
        self._measures_heads = self._measures_heads or is_in_head
        if self._bodiless_bytes > HEAD_BYTES_MAX:
            if is_in_head or self._waits_for_its_turn():
                self._refuse(TOO_LONG)
            else:
                self._close()  # it may have been answered
            return
        if not is_in_head and self.cycle.waiting_for_100_continue:
            self.flow.pause_reading()  # until receive() asks: its silence is not the client's
        if self._timer is None:
            self._timer = self.loop.call_at(self._due_s(self._heard_s), self._look)

    def _look(self) -> None:
        """Give the request up, or look again when it may be time."""
        self._timer = None
        if self.scope is self._complete_scope or self._is_refused or self.transport.is_closing():
            return
        now_s = self.loop.time()
        waits = self._waits_for_its_turn()
        if waits or self._waited:
            self._began_s = self._heard_s = now_s  # and once more when its turn has come
        self._waited = waits
        due_s = self._due_s(now_s)
        if due_s <= now_s:
            self._close()
        else:
            self._timer = self.loop.call_at(due_s, self._look)

    def _due_s(self, now_s: float) -> float:
        """Say when it is given up, if nothing happens until then."""
        heard_s = now_s if self.flow.read_paused else max(self._heard_s, self.flow.resumed_s)
        whole_s = self.head_s if self._is_in_head() else self.body_limit_s()
        return min(heard_s + self.silence_s, self._began_s + whole_s)

    def _is_in_head(self) -> bool:
        return self.cycle is None or self.cycle.scope is not self.scope

    def _waits_for_its_turn(self) -> bool:
        """Tell whether it is behind an unanswered request, whose answer a close would lose."""
        if self._is_in_head():
            return self.cycle is not None and not self.cycle.response_complete
        return bool(self.pipeline)
