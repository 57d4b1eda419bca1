"""Prices: what the tenant pays for what, what is coming, and what a create would hold."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.errors import RelayError
from relay.html.form import Form
from relay.portal.calculating import read_calculation
from relay.portal.examples import quote_call
from relay.portal.gate import ROOT
from relay.portal.page import Asked, Page
from relay.portal.problems import sentence_of

HERE = f"{ROOT}/prices"
ANY = "*"
"""The endpoint of a price for whatever has none."""
SEARCHED = ("endpoint", "model", "mode")


class Prices(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List prices by any words, and what is set to change."""
        form = Form(page.say, values=dict(request.query_params.items()))
        words = (form.text("q") or "").lower().split()
        endpoint = form.text("endpoint")
        told = await page.asking.get("/prices")
        found = [
            one
            for one in told["prices"]
            if endpoint in (None, one["endpoint"])
            and all(word in " ".join(str(one[name] or "") for name in SEARCHED) for word in words)
        ]
        return await page.render(
            "prices/list.html",
            form=form,
            prices=sorted(found, key=lambda one: (one["endpoint"] == ANY, one["endpoint"])),
            coming=told["coming"],
            endpoints=sorted({one["endpoint"] for one in told["prices"]}),
        )

    @get("/calculator")
    async def calculate(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say what a create would hold, and why; nothing is made."""
        form = Form(page.say, values=dict(request.query_params.items()))
        prices = (await page.asking.get("/prices"))["prices"]
        calculation = read_calculation(form, page.portal.catalogue, prices)
        quote = call = None
        if calculation is not None and calculation.body is not None and form.is_right:
            quote = await _quote(page, form, calculation.path, calculation.body)
            call = quote_call(page, calculation.path, calculation.body)
        priced = {one["endpoint"] for one in prices}
        return await page.render(
            "prices/calculator.html",
            form=form,
            call=call,
            calculation=calculation,
            quote=quote,
            endpoints=[
                one.name
                for one in page.portal.catalogue.endpoints
                if one.makes_a_row and not one.is_free and (one.name in priced or "*" in priced)
            ],
        )


async def _quote(page: Page, form: Form, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = await page.asking.post("/quote", {"path": path, "body": body})
    except RelayError as error:
        form.errors[""] = sentence_of(error, page)
        return None
    return told
