"""Kling's surface, and the shell that it shares with the other one that tenants speak to."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import structlog
from litestar.types import HTTPScope, Receive, Send

from relay.body_budget import BodyBudget
from relay.counts import Counts, elsewhere, waits
from relay.database.faults import is_fault, log_failure
from relay.database.ids import TaskId
from relay.errors import (
    InternalError,
    RelayError,
    ScopeTooSmall,
    TaskNotFound,
    TimedOut,
    Unavailable,
    UnknownPath,
)
from relay.kling.body import read_fields
from relay.kling.wire import Fields
from relay.logs import RequestLine, log_request
from relay.money import decimal_of
from relay.proxy.account import Accounts
from relay.proxy.answers import Sent, answer_data, answer_error, send_answer
from relay.proxy.asked import SentBefore
from relay.proxy.body import ClientGone, ReadBody, declared_length, read_body, watch
from relay.proxy.many import ManyQueries
from relay.proxy.outcomes import SERVER_ERROR, tell_called, tell_read, tell_submitted
from relay.proxy.own_headers import KEY_HEADER, read_own_headers
from relay.proxy.page import Page, read_page
from relay.proxy.paths import Operation, Route, Router
from relay.proxy.query import Queries
from relay.proxy.within import read_before, scope_within
from relay.request_ids import new_request_id
from relay.tasks.pass_through import PassThrough
from relay.tasks.retries import Client, Retries
from relay.tasks.submit import Submitter
from relay.tenants.authenticate import Authenticator
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

log = structlog.get_logger()

SENT_BEFORE = 409
"""Of a form of ours, in the log: nobody is answered by it."""
GONE = "gone"
"""In place of a status: the client hung up, and nobody was answered."""
UNKNOWN_MAX = 1000
"""Unknown paths that are told in the log; tenants choose them."""


class TenantSurface(ABC):
    """An ASGI application: authenticates, answers in Kling's envelope, writes the request's line.

    A request runs to its end though its client hangs up: the server cancels none for that, so a
    submit needs no task of its own (tests/e2e/test_hangups.py).
    """

    _send = staticmethod(send_answer)

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        budget: BodyBudget,
        body_limit_bytes: int,
        counts: Counts,
    ) -> None:
        self._authenticator = authenticator
        self._counts = counts
        self._budget = budget
        self._body_limit_bytes = body_limit_bytes

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id = new_request_id()
        client = scope.get("client")
        line = RequestLine(request_id, scope["method"], client[0] if client else "")
        try:
            bearer = _authorization(scope)
            caller = await self._authenticator.authenticate(
                bearer, now_s=time.time(), address=line.client
            )
            line.tenant, line.token_id = caller.tenant, caller.token_id
            answer = await self._answer(caller, scope, receive, line)
        except ClientGone:
            log.info("request.abandoned", request_id=request_id, route=line.route)
            self._counts.requests.add(line.route, GONE, "")
            return
        except RelayError as error:
            line.code, line.error = int(error.code), type(error).__name__
            answer = self._refusal(scope, error, request_id)
        except asyncio.CancelledError:
            # We are stopping, and RELAY_DRAIN_S is over. A submit under way is looked up later,
            # like one of a process that died.
            log.warning("request.cut_short", request_id=request_id, route=line.route)
            answer = answer_error(TimedOut(), request_id)
            self._counts.requests.add(line.route, str(answer.status), str(TimedOut.code.value))
            await send_answer(send, answer, request_id)
            raise
        except Exception as error:  # noqa: BLE001 (told in the log)
            refusal = Unavailable() if is_fault(error) else InternalError()
            log_failure(log, "request.failed", error, request_id=request_id)
            line.code, line.error = int(refusal.code), type(error).__name__
            answer = answer_error(refusal, request_id)
        await self._send(send, answer, request_id)
        line.status = answer.status
        self._note(line, began)

    async def ask(
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        query: bytes,
        body: bytes,
        address: str,
        key: str | None = None,
        form_key: str | None = None,
    ) -> Sent:
        """Answer whoever was let in by a page of ours, as its own bearer would be answered.

        `path`: as it is spelled in an address, quoted; `body`: JSON; `key`: of a create, its
        Idempotency-Key; `form_key`: of the page's form, which is done once, as its request.

        Raises:
            RelayError: in Kling's terms.
            SentBefore: the same form did it before.
        """
        line = RequestLine(form_key or new_request_id(), method, address)
        line.tenant, line.token_id = caller.tenant, caller.token_id
        headers = [] if key is None else [(KEY_HEADER.lower().encode(), key.encode())]
        began = time.perf_counter()
        try:
            answer = await self.answer_within(
                caller, line, path, query=query, body=ReadBody(body), headers=headers
            )
            line.status = answer.status
        except RelayError as error:
            line.status, line.code = error.http_status, int(error.code)
            line.error = type(error).__name__
            raise
        except SentBefore as error:
            line.status, line.error = SENT_BEFORE, type(error).__name__
            raise
        except Exception as error:
            line.status, line.error = SERVER_ERROR, type(error).__name__
            raise
        finally:
            self._note(line, began)
        return answer

    async def answer_within(
        self,
        caller: Caller,
        line: RequestLine,
        path: str,
        *,
        query: bytes = b"",
        body: ReadBody | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
        extensions: dict[str, Any] | None = None,
    ) -> Sent:
        """Answer a caller inside of a request to somebody else, who writes its `line`.

        `path`: as it is spelled in an address, quoted; `body`: with its share of the budget, which
        may be given back as the answer is known; `headers`: of a create, its own. Raises as
        `_answer` does.
        """
        scope, receive = scope_within(
            line, path, query=query, body=body or ReadBody(), headers=headers, extensions=extensions
        )
        return await self._answer(caller, scope, receive, line)

    def _note(self, line: RequestLine, began: float) -> None:
        """Write a request's line, and count it."""
        now = time.perf_counter()
        line.ms = round((now - began) * 1000, 1)
        log_request(line)
        overhead_s = now - began
        if (waited := waits.get()) is not None:
            overhead_s = max(0.0, overhead_s - waited.until(now))
            waits.set(None)  # whoever calls us may go on to another request
        self._counts.note_answer(line.route, line.status, line.code, overhead_s)

    @abstractmethod
    async def _answer(
        self, caller: Caller, scope: HTTPScope, receive: Receive, line: RequestLine
    ) -> Sent:
        """Answer a caller that is known; `line` is to be told the route.

        Raises:
            RelayError: in Kling's terms.
        """

    def _refusal(self, scope: HTTPScope, error: RelayError, request_id: str) -> Sent:
        """Spell a refusal, also of a caller who is not known."""
        _ = scope
        return answer_error(error, request_id)

    async def _read(self, scope: HTTPScope, receive: Receive, caller: Caller) -> ReadBody:
        read = read_before(scope)
        if read is not None and read.share is not None:
            return read  # it is in the budget: a second share would wait for the first
        with elsewhere():
            return await read_body(
                receive,
                declared=declared_length(scope["headers"]),
                budget=self._budget,
                account_id=caller.account_id,
                limit_bytes=self._body_limit_bytes,
            )


