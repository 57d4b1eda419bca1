"""What prices come to: one task's, why, and a month's by a file's."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, JSONBody, QueryParameter

from relay.admin.bodies import month_in, refuse_naive
from relay.admin.prices import FILE_CHARS_MAX, read_prices_file
from relay.admin.problems import WrongField
from relay.admin.routes import reads
from relay.desk.errors import Busy, NotPossible
from relay.desk.explained import (
    Explained,
    ShownQuote,
    ShownReasons,
    explain_price,
    shown_quote,
    shown_reasons,
)
from relay.desk.office import Office
from relay.desk.price_files import prices_of
from relay.kling.wanted import Wanted
from relay.pricing.book import PriceRow
from relay.pricing.file import fields_priced_by
from relay.pricing.quote import UnitPrices
from relay.pricing.standing import task_of
from relay.tasks.simulate import Simulated, SimulationRunning, simulate

Seconds = Annotated[int | None, QueryParameter(ge=1, le=3600, description="Of the clip.")]
Word = Annotated[str | None, QueryParameter(min_length=1, max_length=200)]


class Simulation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    toml: Annotated[str, msgspec.Meta(max_length=FILE_CHARS_MAX)]
    """As `GET /prices/file` has it; rows without dates count for the whole month."""
    month: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class SimulatedMonth(msgspec.Struct, frozen=True):
    month: str
    currency: str
    rows: list[Simulated]


def task_wanted(
    office: NamedDependency[Office],
    *,
    endpoint: FromQuery[str],
    model: Word = None,
    mode: Word = None,
    sound: FromQuery[bool | None] = None,
    voice: FromQuery[bool | None] = None,
    video_input: FromQuery[bool | None] = None,
    duration: Seconds = None,
) -> Wanted:
    """Read a task from a query; what it leaves out has Kling's defaults."""
    office.check_priced(endpoint)
    found = office.catalogue.priced_as(endpoint)
    given: dict[str, Any] = {"model": model, "mode": mode, "sound": sound, "voice": voice}
    given |= {"video_input": video_input, "duration": duration}
    priced_by = fields_priced_by(found.pricing)
    for name, value in given.items():
        if value is not None and not priced_by[name]:
            raise WrongField(name, f"{endpoint} is not priced by {name}")
    given["duration_s"] = given.pop("duration")
    return task_of(PriceRow(endpoint, **given), found)


OF_TASK = {"wanted": Provide(task_wanted, sync_to_thread=False)}
"""What routes have that are about one task."""


class Priced(Controller):
    path = "/admin/v1/prices"
    tags = ("Prices",)

    @get("/quote", **reads("price.read", 404, 409), dependencies=OF_TASK)
    async def quote(
        self,
        office: NamedDependency[Office],
        wanted: NamedDependency[Wanted],
        *,
        tenant: FromQuery[str | None] = None,
    ) -> ShownQuote:
        """Show what a task would cost now, and the row that says so; 409 if no row prices it.

        Fields that are left out have Kling's defaults.
        """
        found = await _explained(office, wanted, tenant)
        if found.made is None:
            raise NotPossible("task", str(found.wanted), "no row prices it: it would be refused")
        return shown_quote(found.made, found.book, office.settings.currency)

    @get("/why", **reads("price.read", 404), dependencies=OF_TASK)
    async def why(
        self,
        office: NamedDependency[Office],
        wanted: NamedDependency[Wanted],
        *,
        tenant: FromQuery[str | None] = None,
        at: FromQuery[datetime | None] = None,
    ) -> ShownReasons:
        """Show each row and multiplier that was considered for a task, and why one of them counts.

        `at`: at a moment, past or to come.
        """
        refuse_naive(at=at)
        found = await _explained(office, wanted, tenant, at=at)
        return shown_reasons(found, office.settings.currency)

    @post("/file/simulation", **reads("price.read", 404, 409, 413), status_code=200)
    async def simulate(
        self, office: NamedDependency[Office], data: JSONBody[Simulation]
    ) -> SimulatedMonth:
        """Show what a month's tasks would have cost by the prices of a file; nothing is changed.

        Each that succeeded is priced anew from what it asked for, and settled by what Kling said.
        """
        file, settings = read_prices_file(data.toml, office), office.settings
        window = month_in("month", data.month).window(settings.zone)
        async with office.long() as session:
            prices = await prices_of(session, file, settings.zone)
            try:
                rows = await simulate(session, prices, window, catalogue=office.catalogue)
            except SimulationRunning as error:
                raise Busy from error
        return SimulatedMonth(data.month, settings.currency, rows)


async def _explained(
    office: Office, wanted: Wanted, tenant: str | None, *, at: datetime | None = None
) -> Explained:
    settings = office.settings
    async with office.reading() as session:
        return await explain_price(
            *(session, wanted),
            tenant=tenant,
            zone=settings.zone,
            unit_prices=UnitPrices(*settings.unit_prices_micros),
            at=at,
        )
