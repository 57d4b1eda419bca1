"""The portal: its pages, and the gate before them."""

from functools import cache
from typing import Any

from litestar import Litestar
from litestar.di import Provide

from relay.html.assets import assets_below
from relay.html.gate import check_form
from relay.portal.behind import Behind
from relay.portal.entry import Door
from relay.portal.gate import ROOT, PortalGate
from relay.portal.home import Home
from relay.portal.page import page_of
from relay.portal.problems import show_failure

FORM_BYTES_MAX = 256 * 1024
PAGES = [Door, Home]


class Portal:
    """The pages of one relay, for as long as it runs; an ASGI application."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._gate = PortalGate(
            portal_app(),
            behind.site,
            sessions=behind.sessions,
            authenticator=behind.authenticator,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, of whose relay it is."""
        scope["portal"] = self._behind
        await self._gate(scope, receive, send)


@cache
def portal_app() -> Litestar:
    """Build the pages; whose relay it is, `Portal` says of each request."""
    return Litestar(
        [assets_below(f"{ROOT}/assets"), *PAGES],
        dependencies={"page": Provide(page_of, sync_to_thread=False)},
        before_request=check_form,
        exception_handlers={Exception: show_failure},
        request_max_body_size=FORM_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )
