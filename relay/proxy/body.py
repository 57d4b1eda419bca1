"""Request bodies: read once into one buffer, within a budget of bytes for the whole process.

What does not fit the budget waits unread in the client's socket, after authentication.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from relay.body_budget import BYTES_PER_S_MIN, SMALL_BYTES, BodyBudget, Share
from relay.errors import BadRequest, TooSlow
from relay.kling.body import Utf8Check

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive
    from litestar.types.asgi_types import ReceiveMessage

HANG_UP = "relay.hang_up"
"""A scope's extension: called with a function, it calls that once the client has hung up."""
BODY_S = 120.0


class ClientGone(Exception):
    """The client hung up before its body was complete. Nothing was done."""


class ReadBody:
    """A body in memory, and its share of the budget."""

    def __init__(self, content: bytes | bytearray = b"", share: Share | None = None) -> None:
        self.content = content
        self.share = share

    def release(self) -> None:
        if self.share is not None:
            self.share.release()


def body_time_s(size: int) -> float:
    """Say how long a request may take, its body's wait for the budget included.

    The server keeps this (`relay/server/bounded_request.py`), and gives a silent client up earlier.
    """
    return BODY_S + size / BYTES_PER_S_MIN


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


async def read_body(
    receive: "Receive",
    *,
    declared: int | None,
    budget: BodyBudget,
    account_id: int,
    limit_bytes: int,
) -> ReadBody:
    """Read the whole body, checking UTF-8 as it arrives; `declared` is its Content-Length.

    No clock of its own, except for a large body: `receive()` ends when the server gives the client
    up.

    Raises:
        BadRequest: longer than the limit, or broken UTF-8.
        TooSlow: others waited for what it held.
        ClientGone
    """
    if declared is None or declared <= SMALL_BYTES:
        chunk, is_last = _chunk(await receive())
        if is_last and len(chunk) <= SMALL_BYTES:  # the usual body: whole, and as it came
            if not chunk.isascii():
                Utf8Check().feed(chunk, is_last=True)
            return ReadBody(chunk)
        arriving = _Arriving(receive, limit_bytes)
        arriving.check(chunk, is_last=is_last)
        arriving.add(chunk)
        while not arriving.is_whole and len(arriving.content) <= SMALL_BYTES:
            arriving.add(await arriving.receive())
        if arriving.is_whole and len(arriving.content) <= SMALL_BYTES:
            return ReadBody(arriving.content)
        # Of unknown length: it may become as large as the limit.
        declared = limit_bytes
    else:
        _check_size(declared, limit_bytes)
        arriving = _Arriving(receive, limit_bytes)
    return await _read_large(arriving, budget.open(account_id, declared))


async def _read_large(arriving: "_Arriving", share: Share) -> ReadBody:
    """Read all that is still to come, as far as there is room for it.

    A client that has gone must not stay in line: nobody listens to its socket meanwhile, and the
    whole body may have arrived already.
    """
    try:
        async with asyncio.timeout(body_time_s(share.size)) as share.clock:
            await share.grow(len(arriving.content))
            while not arriving.is_whole:
                chunk = await arriving.receive()
                await share.grow(len(chunk))
                arriving.add(chunk)
    except BaseException as error:
        share.release()
        if isinstance(error, TimeoutError):
            raise (TooSlow if share.is_let_go else ClientGone) from error
        raise
    share.end()
    return ReadBody(arriving.content, share)


class _Arriving:
    """A body of which more is to come."""

    def __init__(self, receive: "Receive", limit_bytes: int) -> None:
        self.content: bytes | bytearray = b""
        self.is_whole = False
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._utf8 = Utf8Check()

    async def receive(self) -> bytes:
        """Receive the next bytes and check them; they are not kept yet."""
        chunk, is_last = _chunk(await self._receive())
        self.check(chunk, is_last=is_last)
        return chunk

    def check(self, chunk: bytes, *, is_last: bool) -> None:
        _check_size(len(self.content) + len(chunk), self._limit_bytes)
        self._utf8.feed(chunk, is_last=is_last)
        self.is_whole = is_last

    def add(self, chunk: bytes) -> None:
        if not self.content and self.is_whole:
            self.content = chunk  # in one piece, which needs no copy
        elif isinstance(self.content, bytes):
            self.content = bytearray(self.content + chunk)
        else:
            self.content += chunk


def _chunk(message: "ReceiveMessage") -> tuple[bytes, bool]:
    """Receive the next bytes, and whether they are the last ones."""
    if message["type"] != "http.request":
        raise ClientGone
    return message.get("body", b""), not message.get("more_body", False)


def _check_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise BadRequest(f"The request body is larger than {limit_bytes // 1024 // 1024} MB")


def watch(scope: "HTTPScope", hang_up: Callable[[], None]) -> None:
    """Have somebody hear that the client has hung up, where the server tells."""
    extensions: dict[str, Any] | None = scope.get("extensions")
    if extensions and HANG_UP in extensions:
        extensions[HANG_UP](hang_up)
