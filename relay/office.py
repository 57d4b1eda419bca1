"""The office: pages for operators, on a listener of its own and never on the port of tenants.

By default it listens on loopback, where a browser of the same machine can be led by a page from
anywhere: a name of an attacker's that turns out to mean 127.0.0.1. So it answers to no name but
`localhost` and the one that it was given; an address is no name.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from litestar import Litestar, MediaType, Request, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import HttpMethod, ScopeType
from litestar.response.base import ASGIResponse
from litestar.routes import HTTPRoute
from litestar.status_codes import HTTP_421_MISDIRECTED_REQUEST
from litestar.types import ControllerRouterHandler

from relay.networks import is_address

TITLE = "The office of a Kling Relay: for its operators. Tenants have a port of their own.\n\n"
ADMIN, CONSOLE = "/admin", "/console"
ABOUT_ADMIN = f"{ADMIN + '/v1/openapi.json':<24}What operators' programs may ask, with a token.\n"
ABOUT_CONSOLE = f"{CONSOLE:<24}Pages to work in, in a browser: `relay console open` lets you in.\n"
MISDIRECTED = b"This office answers to its address and to localhost, and to no other name.\n"


class Office(Litestar):
    """Litestar, for whoever calls it by an address or by a name that is its own."""

    admin: Any = None
    """What answers `/admin`, an ASGI application; None while the process has none."""
    console: Any = None
    """What answers `/console`, likewise."""
    own_name = ""
    """What it was told to listen on, be it an address or a name."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, unless a browser was led here under another name; only browsers are."""
        if scope["type"] == ScopeType.HTTP and not all(
            self._is_ours(value) for name, value in scope["headers"] if name == b"host"
        ):
            refusal = ASGIResponse(
                body=MISDIRECTED,
                status_code=HTTP_421_MISDIRECTED_REQUEST,
                media_type=MediaType.TEXT,
            )
            await refusal(scope, receive, send)
        else:
            answer = self._answering(scope) or super().__call__
            await answer(scope, receive, send)

    def _answering(self, scope: Any) -> Any:
        """Find which application beside Litestar's pages answers a path, if one does."""
        if scope["type"] != ScopeType.HTTP:
            return None
        path: str = scope["path"]
        for root, application in ((ADMIN, self.admin), (CONSOLE, self.console)):
            if path == root or path.startswith(f"{root}/"):
                return application
        return None

    def _is_ours(self, host: bytes) -> bool:
        try:
            name = urlsplit(f"//{host.decode()}").hostname or ""
        except ValueError:  # no UTF-8, or brackets that are not closed
            return False
        return (
            name in ("localhost", self.own_name) or name.endswith(".localhost") or is_address(name)
        )


def create_office(
    handlers: Sequence[ControllerRouterHandler],
    *,
    host: str,
    dependencies: Mapping[str, Provide],
    stopping: asyncio.Event,
) -> Litestar:
    """Build it of its pages; the first one, `/`, says what they are.

    `stopping` is set when the process begins to stop: streams of events end then.
    """
    office = Office(
        [index, *handlers],
        dependencies=dependencies,
        state=State({"stopping": stopping}),
        openapi_config=None,
        logging_config=None,
    )
    office.own_name = host.lower()
    return office


@get("/", media_type=MediaType.TEXT, include_in_schema=False)
async def index(request: Request[Any, Any, Any]) -> str:
    """What is here."""
    lines = sorted(_pages(request.app))
    if isinstance(request.app, Office) and request.app.admin is not None:
        lines += [ABOUT_ADMIN, ABOUT_CONSOLE]
    return TITLE + "".join(lines)


def _pages(app: Litestar) -> Iterator[str]:
    """Yield a line for each that says in its docstring what it is; parts of a page say nothing."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if HttpMethod.GET in handler.http_methods:
                about = (handler.fn.__doc__ or "").strip().partition("\n")[0]
                if about and handler is not index:
                    yield f"{route.path:<24}{about}\n"
