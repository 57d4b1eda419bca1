"""The admin API: its controllers, its document, and the gate before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from relay.admin.acting import Office, at_desk
from relay.admin.channels import Channels
from relay.admin.document import Document, spell
from relay.admin.gate import Gate
from relay.admin.invoices import Invoices
from relay.admin.ledger import Books, Own
from relay.admin.lists import listing
from relay.admin.operators import Operators
from relay.admin.prices import Multipliers, PricesOf
from relay.admin.problems import answer_failure
from relay.admin.records import Changes, Deliveries, Months
from relay.admin.tasks import Tasks
from relay.admin.tenants import Tenants
from relay.admin.tokens import Tokens
from relay.admin.watch import Alerts, Owners, Pauses, Queue
from relay.database.driver import Pool
from relay.database.engine import Sessions
from relay.database.line import Line
from relay.kling.catalogue import Catalogue
from relay.operators.authenticate import OperatorAuthenticator
from relay.secrets import KeyRing
from relay.settings import Settings

BEARER = SecurityScheme(
    type="http", scheme="bearer", description="`ro-…`, by `relay operator token add`."
)

CONTROLLERS = [
    *(Own, Books, Tenants, Tokens, Tasks, Channels, PricesOf, Multipliers, Operators),
    *(Alerts, Pauses, Owners, Queue, Deliveries, Changes, Months, Invoices),
]


@asynccontextmanager
async def open_admin(
    settings: Settings, keys: KeyRing, line: Line, pool: Pool, sessions: Sessions
) -> AsyncIterator[Gate]:
    """Build it for the life of a process."""
    office = Office(sessions, settings, keys, Catalogue.with_added(settings.endpoints))
    app = Litestar(
        CONTROLLERS,
        dependencies={
            "office": Provide(lambda: office, sync_to_thread=False),
            "desk": Provide(at_desk, sync_to_thread=False),
            "listing": Provide(listing, sync_to_thread=False),
        },
        exception_handlers={Exception: answer_failure},
        openapi_config=OpenAPIConfig(
            title="The office of a Kling Relay",
            version="1",
            path="/admin/v1/openapi.json",
            render_plugins=[Document(path="/")],
            use_handler_docstrings=True,
            components=Components(security_schemes={"token": BEARER}),
            security=[{"token": []}],
        ),
        logging_config=None,
    )
    operators = OperatorAuthenticator(line, pool)
    try:
        yield Gate(app, operators, sessions, document=spell(app))
    finally:
        await operators.aclose()
