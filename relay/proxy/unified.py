"""New-api's own paths, beside Kling's, for customers who came from one (`RELAY_NEW_API_PATHS`).

    POST /v1/video/generations        POST /v1/videos
    GET  /v1/video/generations/{id}   GET  /v1/videos/task_…

A create becomes Kling's create and goes the way that all of them go: one hold, one charge. A name
that channels there gave to a model is Kling's own from here on. Ids have
`task_` before the task's own; those of tasks that were made there are found as they are. The bytes
of a video are `unified_content.py`'s.
"""

import msgspec
from litestar.types import HTTPScope, Receive
from msgspec import Raw

from relay.errors import RelayError, ScopeTooSmall, Unauthorized, UnknownPath
from relay.kling.body import read_fields
from relay.kling.wire import Fields, fields_of, text_of, value_of
from relay.logs import RequestLine
from relay.new_api import unified
from relay.pricing.official import KLINGS_MODELS
from relay.proxy.answers import Sent, answer_error
from relay.proxy.body import ReadBody
from relay.proxy.paths import shown_path
from relay.proxy.surface import KlingSurface, path_of
from relay.proxy.unified_seen import find_seen, sent_as
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

MODEL = "model_name"
VIDEO, VIDEOS, GENERATIONS = b"video", b"videos", b"generations"
OK = 200


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
        seen = await find_seen(self._queries, caller, segments[-1])
        if segments[0] == VIDEOS:
            return sent_as(OK, unified.spell_video(seen))
        group = caller.price_group if caller.parent_id is None else None  # it is its parent's
        task = unified.spell_task(seen, tenant_id=caller.tenant_id, group=group)
        return sent_as(OK, {"code": "success", "message": "", "data": task})

    def _refusal(self, scope: HTTPScope, error: RelayError, request_id: str) -> Sent:
        segments = _segments(scope)
        if segments is None:
            return answer_error(error, request_id)
        if isinstance(error, Unauthorized):
            sent = sent_as(error.http_status, unified.spell_unauthorized(error.message))
        else:
            sent = sent_as(*unified.spell_refusal(error))
        sent.retry_after = error.retry_after
        return sent

    async def _make(
        self, caller: Caller, scope: HTTPScope, body: ReadBody, line: RequestLine
    ) -> Sent:
        try:
            content = bytes(body.content)
            endpoint, fields = unified.read_create(content, _content_type(scope))
            model = text_of(fields.get(MODEL))
            fields |= await self._klings_name(model)
        except BaseException:
            body.release()
            raise
        klings = msgspec.json.encode(fields)
        route = self._router.find("POST", f"/v1/videos/{endpoint}".encode())
        made = await self._create(route, caller, scope, ReadBody(klings, body.share), line)
        envelope = read_fields(made.body)
        if made.status != OK:
            status = made.status if made.status >= 500 else 400  # noqa: PLR2004
            sent = sent_as(status, unified.spell_failed(text_of(envelope.get("message"))))
            sent.retry_after = made.retry_after
            return sent
        data = fields_of(envelope.get("data"))
        at_ms = value_of(data.get("created_at", Raw(b"0")))
        sent = sent_as(
            OK,
            unified.spell_created(
                text_of(data.get("task_id")), model, at_ms if isinstance(at_ms, int) else 0
            ),
        )
        sent.quote = made.quote
        return sent

    async def _klings_name(self, model: str) -> Fields:
        """Name the model as Kling does, where it had another name in the relay that was left."""
        if model in KLINGS_MODELS:
            return {}
        klings = await self._queries.model_called(model)
        return {} if klings is None else {MODEL: Raw(msgspec.json.encode(klings))}


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
        case [b"videos", key] if key.startswith(unified.PREFIX.encode()):
            return tuple(rest)
        case _:
            return None


def _content_type(scope: HTTPScope) -> str:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return value.decode("latin-1")
    return ""
