"""What a task would cost a tenant, and why: the same as `relay price why` and `quote` tell."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.console.access import may
from relay.console.page import Asked, Page
from relay.console.price_form import OF_TASK, endpoints_of, fields_of, read_task_fields
from relay.console.prices import HERE
from relay.desk.errors import NoSuch
from relay.desk.explained import Explained, explain_price
from relay.html.days import read_moment
from relay.html.form import Form
from relay.kling.wanted import Wanted
from relay.pricing.book import PriceRow
from relay.pricing.quote import UnitPrices
from relay.pricing.standing import task_of

IMAGES_MAX = 9


class PriceCalculator(Controller):
    path = f"{HERE}/calculator"
    guards = (may("price.read"),)

    @get()
    async def show(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Price the task that the address describes; what it leaves out has Kling's defaults."""
        form = Form(page.say, values=dict(request.query_params.items()))
        if not form.text("endpoint"):
            return await _render(page, form)
        wanted = _read_task(form, page)
        at = read_moment(form, "at", page.office.settings.zone)
        if wanted is None or not form.is_right:
            return await _render(page, form)
        settings = page.office.settings
        try:
            async with page.reading() as session:
                found = await explain_price(
                    *(session, wanted),
                    tenant=form.text("tenant"),
                    zone=settings.zone,
                    unit_prices=UnitPrices(*settings.unit_prices_micros),
                    at=at,
                )
        except NoSuch:
            form.errors["tenant"] = page.say("There is no tenant of this name.")
            return await _render(page, form)
        return await _render(page, form, found=found)


def _read_task(form: Form, page: Page) -> Wanted | None:
    """Read which task is meant; None where something is wrong, which stands beside its field."""
    catalogue = page.office.catalogue
    given = read_task_fields(form, catalogue, or_any=False)
    count = form.whole("count", least=1, most=IMAGES_MAX)
    if not form.is_right:
        return None
    endpoint = catalogue.priced_as(given["endpoint"])
    given["duration_s"] = given.pop("duration")
    wanted = task_of(PriceRow(**given), endpoint)
    if count is not None and wanted.is_image:
        wanted = msgspec.structs.replace(wanted, count=count)
    return wanted


async def _render(page: Page, form: Form, *, found: Explained | None = None) -> Response[Any]:
    key = {name: form.values[name] for name in (*OF_TASK, "tenant") if form.values.get(name)}
    chosen = ""
    if found is not None and found.made is not None and found.made.row.is_own:
        row = found.made.row
        name = None if row.tenant_id is None else found.names.get(row.tenant_id)
        chosen = urlencode(fields_of(row, name, found.prices))
    return await page.render(
        "prices/calculator.html",
        form=form,
        found=found,
        reasons=None if found is None else found.reasons,
        endpoints=endpoints_of(page),
        ask=urlencode(key),
        chosen=chosen,
    )
