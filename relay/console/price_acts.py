"""One price row, set or ended: with what that changes for whom, before it is done."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, WRONG, is_sure
from relay.console.page import Asked, Page
from relay.console.price_form import (
    FIELDS,
    endpoints_of,
    key_of,
    read_key,
    read_row,
    tell_as_one,
)
from relay.console.price_plan import Planned, attempt_prices, plan_row, try_out
from relay.console.prices import HERE, address_of
from relay.desk.prices import remove_price, set_price
from relay.html.days import read_moment
from relay.html.form import Form, read_form
from relay.pricing.in_force import read_prices


class PriceActs(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get("/set", guards=[may("price.set")])
    async def ask_set(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask for which tasks, for whom, when and how much; the address may say some of it."""
        return await _ask_set(page, Form(page.say, values=_given(request)))

    @post("/set", guards=[may("price.set")])
    async def set(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say what the row changes for whom; and put it in force, once that was seen."""
        form = await read_form(request, page.say)
        given = read_row(form, page)
        if given is None:
            return await _ask_set(page, form, status=WRONG)

        async def work(session: AsyncSession) -> Any:
            return await set_price(session, page.actor, given.row, tenant=given.tenant)

        tried, status = await try_out(page, form, work)
        if tried is None:
            return await _ask_set(page, form, status=status)
        planned = await plan_row(page, tried, tried.done, is_set=True)
        if not is_sure(form, planned.sure):
            return await _ask_set(page, form, planned=planned)
        _, status = await attempt_prices(page, form, work)
        if form.is_right:
            return page.go(address_of(endpoint=given.row.endpoint), said="saved")
        return await _ask_set(page, form, status=status)

    @get("/end", guards=[may("price.remove")])
    async def ask_end(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask when a row is to end."""
        return await _ask_end(page, Form(page.say, values=_given(request)))

    @post("/end", guards=[may("price.remove")])
    async def end(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say what the end of a row changes for whom; and end it, once that was seen."""
        form = await read_form(request, page.say)
        given, at = read_key(form, page), read_moment(form, "at", page.office.settings.zone)
        if given is None or form.errors:
            return await _ask_end(page, form, status=WRONG)

        async def work(session: AsyncSession) -> None:
            await remove_price(session, page.actor, given.row, tenant=given.tenant, at=at)

        tried, status = await try_out(page, form, work)
        if tried is None:
            return await _ask_end(page, form, status=status)
        tenant_id = next((one.id for one in tried.payers if one.name == given.tenant), None)
        ended = msgspec.structs.replace(given.row, tenant_id=tenant_id, valid_from=at)
        planned = await plan_row(page, tried, ended, is_set=False)
        if not is_sure(form, planned.sure):
            return await _ask_end(page, form, planned=planned)
        _, status = await attempt_prices(page, form, work)
        if form.is_right:
            return page.go(address_of(endpoint=given.row.endpoint), said="ended")
        return await _ask_end(page, form, status=status)


def _given(request: Asked) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if name in FIELDS}


async def _ask_set(
    page: Page, form: Form, *, planned: Planned | None = None, status: int = OK
) -> Response[Any]:
    async with page.reading() as session:
        prices = await read_prices(session, page.office.settings.zone)
    groups = sorted({one.price_group for one in prices.dated if one.price_group is not None})
    shown: Mapping[str, Any] = {"endpoints": endpoints_of(page), "groups": groups}
    fields = {name: form.values[name] for name in FIELDS if form.values.get(name)}
    return await page.render(
        *("prices/set.html",), status=status, form=form, planned=planned, fields=fields, **shown
    )


async def _ask_end(
    page: Page, form: Form, *, planned: Planned | None = None, status: int = OK
) -> Response[Any]:
    tell_as_one(form)
    return await page.render(
        "prices/end.html", status=status, form=form, planned=planned, key=key_of(form.values)
    )
