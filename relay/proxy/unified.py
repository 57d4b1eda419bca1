"""New-api's own paths, beside Kling's, for customers who came from one (`RELAY_NEW_API_PATHS`).

    POST /v1/video/generations        POST /v1/videos
    GET  /v1/video/generations/{id}   GET  /v1/videos/task_…
                                      GET  /v1/videos/task_…/content

A create becomes Kling's create and goes the way that all of them go: one hold, one charge. Ids have
`task_` before the task's own; those of tasks that were made there are found as they are.
"""

from urllib.parse import unquote_to_bytes

import msgspec
from litestar.types import HTTPScope, Receive
from msgspec import Raw

from relay.errors import (
    RelayError,
    ScopeTooSmall,
    TaskNotFound,
    Unauthorized,
    UnknownPath,
)
from relay.kling.body import read_fields
from relay.kling.task_object import Status, moved_at, read_task
from relay.kling.wire import fields_of, text_of, value_of
from relay.logs import RequestLine
from relay.new_api import unified
from relay.proxy.answers import Sent, answer_error
from relay.proxy.body import ReadBody
from relay.proxy.paths import shown_path
from relay.proxy.surface import KlingSurface, path_of
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

VIDEO, VIDEOS, GENERATIONS, CONTENT = b"video", b"videos", b"generations", b"content"
OK, FOUND = 200, 302


class UnifiedSurface(KlingSurface):
    """Kling's surface with new-api's paths on it."""

    async def _answer(
        self, caller: Caller, scope: HTTPScope, receive: Receive, line: RequestLine
    ) -> Sent:
        segments = _segments(scope)
        if segments is None:
            return await super()._answer(caller, scope, receive, line)
        line.route = "new_api.create" if scope["method"] == "POST" else "new_api.query"
        if scope["method"] == "POST" and segments in ((VIDEO, GENERATIONS), (VIDEOS,)):
            if not caller.scope.has(Scope.CALL):
                raise ScopeTooSmall(caller.scope, Scope.CALL)
            return await self._make(caller, scope, await self._read(scope, receive, caller), line)
        if scope["method"] != "GET" or len(segments) < 2:  # noqa: PLR2004 (an id)
            raise UnknownPath(scope["method"], shown_path(path_of(scope)))
        is_content = segments[-1] == CONTENT
        key = unquote_to_bytes(segments[-2 if is_content else -1]).decode(errors="replace")
        seen = await self._see(caller, key.replace("\x00", "\ufffd"))
        if is_content:
            return _content(seen)
        if segments[0] == VIDEOS:
            return _sent(OK, unified.spell_video(seen))
        group = caller.price_group if caller.parent_id is None else None  # it is its parent's
        task = unified.spell_task(seen, tenant_id=caller.tenant_id, group=group)
        return _sent(OK, {"code": "success", "message": "", "data": task})

    def _refusal(self, scope: HTTPScope, error: RelayError, request_id: str) -> Sent:
        segments = _segments(scope)
        if segments is None:
            return answer_error(error, request_id)
        if isinstance(error, Unauthorized):
            sent = _sent(error.http_status, unified.spell_unauthorized(error.message))
        elif segments[-1] == CONTENT:
            is_unknown = isinstance(error, TaskNotFound)
            spelled = unified.spell_content_error(
                "Task not found" if is_unknown else error.message, is_ours=not is_unknown
            )
            sent = _sent(404 if is_unknown else error.http_status, spelled)
        else:
            sent = _sent(*unified.spell_refusal(error))
        sent.retry_after = error.retry_after
        return sent

    async def _make(
        self, caller: Caller, scope: HTTPScope, body: ReadBody, line: RequestLine
    ) -> Sent:
        try:
            content = bytes(body.content)
            endpoint, klings = unified.read_create(content, _content_type(scope))
        except BaseException:
            body.release()
            raise
        route = self._router.find("POST", f"/v1/videos/{endpoint}".encode())
        made = await self._create(route, caller, scope, ReadBody(klings, body.share), line)
        envelope = read_fields(made.body)
        if made.status != OK:
            status = made.status if made.status >= 500 else 400  # noqa: PLR2004
            sent = _sent(status, unified.spell_failed(text_of(envelope.get("message"))))
            sent.retry_after = made.retry_after
            return sent
        data = fields_of(envelope.get("data"))
        at_ms = value_of(data.get("created_at", Raw(b"0")))
        model = text_of(read_fields(klings).get("model_name"))
        sent = _sent(
            OK,
            unified.spell_created(
                text_of(data.get("task_id")), model, at_ms if isinstance(at_ms, int) else 0
            ),
        )
        sent.quote = made.quote
        return sent

    async def _see(self, caller: Caller, key: str) -> unified.Seen:
        """Find a task by an id of these paths.

        Raises:
            TaskNotFound, Unavailable
        """
        own = key.removeprefix(unified.PREFIX)
        task = await self._queries.find(caller, own)
        if task is None and (moved := await self._queries.moved(caller, key)) is not None:
            data = str(moved["shown"]).encode()
            return unified.Seen(
                id=key,
                endpoint=moved["endpoint"],
                model=moved["model"],
                news=read_task(data),
                data=data,
                created_at=moved["created_at"],
                ended_at=moved["ended_at"],
                result_url=moved["result_url"],
            )
        data = await self._queries.query(caller, None, own)
        task = await self._queries.find(caller, own)
        if task is None:
            raise TaskNotFound
        news = read_task(data)
        return unified.Seen(
            id=unified.PREFIX + own,
            endpoint=task.endpoint_name,
            model=task.quote.wanted.model,
            news=news,
            data=data,
            created_at=task.created_at,
            ended_at=moved_at(news),
            result_url=next(iter(news.result_urls), None),
        )


def _content(seen: unified.Seen) -> Sent:
    """Lead to the video where Kling has it: it is not fetched through the relay."""
    if seen.status is not Status.SUCCEED:
        state = unified.STATES[seen.status][0]
        message = f"Task is not completed yet, current status: {state}"
        return _sent(400, unified.spell_content_error(message))
    if not seen.result_url:
        return _sent(404, unified.spell_content_error("Task has no video"))
    return Sent(FOUND, b"", location=seen.result_url)


def _segments(scope: HTTPScope) -> tuple[bytes, ...] | None:
    """Read a path as one of new-api's; None is one of Kling's."""
    version, *rest = [*filter(None, path_of(scope).split(b"/")), b""][:-1] or [b""]
    if version != b"v1" or not rest:
        return None
    match rest:
        case [b"video", b"generations", *_]:
            return tuple(rest)
        case [b"videos"] if scope["method"] == "POST":
            return tuple(rest)
        case [b"videos", key, *more] if key.startswith(b"task_") and more in ([], [CONTENT]):
            return tuple(rest)
        case _:
            return None


def _content_type(scope: HTTPScope) -> str:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return value.decode("latin-1")
    return ""


def _sent(status: int, value: object) -> Sent:
    return Sent(status, msgspec.json.encode(value))
