"""Kling's list: the one in force, the one that is brought, and what adopting that one changes."""

from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.page import Asked, Page
from relay.console.price_plan import read_payers
from relay.console.price_plans import Plans, plan_all
from relay.console.prices import HERE as PRICES
from relay.desk.offered_lists import Offered, read_offered
from relay.desk.prices import adopt_list
from relay.html.form import Form, read_form
from relay.html.problems import took_too_long
from relay.pricing.in_force import read_prices
from relay.pricing.lists import OFFERED, RowChange
from relay.pricing.standing import stand
from relay.tasks.sold import SOLD_DAYS

HERE = f"{PRICES}/official"


class ToldChange(msgspec.Struct, frozen=True):
    """A row that both lists do not have alike."""

    change: RowChange
    share: float | None
    """By which share it is dearer; None: it is new, gone, or of another kind."""
    behind: str
    """Rows of the operator's go before it: `none`, for `some` or for `all` of its tasks."""
    tasks: int
    """Sold of late."""


class PriceLists(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Compare both lists, and say what the new one means for whom."""
        return await _show(page, Form(page.say))

    @post("/adopt", guards=[may("price.adopt")])
    async def adopt(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Price by the list that this version brings, in place of the one that was seen."""
        form = await read_form(request, page.say)
        seen = form.text("instead_of", must=True)

        async def work(session: AsyncSession) -> None:
            await adopt_list(session, page.actor, instead_of=seen or "")

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(HERE, said="adopted")
        return await _show(page, form, status=status)


async def _show(page: Page, form: Form, *, status: int = OK) -> Response[Any]:
    found, has_sold = await _read(page), True
    if found is None:
        found, has_sold = await _read(page, with_sold=False), False
        assert found is not None, "without the tasks there is little to read"
    is_newer = found.adopted.name != OFFERED.name
    plans = await _plan(page, found) if is_newer else None
    return await page.render(
        "prices/official.html",
        status=status,
        form=form,
        found=found,
        brought=OFFERED.name,
        is_newer=is_newer,
        plans=plans,
        changes=[_told(change, tasks, found, page) for change, tasks in found.difference.rows],
        has_sold=has_sold,
        days=SOLD_DAYS,
    )


async def _read(page: Page, *, with_sold: bool = True) -> Offered | None:
    """Read it; None where the tasks of late took too long."""
    try:
        async with page.reading() as session:
            return await read_offered(session, settings=page.office.settings, with_sold=with_sold)
    except DBAPIError as error:
        if with_sold and took_too_long(error):
            return None
        raise


async def _plan(page: Page, found: Offered) -> Plans:
    """Tell what adopting it changes for whom; what was sold is told with its cost beside this."""
    async with page.reading() as session:
        payers = await read_payers(session)
        before = await read_prices(session, page.office.settings.zone)
    rows = [change.either for change, _ in found.difference.rows]
    after = before.with_list(OFFERED.rows)
    return await plan_all(page, payers, rows, before=before, after=after, with_sold=False)


def _told(change: RowChange, tasks: int, found: Offered, page: Page) -> ToldChange:
    standing = stand(change.either, found.book, page.office.catalogue.priced)
    has_before = any(one.is_own for one in standing.before)
    behind = "none" if not has_before else "some" if standing.is_used else "all"
    return ToldChange(change, _share(change), behind, tasks)


def _share(change: RowChange) -> float | None:
    old, new = change.old, change.new
    if old is None or new is None or not old.units or new.units is None:
        return None
    if (old.per, old.pack) != (new.per, new.pack):
        return None
    return float((new.units - old.units) / old.units)
