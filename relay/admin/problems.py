"""Errors as RFC 9457 spells them, for programs of operators."""

from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_404_NOT_FOUND,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from relay.database.faults import is_fault, log_failure
from relay.desk.errors import NoSuch

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Something in the request cannot be used",
    401: "An operator's token is needed",
    403: "The operator's role may not do this",
    404: "There is no such thing",
    405: "This path has other methods",
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
        case NoSuch():
            found = problem(HTTP_404_NOT_FOUND, str(error), field=error.kind)
        case ValidationException():
            detail, field = _first_of(error)
            found = problem(HTTP_400_BAD_REQUEST, detail, field=field)
        case HTTPException():
            found = problem(error.status_code, error.detail)
        case _:
            found = _answer_fault(request, error)
    headers = getattr(error, "headers", None)
    return Response(found, status_code=found.status, media_type=MEDIA_TYPE, headers=headers)


def _first_of(error: ValidationException) -> tuple[str, str]:
    """Say what is wrong, and with which field, of the first that is."""
    extra = error.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        return str(extra[0].get("message", error.detail)), str(extra[0].get("key", ""))
    return error.detail, ""


def _answer_fault(request: Request[Any, Any, Any], error: Exception) -> Problem:
    log_failure(log, "admin.failed", error, path=request.scope["path"])
    is_databases = is_fault(error)
    return problem(HTTP_503_SERVICE_UNAVAILABLE if is_databases else HTTP_500_INTERNAL_SERVER_ERROR)
