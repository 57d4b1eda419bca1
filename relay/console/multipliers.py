"""Multipliers of tenants, of price groups and of all; and whether they apply to amounts."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, WRONG, attempt, is_sure
from relay.console.files import sheet_file
from relay.console.page import Asked, Page
from relay.console.price_form import FOR_WHOM, WHEN, fields_of, read_times, tell_as_one
from relay.console.price_plan import Planned, attempt_prices, plan_times, try_out
from relay.console.prices import HERE as PRICES
from relay.console.prices import when_of
from relay.desk.multipliers import end_multiplier, set_multiplier
from relay.desk.prices import say_amounts
from relay.desk.shown_prices import ShownMultiplier, shown_multiplier
from relay.html.days import read_moment
from relay.html.form import Form, read_form
from relay.pricing.book import Multiplier
from relay.pricing.in_force import Prices, read_prices
from relay.tenants.read import names_by_id
from relay.usage.columns import sheet_of

HERE = f"{PRICES}/multipliers"
FIELDS = (*FOR_WHOM, *WHEN, "times")
AMOUNTS = ("multiplied", "exact")


class ToldTimes(msgspec.Struct, frozen=True):
    """A multiplier with what a page says of it."""

    one: Multiplier
    tenant: str | None
    when: str
    """As of a price row."""
    edit: str
    end: str


class Multipliers(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List those in force, and those to come."""
        return await _show(page, Form(page.say))

    @get("/list/{file_form:str}")
    async def as_file(self, page: NamedDependency[Page], file_form: FromPath[str]) -> Response[Any]:
        """Give the same as a file."""
        prices, names = await _read(page)
        every = [*prices.standing_multipliers, *prices.coming_multipliers]
        shown = [shown_multiplier(one, names) for one in every]
        sheet = sheet_of(page.say("Multipliers"), ShownMultiplier, shown)
        return await sheet_file(sheet, file_form, name="multipliers")

    @get("/set", guards=[may("multiplier.set")])
    async def ask_set(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask for whom, when, and how many times; the address may say some of it."""
        return await _ask(page, "set", Form(page.say, values=_given(request)))

    @post("/set", guards=[may("multiplier.set")])
    async def set(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say of whom another multiplier counts then; and set it, once that was seen."""
        form = await read_form(request, page.say)
        given = read_times(form, page)
        if given is None:
            return await _ask(page, "set", form, status=WRONG)

        async def work(session: AsyncSession) -> None:
            await set_multiplier(session, page.actor, given.one, tenant=given.tenant)

        tried, status = await try_out(page, form, work)
        if tried is None:
            return await _ask(page, "set", form, status=status)
        planned = await plan_times(page, tried, given.one)
        if not is_sure(form, planned.sure):
            return await _ask(page, "set", form, planned=planned)
        _, status = await attempt_prices(page, form, work)
        if form.is_right:
            return page.go(HERE, said="saved")
        return await _ask(page, "set", form, status=status)

    @get("/end", guards=[may("multiplier.end")])
    async def ask_end(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask when one is to end."""
        return await _ask(page, "end", Form(page.say, values=_given(request)))

    @post("/end", guards=[may("multiplier.end")])
    async def end(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say of whom another multiplier counts then; and end it, once that was seen."""
        form = await read_form(request, page.say)
        given = read_times(form, page, must=False)
        at = read_moment(form, "at", page.office.settings.zone)
        if given is None or form.errors:
            return await _ask(page, "end", form, status=WRONG)
        one = msgspec.structs.replace(given.one, valid_from=None, valid_to=None)

        async def work(session: AsyncSession) -> None:
            await end_multiplier(session, page.actor, one, tenant=given.tenant, at=at)

        tried, status = await try_out(page, form, work)
        if tried is None:
            return await _ask(page, "end", form, status=status)
        planned = await plan_times(page, tried, msgspec.structs.replace(one, valid_from=at))
        if not is_sure(form, planned.sure):
            return await _ask(page, "end", form, planned=planned)
        _, status = await attempt_prices(page, form, work)
        if form.is_right:
            return page.go(HERE, said="ended")
        return await _ask(page, "end", form, status=status)

    @post("/amounts", guards=[may("price.amounts")])
    async def say_amounts(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say, once for all rows, whether multipliers apply to those with an amount."""
        form = await read_form(request, page.say)
        said = form.choice("amounts", AMOUNTS, must=True)

        async def work(session: AsyncSession) -> None:
            await say_amounts(session, page.actor, are_multiplied=said == AMOUNTS[0])

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(HERE, said="saved")
        return await _show(page, form, status=status)


async def _read(page: Page) -> tuple[Prices, dict[int, str]]:
    async with page.reading() as session:
        prices = await read_prices(session, page.office.settings.zone)
        every = [*prices.standing_multipliers, *prices.coming_multipliers]
        ids = {one.tenant_id for one in every if one.tenant_id is not None}
        return prices, await names_by_id(session, ids) if ids else {}


async def _show(page: Page, form: Form, *, status: int = OK) -> Response[Any]:
    prices, names = await _read(page)
    told = []
    for one in (*prices.standing_multipliers, *prices.coming_multipliers):
        tenant = None if one.tenant_id is None else names.get(one.tenant_id)
        fields = fields_of(one, tenant, prices)
        key = {name: value for name, value in fields.items() if name in FOR_WHOM}
        told.append(ToldTimes(one, tenant, when_of(one, prices), urlencode(fields), urlencode(key)))
    told.sort(
        key=lambda one: (one.one.tenant_id is not None, one.one.price_group or "", one.tenant or "")
    )
    has_amounts = any(row.amount_micros is not None for row in prices.standing_rows)
    return await page.render(
        "prices/multipliers.html",
        status=status,
        form=form,
        multipliers=told,
        multiplies_amounts=prices.multiplies_amounts,
        has_amounts=has_amounts,
    )


def _given(request: Asked) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if name in FIELDS}


async def _ask(
    page: Page, act: str, form: Form, *, planned: Planned | None = None, status: int = OK
) -> Response[Any]:
    key = {name: value for name, value in form.values.items() if name in FOR_WHOM}
    if act == "end":
        tell_as_one(form)
    return await page.render(
        "prices/multiplier.html", status=status, form=form, act=act, planned=planned, key=key
    )
