"""The console: its pages, and the gate before them."""

import asyncio
from functools import cache
from hmac import compare_digest
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from relay.console.alerts import Alerts
from relay.console.assets import FOLDER, TYPES, content_of
from relay.console.assets import ROOT as ASSETS
from relay.console.changes import Changes
from relay.console.channel_acts import ChannelActs
from relay.console.channel_form import ChannelForms
from relay.console.channels import Channels
from relay.console.deliveries import Deliveries
from relay.console.entry import OF_ADDRESS_MAX, OF_NAME_MAX, WINDOW_S, Door
from relay.console.figures import Figures
from relay.console.form import CSRF
from relay.console.gate import SAFE, Gate
from relay.console.home import Home
from relay.console.page import page_of
from relay.console.pauses import Pauses
from relay.console.problems import StaleForm, show_failure
from relay.console.tasks import Tasks
from relay.console.tenant_change import TenantChange
from relay.console.tenant_limits import TenantLimits
from relay.console.tenant_money import TenantMoney
from relay.console.tenant_open import TenantOpen
from relay.console.tenant_tokens import TenantTokens
from relay.console.tenants import Tenants
from relay.desk.office import Office
from relay.tries import Tries

FORM_BYTES_MAX = 256 * 1024
PAGES = [
    *(Door, Home, Tasks, Alerts, Changes, Deliveries, Pauses),
    *(Channels, ChannelForms, ChannelActs),
    *(Tenants, TenantMoney, TenantChange, TenantOpen, TenantTokens, TenantLimits),
]


class Console:
    """The pages of one relay, for as long as it runs."""

    def __init__(self, office: Office, stopping: asyncio.Event) -> None:
        self._gate = Gate(console_app(), office)
        self._given = {
            "stopping": stopping,
            "figures": Figures(office),
            "tries": (Tries(OF_ADDRESS_MAX, WINDOW_S), Tries(OF_NAME_MAX, WINDOW_S)),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, of whose relay it is."""
        scope |= self._given
        await self._gate(scope, receive, send)


@cache
def console_app() -> Litestar:
    """Build the pages; whose relay it is, the gate says of each request."""
    return Litestar(
        [show_asset, *PAGES],
        dependencies={"page": Provide(page_of, sync_to_thread=False)},
        before_request=check_form,
        exception_handlers={Exception: show_failure},
        request_max_body_size=FORM_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )


async def check_form(request: Request[Any, Any, Any]) -> None:
    """Refuse a form that has not the word of its sender's own session.

    The gate has asked the browser where it comes from; this holds where a browser says nothing.
    """
    visitor = request.scope.get("user")
    if request.method in SAFE or visitor is None:
        return
    given = (await request.form()).get(CSRF, "")
    if not isinstance(given, str) or not compare_digest(given.encode(), visitor.csrf.encode()):
        raise StaleForm


@get(ASSETS + "/{version:str}/{name:str}", sync_to_thread=False)
def show_asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Serve a style or a script, for good: another content has another address."""
    content = content_of(name)
    if content is None:
        raise NotFoundException
    return Response(
        content,
        media_type=TYPES[(FOLDER / name).suffix],
        headers={"cache-control": "public, max-age=31536000, immutable", "x-version": version},
    )
