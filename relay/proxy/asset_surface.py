"""Kept files, to whoever has a link of ours: whole or in part, from the store as it is read.

    GET, HEAD  /assets/{public id}.{suffix}?until=…&mac=…

No bearer is asked for: the link is the credential, and is never logged. What users made is served
as nothing that a browser would run, and where there is an origin of its own for it, there alone.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from litestar.types import HTTPScope, Receive, Send

from relay.assets.kept import Kept, find_kept
from relay.assets.kinds import SUFFIXES
from relay.assets.links import FOR_KLING, TO_SAVE, AssetLinks
from relay.assets.store import AssetStore, ContentMissing, StoreFailed
from relay.counts import Counts, elsewhere
from relay.database.driver import Pool
from relay.database.faults import is_fault, log_failure
from relay.logs import RequestLine, log_request
from relay.proxy.ranges import Unsatisfiable, read_range
from relay.request_ids import new_request_id

log = structlog.get_logger()

OF_TENANT_MAX, IN_ALL_MAX = 32, 200
"""Files that are read at once."""
AGAIN_S = 5
LED_S = 900.0
"""For how long a bucket's own link is good."""
CACHED_MAX_S = 86400
READ_S = 3600.0
"""Of one file, by the slowest of clients."""
Headers = list[tuple[bytes, bytes]]