class KlingSurface(TenantSurface):
    """Every request to Kling: routed by the catalogue, answered in Kling's bytes."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        submitter: Submitter,
        retries: Retries,
        pass_through: PassThrough,
        queries: Queries,
        many: ManyQueries,
        accounts: Accounts,
        router: Router,
        budget: BodyBudget,
        body_limit_bytes: int,
        counts: Counts,
    ) -> None:
        super().__init__(
            authenticator=authenticator,
            budget=budget,
            body_limit_bytes=body_limit_bytes,
            counts=counts,
        )
        self._submitter = submitter
        self._retries = retries
        self._pass_through = pass_through
        self._queries = queries
        self._many = many
        self._accounts = accounts
        self._router = router
        self._unknown: set[tuple[str, str]] = set()

    async def _answer(
        self, caller: Caller, scope: HTTPScope, receive: Receive, line: RequestLine
    ) -> Sent:
        route = self._route(scope["method"], path_of(scope))
        line.route = route.label
        if route.operation is not Operation.QUERY:
            elsewhere()  # before it begins tasks of its own
        if route.operation is Operation.CREATE:
            body = await self._read(scope, receive, caller)
            return await self._create(route, caller, scope, body, line)
        if route.operation is Operation.READ:
            assert route.endpoint is not None, "a read belongs to one endpoint"
            read = self._pass_through.read(caller, route.endpoint, scope["query_string"])
            return tell_read(await read, line)
        data = await self._from_rows(route, caller, scope, receive)
        return answer_data(data, line.request_id)

    async def _from_rows(
        self, route: Route, caller: Caller, scope: HTTPScope, receive: Receive
    ) -> bytes:
        """Make the `data` of what is answered from our own rows."""
        query_string = scope["query_string"]
        match route.operation:
            case Operation.QUERY:
                try:
                    return await self._queries.query(caller, route.endpoint, route.key)
                except TaskNotFound:
                    if route.is_short_query:
                        self._router.refuse_misspelt(path_of(scope))
                    raise
            case Operation.LIST:
                assert route.endpoint is not None, "a list belongs to one endpoint"
                return await self._queries.list(caller, route.endpoint, query_string)
            case Operation.QUERY_MANY:
                return await self._many.query(caller, route.generation, query_string)
            case Operation.COSTS:
                return await self._accounts.costs(caller, query_string)
            case _:
                body = await self._read(scope, receive, caller)
                try:
                    page = read_page(read_fields(body.content or b"{}"), route.generation)
                finally:
                    body.release()
                return await self._page(route, caller, page)

    def _route(self, method: str, path: bytes) -> Route:
        try:
            return self._router.find(method, path)
        except UnknownPath as error:
            # The last part of a GET may be an id of the tenant's.
            shown = error.path if method != "GET" else error.path.rpartition("/")[0] + "/…"
            if (method, shown) not in self._unknown and len(self._unknown) < UNKNOWN_MAX:
                # Once for each, so that an operator sees what to add.
                self._unknown.add((method, shown))
                log.warning("path.unknown", method=method, path=shown)
            raise

    async def _page(self, route: Route, caller: Caller, page: Page) -> bytes:
        match route.operation:
            case Operation.PACKAGE:
                return await self._accounts.package(caller, page)
            case Operation.BALANCE:
                return await self._accounts.balance(caller, page)
            case _:
                assert route.operation is Operation.LIST_MANY, "all others are answered before"
                return await self._many.list(caller, route.generation, page)

    async def _create(
        self, route: Route, caller: Caller, scope: HTTPScope, body: ReadBody, line: RequestLine
    ) -> Sent:
        endpoint = route.endpoint
        assert endpoint is not None, "a create belongs to one endpoint"
        try:
            if not caller.scope.has(Scope.CALL):
                raise ScopeTooSmall(caller.scope, Scope.CALL)
            caller.check_endpoint(endpoint.name)
            fields = read_fields(body.content)
            if not endpoint.makes_a_row:
                passed = await self._pass_through.call(caller, endpoint, fields, body=body.share)
                return tell_called(passed, caller, line)
            own = read_own_headers(scope)
            client = Client(
                self._retries,
                request_id=line.request_id,
                path=f"{endpoint.path} {route.model or ''}",
                body=body.content,
                key=own.key,
                share=body.share,
            )
            watch(scope, client.hang_up)
            return await self._submit(route, caller, fields, line, client, queue=own.queue)
        finally:
            body.release()

    async def _submit(
        self,
        route: Route,
        caller: Caller,
        fields: Fields,
        line: RequestLine,
        client: Client[TaskId],
        *,
        queue: str | None,
    ) -> Sent:
        """Answer a create; one that hears nothing certain may be sent again, and joined."""
        endpoint = route.endpoint
        assert endpoint is not None, "a create belongs to one endpoint"
        try:
            submitted = await self._submitter.submit(
                caller,
                endpoint,
                fields,
                request_id=line.request_id,
                model=route.model,
                address=line.client,
                client=client,
                queue=queue,
            )
            sent = tell_submitted(submitted, line, endpoint.generation)
        except BaseException as error:
            if not isinstance(error, RelayError) or error.http_status >= SERVER_ERROR:
                await client.give_up()
            raise
        if sent.status >= SERVER_ERROR:
            await client.give_up()
        if caller.shows_quote:
            task = submitted.task
            sent.quote = decimal_of(task.quote.resold(task.hold_micros))
        return sent


def path_of(scope: HTTPScope) -> bytes:
    return scope["raw_path"].partition(b"?")[0]


def _authorization(scope: HTTPScope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return None
