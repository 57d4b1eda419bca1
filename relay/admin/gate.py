"""Who comes in: an operator with a token; everybody else is told the same, and bounded."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from litestar.response.base import ASGIResponse
from litestar.status_codes import (
    HTTP_401_UNAUTHORIZED,
    HTTP_429_TOO_MANY_REQUESTS,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from relay.admin.named import keep_slashes
from relay.admin.problems import MEDIA_TYPE, problem
from relay.database.faults import is_fault, log_failure
from relay.desk.office import Office
from relay.networks import client_of
from relay.operators.authenticate import KnownOperator, OperatorAuthenticator
from relay.tries import Tries

log = structlog.get_logger()

WINDOW_S = 60.0
WRONG_MAX = 20
"""Tokens that are nobody's, from one address in a window; then it waits."""


class Gate:
    """ASGI before the admin API; behind it `scope["user"]` is the operator."""

    def __init__(
        self,
        app: Any,
        operators: OperatorAuthenticator,
        office: Office,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._operators = operators
        self._office = office
        self._wrong = Tries(WRONG_MAX, WINDOW_S, clock=clock)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let an operator in; answer everybody else."""
        client = scope["client"]
        address = client[0] if client else ""
        wait_s = self._wrong.wait_s(client_of(address))
        if wait_s > 0:
            headers = {"retry-after": str(int(wait_s) + 1)}
            await _refuse(scope, receive, send, HTTP_429_TOO_MANY_REQUESTS, headers)
            return
        token = _token(scope["headers"])
        try:
            known = token and await self._operators.find(token, address=address)
        except Exception as error:  # noqa: BLE001 (told in the log; nobody is let in)
            log_failure(log, "admin.not_asked", error)
            status = (
                HTTP_503_SERVICE_UNAVAILABLE if is_fault(error) else HTTP_500_INTERNAL_SERVER_ERROR
            )
            await _refuse(scope, receive, send, status, {})
            return
        if not isinstance(known, KnownOperator):
            if token:
                self._wrong.count(client_of(address))
            await self._office.refusals.note(None, address, HTTP_401_UNAUTHORIZED, scope["path"])
            headers = {"www-authenticate": "Bearer"}
            await _refuse(scope, receive, send, HTTP_401_UNAUTHORIZED, headers)
            return
        scope["user"], scope["gate"], scope["office"] = known, self, self._office
        keep_slashes(scope)
        await self._app(scope, receive, send)


def _token(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Read the one bearer; two say nothing."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, token = given[0].decode("latin-1").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def _refuse(
    scope: Any, receive: Any, send: Any, status: int, headers: dict[str, str]
) -> None:
    answer = ASGIResponse(
        body=msgspec.json.encode(problem(status)),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )
    await answer(scope, receive, send)
