"""The bytes of a task's video, passed on as Kling's host sends them: new-api's `/content`.

    GET, HEAD  /v1/videos/task_…/content

The task is looked up first, and no connection of the database is held while its file is passed on.
"""

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
from relay.results.files import File, FileGone, FileUnreachable
from relay.results.passing import (
    EACH_MAX,
    Opened,
    Passing,
    TooManyFiles,
    headers_passed,
    pass_on,
)
from relay.tenants.caller import Caller

log = structlog.get_logger()

AGAIN_S = 5
CONTENT_TYPE = b"video/mp4"
KEPT = (b"cache-control", b"private, max-age=86400")
"""New-api says `public`, which lets a cache between us hand it to whoever asks without a key."""
FOUND, MISSING, BUSY, BROKEN = 302, 404, 429, 502
HOSTS_TOLD_MAX = 100


class PassedOn(Sent):
    """An answer whose body is a file of Kling's."""

    opened: Opened | None = None
    receive: Any = None
    """ASGI's, which tells when the client has gone."""
    is_head: bool = False


class ContentSurface(TenantSurface):
    """Answers with videos, within bounds of number and time."""

    def __init__(
        self, *, queries: Queries, directory: ChannelDirectory, passing: Passing, **shell: Any
    ) -> None:
        super().__init__(**shell)
        self._queries = queries
        self._directory = directory
        self._passing = passing
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
        sandbox_url = await self._directory.sandbox_url(seen.channel_id)
        if not self._passing.may_open(seen.result_url, sandbox_url=sandbox_url):
            self._tell_host(seen.result_url)
            return Sent(FOUND, b"", location=seen.result_url)
        with elsewhere():
            return await self._open(caller, seen.result_url, sandbox_url, scope, receive)

    async def _open(
        self, caller: Caller, url: str, sandbox_url: str | None, scope: HTTPScope, receive: Receive
    ) -> Sent:
        """Open a file, whose place is kept until its last byte; or say why it cannot be had."""
        try:
            opened = await self._passing.open(
                url, sandbox_url=sandbox_url, whose=caller.tenant_id, headers=scope["headers"]
            )
        except TooManyFiles:
            busy = _refused(BUSY, f"At most {EACH_MAX} videos can be read at once")
            busy.retry_after = str(AGAIN_S)
            return busy
        except FileGone:
            return _refused(MISSING, "The video is gone: Kling keeps what it made for 30 days")
        except FileUnreachable as error:
            log.warning("content.unreachable", host=urlsplit(url).hostname, reason=str(error))
            return _refused(BROKEN, "Failed to fetch video content", is_ours=True)
        is_head = scope["method"] == "HEAD"
        return PassedOn(opened.file.status, b"", opened=opened, receive=receive, is_head=is_head)

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
        if isinstance(answer, PassedOn):
            opened = answer.opened
            assert opened is not None, "it was made with one"
            headers = _headers(opened.file, request_id)
            await pass_on(
                *(send, answer.receive, opened, headers),
                is_head=answer.is_head,
                request_id=request_id,
            )
        else:
            await send_answer(send, answer, request_id)


def _headers(file: File, request_id: str) -> list[tuple[bytes, bytes]]:
    kind = (file.header("content-type") or "").encode("latin-1", "replace")
    name = (file.header("content-disposition") or "").encode("latin-1", "replace")
    return [
        (b"content-type", kind or CONTENT_TYPE),
        *headers_passed(file),
        *([(b"content-disposition", name)] if name else []),
        KEPT,
        (b"x-request-id", request_id.encode()),
    ]


def _refused(status: int, message: str, *, is_ours: bool = False) -> Sent:
    return sent_as(status, unified.spell_content_error(message, is_ours=is_ours))
