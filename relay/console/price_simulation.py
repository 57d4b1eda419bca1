"""What a month's tasks would have cost by other prices: by a file's, or with one row changed."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.exc import DBAPIError

from relay.console.access import may
from relay.console.acting import OK, WRONG
from relay.console.page import Asked, Page
from relay.console.price_files import CHARS_MAX, read_prices_form, spell_prices
from relay.console.price_form import FIELDS, Given, read_row
from relay.console.prices import HERE as PRICES
from relay.console.problems import sentence_of, status_of
from relay.desk.errors import Busy, DeskError
from relay.desk.price_files import prices_of
from relay.html.days import read_month_of
from relay.html.form import Form
from relay.html.problems import took_too_long
from relay.months import Month, month_of
from relay.pricing.book import PriceRow
from relay.pricing.difference import slot
from relay.pricing.file import Line, PriceFile, read_file
from relay.tasks.simulate import Simulated, SimulationRunning, simulate

HERE = f"{PRICES}/simulate"
BUSY, GIVEN_UP = 409, 503


class Outcome(msgspec.Struct, frozen=True):
    """What a month would have come to."""

    month: Month
    rows: list[Simulated]

    @property
    def total(self) -> Simulated:
        return Simulated(
            *("", ""),
            tasks=sum(one.tasks for one in self.rows),
            charged_micros=sum(one.charged_micros for one in self.rows),
            simulated_micros=sum(one.simulated_micros for one in self.rows),
            unpriced=sum(one.unpriced for one in self.rows),
        )


class PriceSimulation(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get()
    async def ask(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask for a month, and for a file; or the address has the row that is tried."""
        form = Form(page.say, values=dict(request.query_params.items()))
        now = month_of(datetime.now(UTC), page.office.settings.zone)
        form.values.setdefault("month", str(now.previous))
        if not form.values.get("endpoint"):
            text = await spell_prices(page)
            form.values.setdefault("toml", text if len(text) <= CHARS_MAX else "")
        return await _show(page, form)

    @post()
    async def simulate(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Price each task of the month anew; nothing is changed, and one runs at a time."""
        form, file = await read_prices_form(page, request)
        if form.values.get("endpoint"):
            form.errors.clear()
            given = read_row(form, page)
            file = None if given is None else await _with_row(page, given)
        month = read_month_of(form, "month")
        if month is None:
            form.errors.setdefault("month", page.say("Fill this in."))
        if file is None or month is None or not form.is_right:
            return await _show(page, form, status=WRONG)
        try:
            rows = await _simulate(page, file, month)
        except (Busy, SimulationRunning):
            form.errors[""] = page.say(
                "Another simulation, or something else that reads a month, is running. Try again"
                " when it is over."
            )
            return await _show(page, form, status=BUSY)
        except DeskError as error:
            form.errors["toml" if "toml" in form.values else ""] = sentence_of(error, page)
            return await _show(page, form, status=status_of(error))
        except DBAPIError as error:
            if not took_too_long(error):
                raise
            form.errors[""] = page.say(
                "It took longer than two minutes, and was given up. `relay price simulate` has no"
                " more time; try it when less is going on."
            )
            return await _show(page, form, status=GIVEN_UP)
        return await _show(page, form, outcome=Outcome(month, rows))


async def _simulate(page: Page, file: PriceFile, month: Month) -> list[Simulated]:
    office = page.office
    async with office.long() as session:
        prices = await prices_of(session, file, office.settings.zone)
        window = month.window(office.settings.zone)
        return await simulate(session, prices, window, catalogue=office.catalogue)


async def _with_row(page: Page, given: Given) -> PriceFile:
    """Take all prices as they are, with one row in place of those for the same."""
    office = page.office
    file = read_file(await spell_prices(page), office.settings.zone, office.catalogue)
    where = (*slot(given.row), given.tenant)
    kept = [line for line in file.rows if (*slot(line.one), line.tenant) != where]
    # For the whole month, whenever it is to begin.
    row: PriceRow = msgspec.structs.replace(given.row, valid_from=None, valid_to=None)
    return msgspec.structs.replace(file, rows=[*kept, Line("price", given.tenant, row)])


async def _show(
    page: Page, form: Form, *, outcome: Outcome | None = None, status: int = OK
) -> Response[Any]:
    fields = {name: form.values[name] for name in FIELDS if form.values.get(name)}
    return await page.render(
        "prices/simulate.html",
        status=status,
        form=form,
        outcome=outcome,
        fields=fields if fields.get("endpoint") else None,
    )
