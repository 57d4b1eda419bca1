"""The portal: its pages, and the gate before them."""

import asyncio
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

from litestar import Litestar
from litestar.di import Provide

from relay.html.assets import assets_below
from relay.html.gate import SAFE, check_form
from relay.html.results import files_origin
from relay.pages.later import Later
from relay.portal.behind import Behind
from relay.portal.below import SubTenants
from relay.portal.browsers import Browsers
from relay.portal.callbacks import Callbacks
from relay.portal.entry import Door
from relay.portal.gate import ROOT, PortalGate, PortalVisitor
from relay.portal.guide import Guide
from relay.portal.home import Home
from relay.portal.invoices import Invoices
from relay.portal.kept_files import SEND, KeptFiles, keep_file
from relay.portal.key_bounds import KeyBounds
from relay.portal.key_limits import KeyLimits
from relay.portal.keys import Keys
from relay.portal.money import Money
from relay.portal.notices import Notices
from relay.portal.page import page_of
from relay.portal.prices import Prices
from relay.portal.problems import show_failure
from relay.portal.studio import Studio
from relay.portal.studio_runs import StudioRuns
from relay.portal.tasks import Tasks
from relay.portal.try_it import Trying
from relay.portal.usage import Usage

FORM_BYTES_MAX = 256 * 1024
LARGE_AT_ONCE = 2
"""Of forms with files, in each process: each takes three times its size in memory."""
PAGES = [
    *(Door, Home, Tasks, Studio, StudioRuns, Trying, Usage, Money, Invoices),
    *(
        KeptFiles,
        Keys,
        KeyBounds,
        KeyLimits,
        SubTenants,
        Browsers,
        Callbacks,
        Notices,
        Prices,
        Guide,
    ),
]


class Portal:
    """The pages of one relay, for as long as it runs; an ASGI application."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._pages = Later(portal_app)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._large_of: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """By who pays: of each one at a time."""
        self._gate = PortalGate(
            self._bounded,
            behind.site,
            sessions=behind.sessions,
            authenticator=behind.authenticator,
            files_at=files_origin(behind.settings),
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, of whose relay it is."""
        scope["portal"] = self._behind
        await self._gate(scope, receive, send)

    async def _bounded(self, scope: Any, receive: Any, send: Any) -> None:
        """Have a large form wait for its turn, but nobody for who has no session or sends slowly.

        At the door no form is large: a page there reads no more of it.
        """
        visitor: PortalVisitor | None = scope["user"]
        if scope["path"] == SEND and scope["method"] == "POST" and visitor is not None:
            await keep_file(self._behind.uploads, visitor, scope, receive, send)
            return
        if scope["method"] in SAFE or visitor is None or is_small(scope):
            await self._pages(scope, receive, send)
            return
        own = self._large_of.setdefault(visitor.caller.payer_id, asyncio.Lock())
        async with own, self._large:
            await self._pages(scope, receive, send)


def is_small(scope: Any) -> bool:
    """Tell whether a body is at most as large as forms without files are."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return length.isdigit() and int(length[:12]) <= FORM_BYTES_MAX


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
