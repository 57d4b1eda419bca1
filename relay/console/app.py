"""The console: its pages, and the gate before them."""

import asyncio
from functools import cache
from typing import Any

from litestar import Litestar
from litestar.di import Provide

from relay.console.alerts import Alerts
from relay.console.backups import Backups, Copier
from relay.console.bill import Bills
from relay.console.changes import Changes
from relay.console.channel_acts import ChannelActs
from relay.console.channel_form import ChannelForms
from relay.console.channel_test import ChannelTest
from relay.console.channel_trials import ChannelTrials
from relay.console.channel_try import ChannelTry
from relay.console.channels import Channels
from relay.console.check import Check
from relay.console.codes import Codes
from relay.console.deliveries import Deliveries
from relay.console.entries import Entries
from relay.console.entry import OF_ADDRESS_MAX, OF_NAME_MAX, WINDOW_S, Door
from relay.console.figures import Figures
from relay.console.gate import SITE, ConsoleGate
from relay.console.home import Home
from relay.console.invoice_profiles import Profiles
from relay.console.invoices import Invoices
from relay.console.margin import MarginPages
from relay.console.money import Money
from relay.console.months import Months
from relay.console.multipliers import Multipliers
from relay.console.operator_logins import OperatorLogins
from relay.console.operator_tokens import OperatorTokens
from relay.console.operators import Operators
from relay.console.own_login import OwnLogin
from relay.console.page import page_of
from relay.console.pauses import Pauses
from relay.console.price_acts import PriceActs
from relay.console.price_calculator import PriceCalculator
from relay.console.price_files import PriceFiles
from relay.console.price_lists import PriceLists
from relay.console.price_simulation import PriceSimulation
from relay.console.prices import PriceBooks
from relay.console.problems import show_failure
from relay.console.settings import SettingsPage
from relay.console.tasks import Tasks
from relay.console.tenant_callbacks import TenantCallbacks
from relay.console.tenant_change import TenantChange
from relay.console.tenant_kept import TenantKept
from relay.console.tenant_limits import TenantLimits
from relay.console.tenant_money import TenantMoney
from relay.console.tenant_notices import TenantNotices
from relay.console.tenant_open import TenantOpen
from relay.console.tenant_portal import TenantPortal
from relay.console.tenant_prices import TenantPrices
from relay.console.tenant_tokens import TenantTokens
from relay.console.tenants import Tenants
from relay.desk.office import Office
from relay.html.assets import assets_below
from relay.html.gate import check_form
from relay.pages.later import Later
from relay.tries import Tries

FORM_BYTES_MAX = 256 * 1024
PAGES = [
    *(Door, Home, Tasks, Alerts, Changes, Deliveries, Pauses),
    *(Channels, ChannelForms, ChannelActs, ChannelTest, ChannelTry, ChannelTrials),
    *(PriceBooks, PriceActs, Multipliers, PriceCalculator),
    *(PriceLists, PriceFiles, PriceSimulation),
    *(Tenants, TenantMoney, TenantKept, TenantChange, TenantOpen, TenantTokens),
    *(TenantLimits, TenantPrices, TenantCallbacks, TenantNotices, TenantPortal),
    *(Money, Entries, Months, MarginPages, Bills, Codes, Invoices, Profiles),
    *(Operators, OperatorTokens, OperatorLogins, OwnLogin),
    *(Check, SettingsPage, Backups),
]


class Console:
    """The pages of one relay, for as long as it runs."""

    def __init__(self, office: Office, stopping: asyncio.Event) -> None:
        self._gate = ConsoleGate(Later(console_app), office)
        self._given = {
            "stopping": stopping,
            "figures": Figures(office),
            "copier": Copier(office),
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
        [assets_below(SITE.assets), *PAGES],
        dependencies={"page": Provide(page_of, sync_to_thread=False)},
        before_request=check_form,
        exception_handlers={Exception: show_failure},
        request_max_body_size=FORM_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )
