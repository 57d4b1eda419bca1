"""Who comes in: a browser with a session, from our own pages only; and what all answers bear.

A session is known by a cookie that none but a site's pages have: Kling's paths never get one.
"""

from abc import ABC, abstractmethod
from functools import partial
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.response.base import ASGIResponse
from litestar.status_codes import (
    HTTP_303_SEE_OTHER,
    HTTP_403_FORBIDDEN,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from relay.database.faults import is_fault, log_failure
from relay.html.form import CSRF, Form, read_form
from relay.html.results import SOURCES
from relay.html.site import Site
from relay.networks import is_address

log = structlog.get_logger()

SAFE = ("GET", "HEAD")
OPEN = ("login", "enter", "look")
"""Pages where one is before one has a session."""
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
CLEARED = {"clear-site-data": '"cache"'}
"""Whoever logs out leaves no form behind that a browser kept for the way back."""
UNSAFE_PLACE = (
    b"These pages take a login over https, or on this machine itself: over plain http anybody on"
    b" the way could read it.\n"
)

POLICY = "content-security-policy"

Connection = ASGIConnection[Any, Any, Any, Any]


class StaleForm(Exception):
    """A form that has not the word of its sender's own session."""

    def __init__(self, sent: Form) -> None:
        super().__init__()
        self.sent = sent


class NotSentYet(Exception):
    """What was to be done was sent when its session was over, and not again since."""


class Gate(ABC):
    """ASGI before the pages of a site; `scope["user"]` is the visitor behind it, None at the door.

    A visitor has `csrf`, the word that forms of its session carry.
    """

    def __init__(self, app: Any, site: Site, *, files_at: str | None) -> None:
        """`files_at`: the origin of files that are kept, which pages may show beside Kling's."""
        self._app = app
        self._site = site
        self._headers = HEADERS if files_at is None else headers_with(files_at)
        self._open = tuple(f"{site.root}/{page}" for page in OPEN)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a visitor in; lead everybody else to the door."""

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders.from_message(message)
                for name, value in self._headers.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        answer = await self._refusal(scope)
        await (answer or self._app)(scope, receive, send_with_headers)

    @abstractmethod
    async def _find_visitor(
        self, secret: str, connection: Connection, *, is_seen: bool = True
    ) -> Any:
        """Tell whose session it is; None where it is nobody's, or over.

        `is_seen`: that keeps it from ending for want of use.
        """

    async def _is_still_in(self, secret: str, connection: Connection) -> bool:
        """Tell whether who was let in would be let in again, for an answer that goes on and on."""
        return await self._find_visitor(secret, connection, is_seen=False) is not None

    async def _refusal(self, scope: Any) -> ASGIResponse | None:
        path: str = scope["path"]
        scope["user"] = None
        if path.startswith(f"{self._site.assets}/"):
            return None
        connection: Connection = ASGIConnection(scope)
        if not is_private(connection):
            return _refuse(HTTP_403_FORBIDDEN, UNSAFE_PLACE)
        if scope["method"] not in SAFE and not is_from_us(connection):
            log.warning("html.foreign_form", path=path)
            return _refuse(HTTP_403_FORBIDDEN, b"This form was not sent from these pages.\n")
        try:
            secret = connection.cookies.get(self._site.cookie(scope["scheme"]))
            if secret:
                scope["user"] = await self._find_visitor(secret, connection)
                scope["is_still_in"] = partial(self._is_still_in, secret, connection)
        except Exception as error:  # noqa: BLE001 (told in the log; nobody is let in)
            log_failure(log, "html.not_asked", error)
            status = (
                HTTP_503_SERVICE_UNAVAILABLE if is_fault(error) else HTTP_500_INTERNAL_SERVER_ERROR
            )
            return _refuse(status, b"The database cannot be asked now. Try again in a moment.\n")
        scope["find_visitor"] = partial(self._find_visitor, connection=connection)
        is_let_in = scope["user"] is not None or path.startswith(self._open)
        return None if is_let_in else self._to_the_door(connection)

    def _to_the_door(self, connection: Connection) -> ASGIResponse | None:
        """Lead to the door; None of a form, which is let through to the page that asks who sent it.

        What was filled in would be lost else.
        """
        scope: Any = connection.scope
        if scope["method"] == "POST" and "hx-request" not in connection.headers:
            scope["sent_to"] = scope["path"]
            scope["path"] = self._site.again
            scope["raw_path"] = self._site.again.encode()
            return None
        there = self._site.door
        if scope["method"] in SAFE and scope["path"] != self._site.root:
            query = scope["query_string"].decode("latin-1")
            asked = f"{scope['path']}?{query}" if query else scope["path"]
            there += "?" + urlencode({"next": self._site.own_address(asked)})
        if "hx-request" in connection.headers:
            # A script would put the door into a corner of the page.
            return ASGIResponse(headers={"hx-redirect": there})
        return ASGIResponse(status_code=HTTP_303_SEE_OTHER, headers={"location": there})


def headers_with(origin: str) -> dict[str, str]:
    """Let pages show pictures and play what one more origin has."""
    return HEADERS | {POLICY: HEADERS[POLICY].replace(SOURCES, f"{SOURCES} {origin}")}


async def check_form(request: Request[Any, Any, Any]) -> None:
    """Refuse a form that has not the word of its sender's own session.

    The gate has asked the browser where it comes from; this holds where a browser says nothing.

    Raises:
        StaleForm
    """
    visitor = request.scope.get("user")
    if request.method in SAFE or visitor is None:
        return
    given = (await request.form()).get(CSRF, "")
    form = await read_form(request, str)
    request.scope["is_shown_anew"] = form.is_shown_anew  # type: ignore[typeddict-unknown-key]
    if not isinstance(given, str) or not compare_digest(given.encode(), visitor.csrf.encode()):
        raise StaleForm(form)


def refuse_not_sent(request: Any) -> None:
    """Refuse to do what a form says that is only shown anew, or raise NotSentYet."""
    if request.scope.get("is_shown_anew"):
        raise NotSentYet


def session_cookie(site: Site, scheme: str, secret: str, *, lasts_s: int) -> Cookie:
    """Make the cookie by which a site knows a browser again."""
    return Cookie(
        key=site.cookie(scheme),
        value=secret,
        path="/",
        httponly=True,
        samesite="strict",
        secure=scheme == "https",
        max_age=lasts_s,
    )


def is_private(connection: Connection) -> bool:
    """Tell whether nobody on the way can read what is said: https, or within one machine."""
    if connection.scope["scheme"] == "https":
        return True
    name = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or (is_address(name) and (name.startswith("127.") or name == "::1"))
    )


def is_from_us(connection: Connection) -> bool:
    """Tell whether a form was sent from our own pages, as every browser of today says."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = connection.headers.get("origin")
    if origin is None:
        return site is not None
    own = f"{connection.scope['scheme']}://{connection.headers.get('host', '')}"
    return origin == own


def address_of(connection: Connection) -> str:
    """Tell from where somebody comes, behind proxies that are believed; empty is not known."""
    client = connection.scope["client"]
    return client[0] if client else ""


def _refuse(status: int, sentence: bytes) -> ASGIResponse:
    return ASGIResponse(body=sentence, status_code=status, media_type="text/plain; charset=utf-8")
