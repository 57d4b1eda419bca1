"""What a tenant pays: each price in force for it with where it comes from, and what is to come."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.console.access import may
from relay.console.page import Asked, Page
from relay.console.price_form import endpoints_of, fields_of
from relay.console.tenant import HERE, read_head, render_of
from relay.desk.find import tenant_numbered
from relay.html.form import Form
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.offered import Offer, coming, offers
from relay.pricing.quote import UnitPrices
from relay.pricing.why import whose
from relay.tenants.read import find_payer


class ToldOffer(msgspec.Struct, frozen=True):
    offer: Offer
    of: str
    """Whose row it is: `tenant`, `group`, `all` or `official`."""
    edit: str
    """The query of the form that sets such a price for this tenant."""


class TenantPrices(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get("/{tenant_id:int}/prices")
    async def show(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """List what is in force for a tenant, and what changes; of a sub-tenant at its prices."""
        form = Form(page.say, values=dict(request.query_params.items()))
        endpoint, settings = form.text("endpoint"), page.office.settings
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            row = await tenant_numbered(session, tenant_id)
            payer = await find_payer(session, row)
            prices = await read_prices(session, settings.zone)
        unit_prices = UnitPrices(*settings.unit_prices_micros)
        whom = (payer.id, payer.price_group)
        listed = offers(prices, unit_prices, *whom, resale=row.resale)
        counting = prices.multiplier(*whom)
        return await render_of(
            *(page, "tenants/prices.html", tenant),
            form=form,
            payer=payer.name,
            offers=[
                _told(one, payer.name, prices)
                for one in listed
                if endpoint in (None, one.row.endpoint)
            ],
            coming=coming(prices, unit_prices, *whom, resale=row.resale),
            times=Decimal(1) if counting is None else counting.times,
            times_of=None if counting is None else _whose(counting),
            endpoints=endpoints_of(page),
        )


def _told(offer: Offer, payer: str, prices: Prices) -> ToldOffer:
    row = offer.row
    of = "official" if not row.is_own else _whose(row)
    if of == "tenant":
        return ToldOffer(offer, of, urlencode(fields_of(row, payer, prices)))
    # A price of its own, which is like the one that it has: those for others stay.
    own = msgspec.structs.replace(row, price_group=None, valid_from=None, valid_to=None)
    return ToldOffer(offer, of, urlencode(fields_of(own, payer)))


def _whose(one: Any) -> str:
    return {"the tenant's": "tenant", "its group's": "group", "for all": "all"}[whose(one)]
