"""One HTTP/1.1 connection: llhttp parses, this decides what an outcome means.

At most one request is in flight. A connection serves another one only if the reply before ended
where it said it would, nothing came after it, and every byte of the request had left.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

import httptools

from relay.kling.transport import MaybeSent, Reply

HEAD_BYTES_MAX = 64 * 1024
"""Of all that is not body (heads, trailers, chunk sizes), to within one read of the socket."""

_OVERHEAD_MAX = 8
"""Bytes of chunk sizes for each byte of body: a chunk of a single byte takes six."""


class Dropped(MaybeSent):
    """The connection ended before any byte of a reply; a GET on a kept one may be repeated."""


class Connection(asyncio.Protocol):
    """Gives itself to `on_free` when it may serve again, and to `on_lost` when it is gone.

    `ends_at`, in the loop's time, is when the call runs out of time, or the idleness does; somebody
    must then call `expire`. A timer of uvloop costs as much as all the rest of a call.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        reply_bytes_max: int,
        on_free: "Callable[[Connection], None]",
        on_lost: "Callable[[Connection], None]",
    ) -> None:
        self.ends_at = 0.0
        self._loop = loop
        self._reply_bytes_max = reply_bytes_max
        self._on_free = on_free
        self._on_lost = on_lost
        self._is_open = False
        self._waiter: asyncio.Future[Reply] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        # What aiohttp tolerates too: strictness would turn replies into unknown outcomes, and what
        # leniency risks, a second reply smuggled in, ends with the connection.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )

    @property
    def is_usable(self) -> bool:
        return self._is_open and not self._transport.is_closing()

    def begin(self, method: str, deadline: float) -> asyncio.Future[Reply]:
        """Expect a reply to what is written next; the future gives it, or MaybeSent."""
        self.ends_at = deadline
        self._is_head_request = method == "HEAD"
        self._is_uploading = False
        self._received = 0
        self._body_bytes = 0
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._has_head = False
        self._is_last = False
        self._reply: Reply | None = None
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    async def upload(
        self, head: bytes, views: Iterable[bytes | memoryview], waiter: asyncio.Future[Reply]
    ) -> None:
        """Write as fast as the peer reads; stop when the outcome is known before the end."""
        self._is_uploading = True
        self._transport.write(head)
        for view in views:
            if waiter.done() or self._transport.is_closing():
                return
            self._transport.write(view)
            if self._drained is not None:
                await self._drained
        self._is_uploading = False

    def expire(self) -> None:
        if self._waiter is None:
            self.close()
        else:
            self.fail(MaybeSent("TimeoutError"))

    def abandon(self, waiter: asyncio.Future[Reply]) -> None:
        """Close if that reply is still outstanding: it would be taken for the next one's."""
        if waiter is self._waiter:
            self.abort()

    def fail(self, error: MaybeSent) -> None:
        waiter = self._waiter
        self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
            waiter.exception()  # marks it as seen: a caller that is cancelled now never looks

    def abort(self) -> None:
        self._stop()
        self._transport.abort()

    def close(self) -> None:
        """Close an idle connection in good order, over TLS with a word."""
        self._stop()
        self._transport.close()

    def _stop(self) -> None:
        self._is_open = False
        self._waiter = self._reply = None  # a reply holds its connection, unseen by the collector
        self.resume_writing()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._is_open = True

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():  # nobody asked, or who asked was cancelled
            self.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._reply is None:
                self.fail(MaybeSent(type(error).__name__))
                return
            self._is_last = True  # the reply is whole; what followed it is not HTTP
        if self._body_bytes > self._reply_bytes_max:
            self.fail(MaybeSent(f"reply above {self._reply_bytes_max} bytes"))
        elif (
            self._received > HEAD_BYTES_MAX
            and self._received - self._body_bytes * _OVERHEAD_MAX > HEAD_BYTES_MAX
        ):
            self.fail(MaybeSent(f"headers above {HEAD_BYTES_MAX} bytes"))
        elif self._reply is not None:
            self._finish(waiter, self._reply)

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        self._is_open = False
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # What llhttp calls

    def on_message_begin(self) -> None:
        if self._reply is not None:
            self._is_last = True  # bytes after the reply

    def on_header(self, name: bytes, value: bytes) -> None:
        if b"\x00" in value:
            raise ValueError  # as aiohttp does; the leniency lets it pass
        if not self._has_head:  # else it is a trailer, which is no header
            self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        if self._reply is not None:
            return
        self._has_head = True
        if self._is_head_request and self._parser.get_status_code() >= 200:  # noqa: PLR2004 - 1xx
            # llhttp cannot be told that no body will come, so what it reads next has no meaning.
            self._is_last = True
            self._reply = self._read_reply()

    def on_body(self, chunk: bytes) -> None:
        if self._reply is None:
            self._body_bytes += len(chunk)
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        if self._reply is not None:
            return
        if self._parser.get_status_code() < 200:  # noqa: PLR2004 - 1xx: the reply is still to come
            self._has_head = False
            self._headers = {}
            return
        if not self._parser.should_keep_alive():
            self._is_last = True
        self._reply = self._read_reply()

    def _read_reply(self) -> Reply:
        headers, chunks = self._headers, self._chunks
        return Reply(
            self._parser.get_status_code(),
            _decode(headers.get(b"content-type")),
            chunks[0] if len(chunks) == 1 else b"".join(chunks),
            _decode(headers.get(b"retry-after")),
            self,
            _decode(headers.get(b"date")),
        )

    def _finish(self, waiter: asyncio.Future[Reply], reply: Reply) -> None:
        # Unsent bytes of our request would stand before the next head.
        if self._is_last or self._is_uploading or self._transport.get_write_buffer_size():
            self.abort()
        else:
            self._waiter = self._reply = None
            self._on_free(self)
        waiter.set_result(reply)

    def _end(self, error: Exception | None) -> None:
        """Judge a reply by what came of it before the peer closed."""
        self._is_open = False
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._received == 0:
            self.fail(Dropped(describe(error) if error else "closed without a reply"))
        elif error is not None:
            self.fail(MaybeSent(describe(error)))
        elif self._is_delimited_by_close():
            self._is_last = True
            self._finish(waiter, self._read_reply())
        else:
            self.fail(MaybeSent("closed in the middle of the reply"))

    def _is_delimited_by_close(self) -> bool:
        # A transfer coding that is not chunked would be too, but we accept none: what came of it
        # cannot be told from a broken reply.
        return (
            self._has_head
            and b"content-length" not in self._headers
            and b"transfer-encoding" not in self._headers
        )


def describe(error: BaseException) -> str:
    """Name an error without what it may hold of a request: its class, and the system's words."""
    text = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _decode(value: bytes | None) -> str:
    return value.strip(b" \t").decode("utf-8", "surrogateescape") if value else ""
