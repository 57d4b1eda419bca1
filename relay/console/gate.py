"""Who comes in: a browser with a session, from our own pages only; and what all answers bear.

A session is known by a cookie that none but these pages have: Kling's paths are on another
listener, and never get one.
"""

from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.response.base import ASGIResponse
from litestar.status_codes import (
    HTTP_303_SEE_OTHER,
    HTTP_403_FORBIDDEN,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from relay.console.assets import ROOT as ASSETS
from relay.console.results import SOURCES
from relay.database.faults import is_fault, log_failure
from relay.desk.office import Office
from relay.logins.sessions import Visitor, find_visitor
from relay.networks import is_address

log = structlog.get_logger()

ROOT = "/console"
OPEN = (f"{ROOT}/login", f"{ROOT}/enter", f"{ROOT}/look")
"""Where one is before one has a session."""
SAFE = ("GET", "HEAD")
COOKIE, SECURE_COOKIE = "relay-console", "__Host-relay-console"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    f" img-src 'self' data: {SOURCES}; media-src 'self' {SOURCES}; connect-src 'self';"
    " font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not "no-referrer", by which browsers say that a form of ours comes from nowhere.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
UNSAFE_PLACE = (
    b"The console takes a login over https, or on this machine itself: over plain http anybody on"
    b" the way could read it.\n"
)


class Gate:
    """ASGI before the pages; `scope["user"]` is the visitor behind it, None at the door."""

    def __init__(self, app: Any, office: Office) -> None:
        self._app = app
        self._office = office

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a visitor in; lead everybody else to the door."""

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders.from_message(message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        answer = await self._refusal(scope)
        await (answer or self._app)(scope, receive, send_with_headers)

    async def _refusal(self, scope: Any) -> ASGIResponse | None:
        path: str = scope["path"]
        scope["user"], scope["office"] = None, self._office
        if path.startswith(f"{ASSETS}/"):
            return None
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        if not is_private(connection):
            return _refuse(HTTP_403_FORBIDDEN, UNSAFE_PLACE)
        if scope["method"] not in SAFE and not is_from_us(connection):
            log.warning("console.foreign_form", path=path)
            return _refuse(HTTP_403_FORBIDDEN, b"This form was not sent from these pages.\n")
        try:
            scope["user"] = await self._visitor(connection)
        except Exception as error:  # noqa: BLE001 (told in the log; nobody is let in)
            log_failure(log, "console.not_asked", error)
            status = (
                HTTP_503_SERVICE_UNAVAILABLE if is_fault(error) else HTTP_500_INTERNAL_SERVER_ERROR
            )
            return _refuse(status, b"The database cannot be asked now. Try again in a moment.\n")
        if scope["user"] is None and not _is_open(path):
            return _to_the_door(connection)
        return None

    async def _visitor(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Visitor | None:
        secret = connection.cookies.get(cookie_of(connection))
        if not secret:
            return None
        async with self._office.sessions.begin() as session:
            return await find_visitor(session, secret)


def cookie_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Name the cookie of a session, which browsers keep to this host where it is of https."""
    return SECURE_COOKIE if connection.scope["scheme"] == "https" else COOKIE


def is_private(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Tell whether nobody on the way can read what is said: https, or within one machine."""
    if connection.scope["scheme"] == "https":
        return True
    name = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or (is_address(name) and (name.startswith("127.") or name == "::1"))
    )


def is_from_us(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Tell whether a form was sent from our own pages, as every browser of today says."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = connection.headers.get("origin")
    if origin is None:
        return site is not None
    own = f"{connection.scope['scheme']}://{connection.headers.get('host', '')}"
    return origin == own


def own_address(given: str) -> str:
    """Take where to go on if that is a page of ours; the first page else."""
    if given == ROOT or given.startswith((f"{ROOT}/", f"{ROOT}?")):
        parts = urlsplit(given)
        is_plain = given.isprintable() and "\\" not in given and ".." not in parts.path
        if not parts.scheme and not parts.netloc and is_plain:
            return given
    return ROOT


def _is_open(path: str) -> bool:
    return path.startswith(OPEN)


def _to_the_door(connection: ASGIConnection[Any, Any, Any, Any]) -> ASGIResponse:
    scope: Any = connection.scope
    there = f"{ROOT}/login"
    if scope["method"] in SAFE and scope["path"] != ROOT:
        query = scope["query_string"].decode("latin-1")
        asked = f"{scope['path']}?{query}" if query else scope["path"]
        there += "?" + urlencode({"next": own_address(asked)})
    if "hx-request" in connection.headers:
        # A script would put the door into a corner of the page.
        return ASGIResponse(headers={"hx-redirect": there})
    return ASGIResponse(status_code=HTTP_303_SEE_OTHER, headers={"location": there})


def _refuse(status: int, sentence: bytes) -> ASGIResponse:
    return ASGIResponse(body=sentence, status_code=status, media_type="text/plain; charset=utf-8")
