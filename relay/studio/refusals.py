"""Refusals in the studio's words: Kling's code and message, in an envelope of its own.

    {"success": false, "error_code": 1201, "error_message": "image: must be given",
     "request_id": "…"}

The HTTP status is the one that Kling sends with the code (docs/kling-api.md 8).
"""

from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from relay.database.faults import is_fault, is_of_a_text, log_failure
from relay.errors import (
    BadRequest,
    InternalError,
    RelayError,
    Unavailable,
    UnknownPath,
)
from relay.logs import RequestLine
from relay.studio.misfits import misfit_of
from relay.studio.v1.answers import PREFIX as V1
from relay.studio.v1.answers import Refused, spell_refusal

log = structlog.get_logger()

NOT_FOUND, NOT_ALLOWED = 404, 405
_BODY = "data"
"""What handlers call it."""


class Refusal(msgspec.Struct, frozen=True):
    """What is told of a request that was refused."""

    error_code: int
    error_message: str
    request_id: str
    success: bool = False
    task_id: str | None = None
    """Of a create that Kling refused: by which it is found all the same."""


def refusal_of(error: RelayError, line: RequestLine, path: str) -> Refusal | Refused:
    """Spell a refusal in the words of its path, and note it in the request's line."""
    line.code, line.error = int(error.code), type(error).__name__
    if path.startswith(f"{V1}/"):
        return spell_refusal(error, line.request_id)
    return Refusal(int(error.code), error.message, line.request_id)


def status_of(error: RelayError) -> int:
    return error.http_status


def answer_refusal(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer what a handler raised."""
    line: RequestLine = request.scope["line"]  # type: ignore[typeddict-item]
    told = _told(request, error)
    if isinstance(told, InternalError | Unavailable) and not isinstance(error, RelayError):
        log_failure(log, "request.failed", error, request_id=line.request_id)
    headers = {"retry-after": told.retry_after} if told.retry_after else {}
    told_so = refusal_of(told, line, request.scope["path"])
    return Response(told_so, status_code=status_of(told), headers=headers)


def _told(request: Request[Any, Any, Any], error: Exception) -> RelayError:
    if isinstance(error, RelayError):
        return error
    if isinstance(error, ValidationException):
        return _wrong_field(error)
    if isinstance(error, HTTPException):
        if error.status_code in (NOT_FOUND, NOT_ALLOWED):
            return UnknownPath(request.method, request.url.path)
        return BadRequest(error.detail)
    return refusal_of_failure(error)


def refusal_of_failure(error: Exception) -> RelayError:
    """Say what is told of what a handler did not mean to raise."""
    if isinstance(error, RecursionError):
        return BadRequest("The request body is nested too deeply")
    if is_of_a_text(error):
        return BadRequest("A text that is looked for has a NUL, which none that is kept can have")
    return Unavailable() if is_fault(error) else InternalError()


def _wrong_field(error: ValidationException) -> RelayError:
    """Name the field that Litestar found wrong."""
    extra = error.extra if isinstance(error.extra, list) else []
    for one in extra:
        if not isinstance(one, dict):
            continue
        message, key = str(one.get("message", "")), str(one.get("key", ""))
        if key == message.strip("'") == _BODY:
            return BadRequest("The body must be a JSON object")  # there is none
        field = "" if key == _BODY else key.removeprefix(f"{_BODY}.")
        return misfit_of(message, field)
    return BadRequest(error.detail)
