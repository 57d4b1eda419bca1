"""What a workflow may cost at the least, by the prices in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.runs.templates.template import Template


class TemplatePrice(NamedTuple):
    """What as little as can be given may cost."""

    currency: str
    steps: list[tuple[str, int]]
    """By the step's name in such a run, what it may cost the tenant, in micros."""
    unpriced: str | None
    """What of it no row prices, as it is said to people."""

    @property
    def total_micros(self) -> int | None:
        return None if self.unpriced else sum(micros for _, micros in self.steps)


def price_of(template: Template, tenant: str | None) -> TemplatePrice:
    """Price a template with samples of what has to be given.

    Raises:
        Failure: there is no such tenant.
    """
    import msgspec

    from relay.kling.alike import Reading
    from relay.kling.wanted import read_wanted
    from relay.kling.wire import Fields
    from relay.pricing.quote import UnitPrices
    from relay.runs.plan import with_samples
    from relay.runs.templates.given import check_given
    from relay.runs.templates.planned import plan_of
    from relay.runs.templates.samples import sample_of

    plan = plan_of(template, check_given(template, sample_of(template)))
    endpoints = catalogue()

    async def work(session: AsyncSession) -> TemplatePrice:
        from relay.desk.explained import explain_price

        priced: list[tuple[str, int]] = []
        for step in plan.steps:
            endpoint = endpoints.of(step.endpoint)
            body = msgspec.json.encode(with_samples(step.body))
            fields = msgspec.json.decode(body, type=Fields)
            wanted = read_wanted(endpoint, Reading(fields), model=step.model).wanted[0]
            found = await explain_price(
                *(session, wanted),
                tenant=tenant,
                zone=database.settings.zone,
                unit_prices=UnitPrices(*database.settings.unit_prices_micros),
            )
            if found.made is None and not endpoint.is_free:
                return TemplatePrice(database.settings.currency, priced, str(wanted))
            made = found.made
            priced.append((step.name, 0 if made is None else made.resold(made.hold_micros)))
        return TemplatePrice(database.settings.currency, priced, None)

    with open_database() as database:
        return database.read(work)
