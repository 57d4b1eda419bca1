"""Every package's tables, imported once: what Alembic and the tests read."""

from relay.alerts import tables as alerts
from relay.assets import tables as assets
from relay.backups import tables as backups
from relay.channels import tables as channels
from relay.codes import tables as codes
from relay.database import tables as database
from relay.database.base import Base
from relay.deliveries import tables as deliveries
from relay.desk import tables as desk
from relay.health import tables as health
from relay.invoices import tables as invoices
from relay.ledger import tables as ledger
from relay.limits import tables as limits
from relay.logins import tables as logins
from relay.new_api import tables as new_api
from relay.notices import tables as notices
from relay.operators import tables as operators
from relay.owners import tables as owners
from relay.pauses import tables as pauses
from relay.pricing import tables as pricing
from relay.runs import tables as runs
from relay.secret_keys import tables as secret_keys
from relay.tasks import tables as tasks
from relay.tasks.queue import tables as queue
from relay.tenants import tables as tenants
from relay.trial import tables as trial
from relay.usage import tables as usage

__all__ = [
    "alerts",
    "assets",
    "backups",
    "channels",
    "codes",
    "database",
    "deliveries",
    "desk",
    "health",
    "invoices",
    "ledger",
    "limits",
    "logins",
    "metadata",
    "new_api",
    "notices",
    "operators",
    "owners",
    "pauses",
    "pricing",
    "queue",
    "runs",
    "secret_keys",
    "tasks",
    "tenants",
    "trial",
    "usage",
]

metadata = Base.metadata
