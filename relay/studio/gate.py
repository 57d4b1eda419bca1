"""A request of the studio's, from its first byte to its line in the log."""

import time
from contextlib import ExitStack
from typing import Any

import msgspec
import structlog

from relay.body_budget import BodyBudget
from relay.counts import Counts, elsewhere
from relay.database.faults import is_fault, log_failure
from relay.errors import InternalError, RelayError, Unavailable
from relay.logs import RequestLine, log_request
from relay.pages.later import Later
from relay.proxy.answers import Sent
from relay.proxy.body import ClientGone, ReadBody, declared_length, read_body
from relay.request_ids import new_request_id
from relay.studio.asked import answer_of, scope_of
from relay.studio.behind import Behind, Visit
from relay.studio.entry import Entry, check_scope
from relay.studio.refusals import Refusal, refusal_of, status_of
from relay.studio.sockets import Sockets
from relay.studio.v1.answers import Refused
from relay.tenants.authenticate import Authenticator
from relay.tenants.caller import Caller

log = structlog.get_logger()

ROUTE = "studio"


class Studio:
    """The studio of one relay; an ASGI application."""

    def __init__(
        self,
        pages: Later,
        behind: Behind,
        *,
        authenticator: Authenticator,
        budget: BodyBudget,
        body_limit_bytes: int,
        counts: Counts,
    ) -> None:
        self._pages = pages
        self._entry = Entry(authenticator, behind)
        self._sockets = Sockets(self._entry, behind)
        self._budget = budget
        self._body_limit_bytes = body_limit_bytes
        self._counts = counts

    @property
    def behind(self) -> Behind:
        return self._entry.behind

    async def ask(
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        query: bytes,
        body: bytes,
        address: str,
        language: str,
        key: str | None = None,
    ) -> Sent:
        """Answer whoever was let in by a page of ours, as its own bearer would be answered.

        `path`: as it is spelled in an address, quoted; `body`: JSON; `key`: of a create, its
        Idempotency-Key. What lasts, such as a stream, is not asked for so.

        Raises:
            ScopeTooSmall
        """
        began = time.perf_counter()
        line = RequestLine(new_request_id(), method, address)
        line.route, line.tenant, line.token_id = ROUTE, caller.tenant, caller.token_id
        check_scope(caller, method)

        async def again() -> Caller:
            return caller

        with elsewhere(), ExitStack() as closing:
            visit = Visit(caller, self.behind, line.request_id, address, language, again, closing)
            asked = scope_of(method, path, query=query, key=key, address=address)
            asked |= {"user": visit, "line": line, "body": ReadBody(body)}
            sent = await answer_of(self._pages, asked, body)
        line.status, line.ms = sent.status, round((time.perf_counter() - began) * 1000, 1)
        log_request(line)
        self._counts.note_answer(line.route, line.status, line.code, 0.0)
        return sent

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or say why not."""
        if scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
            return
        began = time.perf_counter()
        client = scope.get("client")
        line = RequestLine(new_request_id(), scope["method"], client[0] if client else "")
        line.route = ROUTE
        body = ReadBody()

        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                if line.status:
                    raise ClientGone  # a stream broke off, and is left unfinished
                line.status = message["status"]
                headers = [*message["headers"], (b"x-request-id", line.request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            with elsewhere(), ExitStack() as closing:
                visit = await self._entry.let_in(scope, line, closing)
                body = await read_body(
                    receive,
                    declared=declared_length(scope["headers"]),
                    budget=self._budget,
                    account_id=visit.caller.account_id,
                    limit_bytes=self._body_limit_bytes,
                )
                body.content = bytes(body.content)  # once: what else is made of it are views of it
                scope["user"], scope["line"], scope["body"] = visit, line, body
                await self._pages(scope, _again(body, receive), note)
        except ClientGone:
            log.info("request.abandoned", request_id=line.request_id, route=ROUTE)
            return
        except RelayError as error:
            await _answer(note, error, refusal_of(error, line, scope["path"]))
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "request.failed", error, request_id=line.request_id)
            told = Unavailable() if is_fault(error) else InternalError()
            await _answer(note, told, refusal_of(told, line, scope["path"]))
        finally:
            body.release()
        line.ms = round((time.perf_counter() - began) * 1000, 1)
        log_request(line)
        self._counts.note_answer(line.route, line.status, line.code, 0.0)


def _again(body: ReadBody, receive: Any) -> Any:
    """Give a body that was read once more, and then what comes behind it."""
    is_given = False

    async def give() -> Any:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body.content, "more_body": False}

    return give


async def _answer(send: Any, error: RelayError, refusal: Refusal | Refused) -> None:
    body = msgspec.json.encode(refusal)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if error.retry_after:
        headers.append((b"retry-after", error.retry_after.encode()))
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
