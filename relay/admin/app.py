"""The admin API: its controllers, its document, and the gate before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.enums import OpenAPIMediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from relay.admin.acting import at_desk, office_of
from relay.admin.assets import Assets
from relay.admin.bounds import Bounds
from relay.admin.channels import Channels
from relay.admin.codes import Codes
from relay.admin.document import spell
from relay.admin.gate import Gate
from relay.admin.invoices import Invoices
from relay.admin.ledger import Books, Own
from relay.admin.lists import listing
from relay.admin.looked_at import AtKling, Checks
from relay.admin.named import read_slashes
from relay.admin.notices import Notices
from relay.admin.openings import Openings
from relay.admin.operators import Operators
from relay.admin.portal import PortalOfTenants
from relay.admin.priced import Priced
from relay.admin.prices import Multipliers, PricesOf
from relay.admin.problems import answer_failure
from relay.admin.queries import check_query
from relay.admin.records import Changes, Deliveries, Months
from relay.admin.setup import Exports, Setup
from relay.admin.tasks import Tasks
from relay.admin.tenants import Tenants
from relay.admin.tokens import Tokens
from relay.admin.trials import Trials
from relay.admin.usage import Sums
from relay.admin.watch import Alerts, Owners, Pauses, Queue
from relay.database.driver import Pool
from relay.database.line import Line
from relay.desk.office import Office
from relay.operators.authenticate import OperatorAuthenticator
from relay.pages.later import Later

BEARER = SecurityScheme(
    type="http", scheme="bearer", description="`ro-…`, by `relay operator token add`."
)

CONTROLLERS = [
    *(
        Own,
        Books,
        Sums,
        Tenants,
        PortalOfTenants,
        Openings,
        Tokens,
        Bounds,
        Tasks,
        Channels,
        PricesOf,
        Priced,
    ),
    *(Multipliers, Operators, Alerts, Notices, Pauses, Owners, Queue, Deliveries, Assets, Changes),
    *(Months, Invoices, Codes, Setup, Exports, Checks, AtKling, Trials),
]


OPENAPI = OpenAPIConfig(
    title="The office of a Kling Relay",
    version="1",
    # Litestar's own page of it is never reached: only what is below /admin comes here.
    render_plugins=[JsonRenderPlugin()],
    use_handler_docstrings=True,
    components=Components(security_schemes={"token": BEARER}),
    security=[{"token": []}],
)


def read_asked(request: Request[Any, Any, Any]) -> None:
    """Mend what the path says, and judge what the query does, before a route reads them."""
    read_slashes(request)
    check_query(request)


@asynccontextmanager
async def open_admin(office: Office, line: Line, pool: Pool) -> AsyncIterator[Gate]:
    """Open it for a relay."""
    operators = OperatorAuthenticator(line, pool)
    try:
        yield Gate(Later(admin_app), operators, office)
    finally:
        await operators.aclose()


@cache
def admin_app() -> Litestar:
    """Build what is behind the gate; whose office it is, the gate says of each request."""
    return Litestar(
        [show_document, *CONTROLLERS],
        dependencies={
            "office": Provide(office_of, sync_to_thread=False),
            "desk": Provide(at_desk, sync_to_thread=False),
            "listing": Provide(listing, sync_to_thread=False),
        },
        before_request=read_asked,
        exception_handlers={Exception: answer_failure},
        openapi_config=OPENAPI,
        logging_config=None,
    )


@cache
def admin_document() -> bytes:
    """Spell what is behind the gate: no secret, and no word of this relay's.

    Only when somebody asks, and in a thread: it takes a third of a second.
    """
    return spell(admin_app())


@get("/admin/v1/openapi.json", include_in_schema=False, sync_to_thread=True)
def show_document() -> Response[bytes]:
    """What is here, as an OpenAPI 3.1 document."""
    return Response(admin_document(), media_type=OpenAPIMediaType.OPENAPI_JSON)