KEPT_APART = (
    (b"x-content-type-options", b"nosniff"),
    # Without `default-src`: the player that a browser puts around a video has a style of its own.
    (b"content-security-policy", b"sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"accept-ranges, content-range, etag"),
)
"""A link may be played, shown and fetched on any page, and its file runs on none."""


class _Answer(msgspec.Struct):
    status: int
    headers: Headers
    body: bytes = b""
    pieces: AsyncIterator[bytes] | None = None
    """In place of the body."""


class AssetSurface:
    """An ASGI application: judges links, and reads the store."""

    def __init__(
        self,
        pool: Pool,
        *,
        store: AssetStore,
        links: AssetLinks,
        own_origin: str | None,
        is_led: bool,
        counts: Counts,
    ) -> None:
        """`own_origin`: where alone they are served, if anywhere; `is_led`: to a bucket's own."""
        self._pool = pool
        self._store = store
        self._links = links
        self._host = None if own_origin is None else urlsplit(own_origin).netloc.lower()
        self._is_led = is_led and store.is_bucket
        self._counts = counts
        self._open: Counter[int] = Counter()
        """Files under way, by tenant."""

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        client = scope.get("client")
        line = RequestLine(new_request_id(), scope["method"], client[0] if client else "")
        line.route = "assets"
        kept: Kept | None = None
        try:
            kept = await self._find(scope)
            answer = await self._answer(kept, scope)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "request.failed", error, request_id=line.request_id)
            line.error = type(error).__name__
            answer = _refused(503 if is_fault(error) or isinstance(error, StoreFailed) else 500)
        answer.headers.append((b"x-request-id", line.request_id.encode()))
        line.status = answer.status
        try:
            await self._send(send, receive, answer, kept, is_head=scope["method"] == "HEAD")
        finally:
            line.ms = round((time.perf_counter() - began) * 1000, 1)
            log_request(line)
            self._counts.note_answer(line.route, line.status, 0, 0.0)

    async def _find(self, scope: HTTPScope) -> Kept | None:
        """Find what a link leads to; None of one that leads nowhere, any more or at all."""
        if self._host is not None and _header(scope, b"host").lower() != self._host:
            return None
        linked = self._links.read(scope["raw_path"].partition(b"?")[0], scope["query_string"])
        if linked is None or linked.until < time.time():
            return None
        return await find_kept(self._pool, linked.public_id)

    async def _answer(self, kept: Kept | None, scope: HTTPScope) -> _Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return _refused(405, (b"allow", b"GET, HEAD"))
        if kept is None:
            return _refused(404)
        tag = f'"{kept.sha256[:32]}"'
        headers = [
            (b"etag", tag.encode()),
            (b"cache-control", b"private, max-age=%d" % CACHED_MAX_S),
            *KEPT_APART,
        ]
        if tag in _header(scope, b"if-none-match"):
            return _Answer(304, headers)
        # Whether Kling goes where it is led, nobody knows.
        is_for_kling = FOR_KLING.encode() in scope["query_string"]
        stem = TO_SAVE.search(scope["query_string"])
        # A bucket would not say that it is to be saved.
        if self._is_led and scope["method"] == "GET" and not is_for_kling and not stem:
            place = await self._store.link(kept.key, good_for_s=LED_S)
            assert place is not None, "it is a bucket"
            return _Answer(302, [(b"location", place.encode()), (b"cache-control", b"no-store")])
        wanted = _header(scope, b"range") or None
        if (since := _header(scope, b"if-range")) and since != tag:
            wanted = None
        try:
            part = read_range(wanted, kept.bytes)
        except Unsatisfiable:
            return _refused(416, (b"content-range", b"bytes */%d" % kept.bytes))
        first, last = part or (0, kept.bytes - 1)
        if part is not None:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (first, last, kept.bytes)))
        headers += [
            (b"content-type", kept.content_type.encode()),
            (b"content-length", b"%d" % (last - first + 1)),
            (b"accept-ranges", b"bytes"),
            (b"content-disposition", _disposition(scope, kept, stem and stem[1].decode())),
        ]
        return await self._read(kept, first, last, _Answer(206 if part else 200, headers), scope)

    async def _read(
        self, kept: Kept, first: int, last: int, answer: _Answer, scope: HTTPScope
    ) -> _Answer:
        """Begin to read, so that what is missing is told as such."""
        if scope["method"] == "HEAD":
            return answer
        is_full = self._open[kept.tenant_id] >= OF_TENANT_MAX
        if is_full or self._open.total() >= IN_ALL_MAX:
            return _refused(429, (b"retry-after", b"%d" % AGAIN_S))
        pieces = self._store.read(kept.key, first=first, last=last)
        self._open[kept.tenant_id] += 1  # before anything is waited for, and until it is sent
        try:
            begun = await anext(pieces, b"")
        except ContentMissing as error:
            self._ended(kept)
            log.error("asset.missing", key=kept.key, reason=str(error))  # noqa: TRY400 (a sentence)
            return _refused(404)
        except BaseException:
            self._ended(kept)
            raise
        answer.pieces = _with_first(begun, pieces)
        return answer

    async def _send(
        self, send: Send, receive: Receive, answer: _Answer, kept: Kept | None, *, is_head: bool
    ) -> None:
        """Write it as it is read; a client that has gone takes no more of it.

        One that breaks off is left unfinished: the connection closes before the length was told.
        """
        start: Any = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": answer.headers,
        }
        pieces = answer.pieces
        if pieces is None or kept is None:
            await send(start)
            body = b"" if is_head else answer.body
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        watch = asyncio.create_task(_until_gone(receive))
        try:
            with elsewhere():
                async with asyncio.timeout(READ_S):
                    await send(start)
                    async for piece in pieces:
                        if watch.done():
                            return
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (StoreFailed, TimeoutError) as error:
            log.warning("asset.broken_off", key=kept.key, reason=str(error))
        finally:
            watch.cancel()
            self._ended(kept)

    def _ended(self, kept: Kept) -> None:
        self._open[kept.tenant_id] -= 1
        self._open += Counter()  # drops those of whom nothing is open


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _refused(status: int, *headers: tuple[bytes, bytes]) -> _Answer:
    said = {404: b"There is no such file, or the link to it is over.\n"}.get(status, b"")
    return _Answer(
        status,
        [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(said)),
            (b"cache-control", b"no-store"),
            *headers,
        ],
        said,
    )


def _header(scope: HTTPScope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _disposition(scope: HTTPScope, kept: Kept, stem: str | None) -> bytes:
    """Call it as its link does, whose every character was checked."""
    name = scope["raw_path"].partition(b"?")[0].rpartition(b"/")[2].decode("ascii", "replace")
    how = "inline" if stem is None else "attachment"
    suffix = SUFFIXES.get(kept.content_type, "bin")
    return f'{how}; filename="{stem or name.partition(".")[0]}.{suffix}"'.encode()
