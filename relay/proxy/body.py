"""Request bodies: read once into one buffer, within a budget of bytes for the whole process.

A body that does not fit the budget waits unread in the client's socket, after authentication. One
tenant gets at most half of the budget, so that its uploads never starve another's.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from relay.errors import BadRequest
from relay.kling.body import Utf8Check

if TYPE_CHECKING:
    from litestar.types import Receive
    from litestar.types.asgi_types import ReceiveMessage

SMALL_BYTES = 64 * 1024
"""Bodies up to this take nothing from the budget: a thousand of them are 64 MB."""
BODY_S, BYTES_PER_S_MIN = 120.0, 250_000


class ClientGone(Exception):
    """The client hung up before its body was complete. Nothing was done."""


class BodyBudget:
    """Counts the bytes of large bodies in memory."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._tenant_bytes_max = total_bytes // 2
        self._taken = 0
        self._taken_by: defaultdict[int, int] = defaultdict(int)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def take(self, tenant_id: int, size: int) -> "Share":
        """Wait until `size` bytes are free for this tenant; a larger body gets all there is."""
        size = min(size, self._tenant_bytes_max)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (tenant_id, size, place)
        self._waiting.append(entry)
        self._grant()
        try:
            await place
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._grant()  # those behind it may fit
            else:
                self._give(tenant_id, size)
            raise
        return Share(self, tenant_id, size)

    def _grant(self) -> None:
        """Serve in the order of arrival; who waits for its own tenant's bytes holds up nobody."""
        for entry in list(self._waiting):
            tenant_id, size, place = entry
            if self._taken_by.get(tenant_id, 0) + size > self._tenant_bytes_max:
                continue
            if self._taken + size > self._total_bytes:
                break  # small bodies that came later would fill every gap, for ever
            self._waiting.remove(entry)
            self._taken += size
            self._taken_by[tenant_id] += size
            place.set_result(None)

    def _give(self, tenant_id: int, size: int) -> None:
        self._taken -= size
        self._taken_by[tenant_id] -= size
        if not self._taken_by[tenant_id]:
            del self._taken_by[tenant_id]
        self._grant()


class Share:
    """Bytes taken from the budget; give them back once."""

    def __init__(self, budget: BodyBudget, tenant_id: int, size: int) -> None:
        self._budget: BodyBudget | None = budget
        self._tenant_id = tenant_id
        self._size = size

    def release(self) -> None:
        if self._budget is not None:
            budget, self._budget = self._budget, None
            budget._give(self._tenant_id, self._size)  # noqa: SLF001 (its other half)


class ReadBody:
    """A body in memory, and its share of the budget."""

    def __init__(self, content: bytes | bytearray = b"") -> None:
        self.content = content
        self.share: Share | None = None

    def release(self) -> None:
        if self.share is not None:
            self.share.release()


def body_time_s(size: int) -> float:
    """Say how long a request may take, its body's wait for the budget included.

    The server keeps this (`relay/server/bounded_request.py`), and gives a silent client up earlier:
    nobody keeps a share by a byte a minute.
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
    tenant_id: int,
    limit_bytes: int,
) -> ReadBody:
    """Read the whole body, checking UTF-8 as it arrives; `declared` is its Content-Length.

    No clock here, except for the budget's: `receive()` ends when the server gives the client up.

    Raises:
        BadRequest: longer than the limit, or broken UTF-8.
        ClientGone
    """
    read = ReadBody()
    if declared is None or declared <= SMALL_BYTES:
        chunk, is_last = _chunk(await receive())
        if is_last:  # the usual body: whole, and as it came
            _check_size(len(chunk), limit_bytes)
            if not chunk.isascii():
                Utf8Check().feed(chunk, is_last=True)
            read.content = chunk
            return read
    else:
        _check_size(declared, limit_bytes)
        read.share = await _take(budget, tenant_id, declared)
        chunk = b""
    try:
        await _read_rest(
            read, chunk, receive, budget=budget, tenant_id=tenant_id, limit_bytes=limit_bytes
        )
    except BaseException:
        read.release()
        raise
    return read


async def _read_rest(
    read: ReadBody,
    chunk: bytes,
    receive: "Receive",
    *,
    budget: BodyBudget,
    tenant_id: int,
    limit_bytes: int,
) -> None:
    """Read all that comes behind `chunk`."""
    buffer = bytearray()
    check = Utf8Check()
    is_last = False
    while True:
        check.feed(chunk, is_last=is_last)
        _check_size(len(buffer) + len(chunk), limit_bytes)
        if is_last and not buffer:
            read.content = chunk  # in one piece, which needs no copy
            return
        buffer += chunk
        if read.share is None and len(buffer) > SMALL_BYTES:
            # Of unknown length: it may become as large as the limit.
            read.share = await _take(budget, tenant_id, limit_bytes)
        if is_last:
            read.content = buffer
            return
        chunk, is_last = _chunk(await receive())


async def _take(budget: BodyBudget, tenant_id: int, size: int) -> Share:
    """Wait for a share as long as a client may wait: one that has gone must not stay in line.

    Nobody listens to the socket meanwhile, and the whole body may have arrived already.
    """
    try:
        async with asyncio.timeout(body_time_s(size)):
            return await budget.take(tenant_id, size)
    except TimeoutError as error:
        raise ClientGone from error


def _chunk(message: "ReceiveMessage") -> tuple[bytes, bool]:
    """Receive the next bytes, and whether they are the last ones."""
    if message["type"] != "http.request":
        raise ClientGone
    return message.get("body", b""), not message.get("more_body", False)


def _check_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise BadRequest(f"The request body is larger than {limit_bytes // 1024 // 1024} MB")
