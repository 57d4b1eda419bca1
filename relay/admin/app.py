"""The admin API: its controllers, its document, and the gate before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from relay.admin.acting import at_desk
from relay.admin.bounds import Bounds
from relay.admin.channels import Channels
from relay.admin.codes import Codes
from relay.admin.document import Document, spell
from relay.admin.gate import Gate
from relay.admin.invoices import Invoices
from relay.admin.ledger import Books, Own
from relay.admin.lists import listing
from relay.admin.notices import Notices
from relay.admin.openings import Openings
from relay.admin.operators import Operators
from relay.admin.priced import Priced
from relay.admin.prices import Multipliers, PricesOf
from relay.admin.problems import answer_failure
from relay.admin.records import Changes, Deliveries, Months
from relay.admin.tasks import Tasks
from relay.admin.tenants import Tenants
from relay.admin.tokens import Tokens
from relay.admin.usage import Sums
from relay.admin.watch import Alerts, Owners, Pauses, Queue
from relay.database.driver import Pool
from relay.database.line import Line
from relay.desk.office import Office
from relay.operators.authenticate import OperatorAuthenticator

BEARER = SecurityScheme(
    type="http", scheme="bearer", description="`ro-…`, by `relay operator token add`."
)

CONTROLLERS = [
    *(Own, Books, Sums, Tenants, Openings, Tokens, Bounds, Tasks, Channels, PricesOf, Priced),
    *(Multipliers, Operators, Alerts, Notices, Pauses, Owners, Queue, Deliveries, Changes),
    *(Months, Invoices, Codes),
]


@asynccontextmanager
async def open_admin(office: Office, line: Line, pool: Pool) -> AsyncIterator[Gate]:
    """Build it for the life of a process."""
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
        yield Gate(app, operators, office.sessions, document=spell(app))
    finally:
        await operators.aclose()
