"""The bytes of a task's video, passed on as Kling's host sends them: new-api's `/content`.

    GET, HEAD  /v1/videos/task_…/content

Nothing is kept here, in memory or on disk: a piece is read once the client took the one before it.
The task is looked up first, and no connection of the database is held while its file is passed on.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from litestar.types import HTTPScope, Receive, Send

from relay.channels.directory import ChannelDirectory
from relay.counts import elsewhere
from relay.errors import RelayError, TaskNotFound, Unauthorized, UnknownPath
from relay.kling.task_object import Status
from relay.logs import RequestLine
from relay.new_api import unified
from relay.proxy.answers import Sent, send_answer
from relay.proxy.paths import shown_path
from relay.proxy.query import Queries
from relay.proxy.surface import TenantSurface, path_of
from relay.proxy.unified_seen import find_seen, sent_as
from relay.results.files import File, FileGone, Files, FileUnreachable
from relay.tenants.caller import Caller

log = structlog.get_logger()

PER_TENANT_MAX, IN_ALL_MAX = 8, 200
"""Files that are passed on at once."""
AGAIN_S = 5
CONTENT_TYPE = b"video/mp4"
ASKED = frozenset({b"range", b"if-range"})
"""Headers of a request that are the file's host's to answer."""
PASSED = (
    *("content-length", "content-range", "accept-ranges"),
    *("content-disposition", "etag", "last-modified"),
)
"""Headers of its answer that are the client's."""
KEPT = (b"cache-control", b"private, max-age=86400")
"""New-api says `public`, which lets a cache between us hand it to whoever asks without a key."""
FOUND, MISSING, BUSY, BROKEN = 302, 404, 429, 502
HOSTS_TOLD_MAX = 100


class Passing(Sent):
    """An answer whose body is a file of Kling's."""

    file: File | None = None
    receive: Any = None
    """ASGI's, which tells when the client has gone."""
    let_go: Callable[[], None] | None = None
    is_head: bool = False


class ContentSurface(TenantSurface):
    """Answers with videos, within bounds of number and time."""

    def __init__(
        self, *, queries: Queries, directory: ChannelDirectory, files: Files, **shell: Any
    ) -> None:
        super().__init__(**shell)
        self._queries = queries
        self._directory = directory
        self._files = files
        self._open: Counter[int] = Counter()
        """Files under way, by tenant."""
        self._hosts_told: set[str] = set()

    async def _answer(
        self, caller: Caller, scope: HTTPScope, receive: Receive, line: RequestLine
    ) -> Sent:
        line.route = "new_api.content"
        if scope["method"] not in ("GET", "HEAD"):
            raise UnknownPath(scope["method"], shown_path(path_of(scope)))
        key = [part for part in path_of(scope).split(b"/") if part][-2]
        seen = await find_seen(self._queries, caller, key)
        if seen.status is not Status.SUCCEED:
            state = unified.STATES[seen.status][0]
            return _refused(400, f"Task is not completed yet, current status: {state}")
        if not seen.result_url:
            return _refused(MISSING, "Task has no video")
        sandbox_url = await self._sandbox_of(seen)
        if not self._files.may_open(seen.result_url, sandbox_url=sandbox_url):
            self._tell_host(seen.result_url)
            return Sent(FOUND, b"", location=seen.result_url)
        if self._open[caller.tenant_id] >= PER_TENANT_MAX or self._open.total() >= IN_ALL_MAX:
            busy = _refused(BUSY, f"At most {PER_TENANT_MAX} videos can be read at once")
            busy.retry_after = str(AGAIN_S)
            return busy
        with elsewhere():
            return await self._pass(caller, seen.result_url, sandbox_url, scope, receive)

    async def _sandbox_of(self, seen: unified.Seen) -> str | None:
        """Find the sandbox that made it, if one did: it may stand on a private network."""
        if seen.channel_id is None:
            return None
        channel = await self._directory.get(seen.channel_id)
        return channel.base_url if channel.is_sandbox else None

    async def _pass(
        self, caller: Caller, url: str, sandbox_url: str | None, scope: HTTPScope, receive: Receive
    ) -> Sent:
        """Open a file, whose place is kept until its last byte; or say why it cannot be had."""
        asked = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in ASKED
        }

        def let_go() -> None:
            self._open[caller.tenant_id] -= 1
            self._open += Counter()  # drops those of whom nothing is open

        self._open[caller.tenant_id] += 1
        try:
            file = await self._files.open(url, sandbox_url=sandbox_url, headers=asked)
        except FileGone:
            let_go()
            return _refused(MISSING, "The video is gone: Kling keeps what it made for 30 days")
        except FileUnreachable as error:
            let_go()
            log.warning("content.unreachable", host=urlsplit(url).hostname, reason=str(error))
            return _refused(BROKEN, "Failed to fetch video content", is_ours=True)
        except BaseException:
            let_go()
            raise
        is_head = scope["method"] == "HEAD"
        return Passing(file.status, b"", file=file, receive=receive, let_go=let_go, is_head=is_head)

    def _tell_host(self, url: str) -> None:
        """Say once of each host that clients are led to it, since it is not one of Kling's."""
        host = urlsplit(url).hostname or ""
        if host not in self._hosts_told and len(self._hosts_told) < HOSTS_TOLD_MAX:
            self._hosts_told.add(host)
            log.warning("content.host_unknown", host=host)

    def _refusal(self, scope: HTTPScope, error: RelayError, request_id: str) -> Sent:
        _ = scope, request_id
        if isinstance(error, Unauthorized):
            sent = sent_as(error.http_status, unified.spell_unauthorized(error.message))
        elif isinstance(error, TaskNotFound):
            sent = _refused(MISSING, "Task not found")
        else:
            sent = _refused(error.http_status, error.message, is_ours=True)
        sent.retry_after = error.retry_after
        return sent

    @staticmethod
    async def _send(send: Send, answer: Sent, request_id: str) -> None:
        if isinstance(answer, Passing):
            await _send_file(send, answer, request_id)
        else:
            await send_answer(send, answer, request_id)


async def _send_file(send: Send, answer: Passing, request_id: str) -> None:
    """Write a file as it comes; a client that has gone ends the reading of it.

    One that breaks off is left unfinished: the connection closes before the length that was told.
    """
    file, let_go = answer.file, answer.let_go
    assert file is not None, "it was made with one"
    assert let_go is not None, "it was made with a place"
    watch = asyncio.create_task(_until_gone(answer.receive))
    watch.add_done_callback(lambda _: file.close())
    try:
        with elsewhere():
            headers = _headers(file, request_id)
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            if not answer.is_head:
                async for piece in file.pieces():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except FileUnreachable as error:
        if not watch.done():
            log.warning("content.broken_off", request_id=request_id, reason=str(error))
    finally:
        watch.cancel()
        file.close()
        let_go()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(file: File, request_id: str) -> list[tuple[bytes, bytes]]:
    kind = (file.header("content-type") or "").encode("latin-1", "replace")
    passed = [
        (name.encode(), value.encode("latin-1", "replace"))
        for name in PASSED
        if (value := file.header(name)) is not None
    ]
    return [
        (b"content-type", kind or CONTENT_TYPE),
        *passed,
        KEPT,
        (b"x-request-id", request_id.encode()),
    ]


def _refused(status: int, message: str, *, is_ours: bool = False) -> Sent:
    return sent_as(status, unified.spell_content_error(message, is_ours=is_ours))
