"""Errors as RFC 9457 spells them, for programs of operators."""

import re
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_403_FORBIDDEN,
    HTTP_404_NOT_FOUND,
    HTTP_409_CONFLICT,
    HTTP_412_PRECONDITION_FAILED,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from relay.database.faults import is_fault, is_of_a_text, log_failure
from relay.desk.errors import Busy, DeskError, NoSuch, NotAllowed, OverCeiling, Stale, Unusable
from relay.desk.setup.plan import EntryRefused

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
WHOLE_BODY = "data"
"""How Litestar names a body."""
NAMED = re.compile(r"^Object (?:missing required|contains unknown) field `(\w+)`")
"""How msgspec names a field that stands where it should not, or does not where it should."""
NEEDED = re.compile(r"^Missing required \w+ parameter '([\w-]+)'")
"""How Litestar names a parameter of the path, query or header that is not there."""
TITLES = {
    400: "Something in the request cannot be used",
    401: "An operator's token is needed",
    403: "The operator's role may not do this",
    404: "There is no such thing",
    405: "This path has other methods",
    409: "It cannot be done as things are",
    412: "It was changed since you read it",
    413: "The body is too large",
    429: "Too many wrong tokens from this address",
    500: "A mistake of the relay's, which its log has",
    503: "The database cannot be asked now",
}


class Problem(msgspec.Struct, omit_defaults=True):
    """What was wrong."""

    title: str
    status: int
    detail: str = ""
    field: str = ""
    """Of the query or the body, where it is one."""


class WrongField(Exception):
    """A field cannot be used; the message says why."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class KeyOfAnother(Exception):
    """Under this key something else was asked for."""

    def __init__(self) -> None:
        super().__init__("another request had this Idempotency-Key within the last 24 hours")


def problem(status: int, detail: str = "", *, field: str = "") -> Problem:
    return Problem(TITLES.get(status, "It was not done"), status, detail, field)


def declared(*statuses: int) -> dict[int, ResponseSpec]:
    """Declare errors of a handler, and those that any has."""
    return {
        status: ResponseSpec(
            Problem, media_type=MEDIA_TYPE, description=TITLES[status], generate_examples=False
        )
        for status in sorted({401, 429, 500, 503, *statuses})
    }


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer whatever a handler raised."""
    match error:
        case WrongField():
            found = problem(HTTP_400_BAD_REQUEST, f"{error}", field=error.field)
        case DeskError():
            found = _of_desk(error)
        case EntryRefused():
            found = _of_desk(error.error)
            found = problem(found.status, f"{error.label}: {found.detail}", field="toml")
        case KeyOfAnother():
            found = problem(HTTP_409_CONFLICT, str(error), field="Idempotency-Key")
        case ValidationException():
            detail, field = _first_of(error)
            found = problem(HTTP_400_BAD_REQUEST, detail, field=field)
        case HTTPException():
            found = problem(error.status_code, error.detail)
        case _ if is_of_a_text(error):
            # Here for all texts of all routes: as a check of each, some would be forgotten.
            found = problem(HTTP_400_BAD_REQUEST, "a text has a NUL character, which is none")
        case _:
            found = _answer_fault(request, error)
    headers = {"retry-after": "1"} if isinstance(error, Busy) else getattr(error, "headers", None)
    return Response(found, status_code=found.status, media_type=MEDIA_TYPE, headers=headers)


def _of_desk(error: DeskError) -> Problem:
    match error:
        case NoSuch():
            return problem(HTTP_404_NOT_FOUND, str(error), field=error.kind)
        case Unusable():
            return problem(HTTP_400_BAD_REQUEST, str(error), field=error.field)
        case NotAllowed() | OverCeiling():
            return problem(HTTP_403_FORBIDDEN, str(error))
        case Stale():
            why = "read it again, and say the ETag that it has then"
            return problem(HTTP_412_PRECONDITION_FAILED, why, field="If-Match")
        case _:
            return problem(HTTP_409_CONFLICT, str(error))


def _first_of(error: ValidationException) -> tuple[str, str]:
    """Say what is wrong, and with which field, of the first that is."""
    extra = error.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        message, key = (str(extra[0].get(name, "")) for name in ("message", "key"))
        key = "" if key == WHOLE_BODY else key
        named = NAMED.search(message)
        return message, ".".join(filter(None, (key, named[1] if named else "")))
    needed = NEEDED.search(error.detail)
    return (f"{needed[1]} is missing", needed[1]) if needed else (error.detail, "")


def _answer_fault(request: Request[Any, Any, Any], error: Exception) -> Problem:
    log_failure(log, "admin.failed", error, path=request.scope["path"])
    is_databases = is_fault(error)
    return problem(HTTP_503_SERVICE_UNAVAILABLE if is_databases else HTTP_500_INTERNAL_SERVER_ERROR)
