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
from relay.pages.later import Later

TITLE = "The office of a Kling Relay: for its operators. Tenants have a port of their own.\n\n"
ADMIN, CONSOLE = "/admin", "/console"
ABOUT_ADMIN = f"{ADMIN + '/v1/openapi.json':<24}What operators' programs may ask, with a token.\n"
ABOUT_CONSOLE = f"{CONSOLE:<24}Pages to work in, in a browser: `relay console open` lets you in.\n"
MISDIRECTED = b"This office answers to its address and to localhost, and to no other name.\n"


class OfficeSite:
    """An ASGI application for whoever calls it by an address or by a name that is its own."""

    def __init__(
        self,
        handlers: Sequence[ControllerRouterHandler],
        *,
        host: str,
        dependencies: Mapping[str, Provide],
        stopping: asyncio.Event,
    ) -> None:
        """`handlers`: of its pages; the first one, `/`, says what they are.

        `host` is what it was told to listen on, be it an address or a name. `stopping` is set when
        the process begins to stop: streams of events end then.
        """
        self.admin: Any = None
        """What answers `/admin`, an ASGI application; None while the process has none."""
        self.console: Any = None
        """What answers `/console`, likewise."""
        self._own_name = host.lower()
        state = State({"stopping": stopping, "office": self})
        self._pages = Later(
            lambda: Litestar(
                [index, *handlers],
                dependencies=dependencies,
                state=state,
                openapi_config=None,
                logging_config=None,
            )
        )

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
            await self._answering(scope)(scope, receive, send)

    def _answering(self, scope: Any) -> Any:
        """Find which application answers a path."""
        path: str = scope["path"] if scope["type"] == ScopeType.HTTP else ""
        for root, application in ((ADMIN, self.admin), (CONSOLE, self.console)):
            if application is not None and (path == root or path.startswith(f"{root}/")):
                return application
        return self._pages

    def _is_ours(self, host: bytes) -> bool:
        try:
            name = urlsplit(f"//{host.decode()}").hostname or ""
        except ValueError:  # no UTF-8, or brackets that are not closed
            return False
        return (
            name in ("localhost", self._own_name) or name.endswith(".localhost") or is_address(name)
        )


@get("/", media_type=MediaType.TEXT, include_in_schema=False)
async def index(request: Request[Any, Any, Any]) -> str:
    """What is here."""
    lines = sorted(_pages(request.app))
    if request.app.state.office.admin is not None:
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
