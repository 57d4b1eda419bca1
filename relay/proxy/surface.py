"""Kling's surface: every request that a tenant sends."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog
from litestar.types import HTTPScope, Receive, Send

from relay.database.batch import DatabaseUnavailable, RowBlocked
from relay.errors import RelayError, Unavailable
from relay.kling.body import read_fields
from relay.kling.endpoints import Endpoint
from relay.proxy.answers import Sent, answer_data, answer_error, new_request_id, send_answer
from relay.proxy.body import BodyBudget, ClientGone, ReadBody, read_body
from relay.proxy.own import OwnPaths, find_own_path
from relay.proxy.paths import Operation, find_route
from relay.proxy.query import Queries
from relay.tasks.submit import Answer, Submitter
from relay.tenants.authenticate import Authenticator
from relay.tenants.tokens import Caller

log = structlog.get_logger()

INTERNAL = RelayError(500, 5000, "Internal error")


class _Line(msgspec.Struct):
    """What the request's one log line says."""

    route: str = ""
    caller: Caller | None = None
    id: int | None = None
    channel: str = ""
    code: int = 0
    error: str = ""


class KlingSurface:
    """An ASGI application: authenticates, routes by the catalogue, answers in Kling's bytes."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        submitter: Submitter,
        queries: Queries,
        own_paths: OwnPaths,
        budget: BodyBudget,
        body_limit_bytes: int,
    ) -> None:
        self._authenticator = authenticator
        self._submitter = submitter
        self._queries = queries
        self._own_paths = own_paths
        self._budget = budget
        self._body_limit_bytes = body_limit_bytes
        self._running: set[asyncio.Task[Answer]] = set()

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id = new_request_id()
        line = _Line()
        try:
            answer = await self._answer(scope, receive, request_id, line)
        except ClientGone:
            log.info("request.abandoned", request_id=request_id, route=line.route)
            return
        except RelayError as error:
            line.code, line.error = error.code, type(error).__name__
            answer = answer_error(error, request_id)
        except (DatabaseUnavailable, RowBlocked, OSError) as error:
            log.exception("request.database_unavailable", request_id=request_id)
            line.code, line.error = Unavailable().code, type(error).__name__
            answer = answer_error(Unavailable(), request_id)
        except Exception as error:
            log.exception("request.failed", request_id=request_id)
            line.code, line.error = INTERNAL.code, type(error).__name__
            answer = answer_error(INTERNAL, request_id)
        await send_answer(send, answer, request_id)
        _log_line(scope, line, answer, request_id, began)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the submits that are under way."""
        if self._running:
            log.info("submits.draining", submits=len(self._running))
            await asyncio.wait(set(self._running), timeout=timeout_s)

    async def _answer(
        self, scope: HTTPScope, receive: Receive, request_id: str, line: _Line
    ) -> Sent:
        line.caller = caller = await self._authenticator.authenticate(
            _authorization(scope), now_s=time.time()
        )
        raw_path = scope["raw_path"].partition(b"?")[0]
        own_path = find_own_path(raw_path)
        if own_path is not None:
            line.route = "relay.deliveries"
            return await self._answer_own(caller, own_path, scope, receive, request_id)
        route = find_route(scope["method"], raw_path)
        line.route = route.label
        match route.operation:
            case Operation.CREATE:
                assert route.endpoint is not None, "a create belongs to one endpoint"
                body = await read_body(
                    scope,
                    receive,
                    budget=self._budget,
                    tenant_id=caller.tenant_id,
                    limit_bytes=self._body_limit_bytes,
                )
                return await self._create(route.endpoint, caller, body, request_id, line)
            case Operation.QUERY:
                data = await self._queries.query(caller, route.endpoint, route.key)
                return answer_data(data, request_id)
            case Operation.LIST:
                assert route.endpoint is not None, "a list belongs to one endpoint"
                data = await self._queries.list(caller, route.endpoint, scope["query_string"])
                return answer_data(data, request_id)

    async def _answer_own(
        self,
        caller: Caller,
        own_path: tuple[str, ...],
        scope: HTTPScope,
        receive: Receive,
        request_id: str,
    ) -> Sent:
        body = await read_body(
            scope,
            receive,
            budget=self._budget,
            tenant_id=caller.tenant_id,
            limit_bytes=self._body_limit_bytes,
        )
        try:
            content = bytes(body.content)
        finally:
            body.release()
        data = await self._own_paths.answer(
            caller, scope["method"], own_path, scope["query_string"], content
        )
        return answer_data(data, request_id)

    async def _create(
        self, endpoint: Endpoint, caller: Caller, body: ReadBody, request_id: str, line: _Line
    ) -> Sent:
        try:
            fields = read_fields(body.content)
        except BaseException:
            body.release()
            raise
        submit = self._submitter.submit(caller, endpoint, fields, request_id=request_id)
        answer = await self._detach(submit, body)
        line.id, line.channel, line.code = answer.id, answer.channel, answer.code
        return Sent(answer.status, answer.body, retry_after=answer.retry_after)

    async def _detach(self, submit: Coroutine[Any, Any, Answer], body: ReadBody) -> Answer:
        """Run a submit as the process's own task: a client that hangs up cancels nothing."""
        running = asyncio.create_task(submit)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        running.add_done_callback(lambda _: body.release())
        running.add_done_callback(_retrieve)
        return await asyncio.shield(running)


def _retrieve(running: asyncio.Task[Answer]) -> None:
    """Fetch the outcome of a submit that nobody waits for any more."""
    if not running.cancelled():
        running.exception()


def _authorization(scope: HTTPScope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return None


def _log_line(scope: HTTPScope, line: _Line, answer: Sent, request_id: str, began: float) -> None:
    caller = line.caller
    client = scope.get("client")
    log.info(
        "request.answered",
        request_id=request_id,
        method=scope["method"],
        route=line.route or "unknown",
        status=answer.status,
        code=line.code,
        error=line.error,
        tenant=caller.tenant if caller else "",
        token_id=caller.token_id if caller else None,
        id=line.id,
        channel=line.channel,
        client=client[0] if client else "",
        ms=round((time.perf_counter() - began) * 1000, 1),
    )
