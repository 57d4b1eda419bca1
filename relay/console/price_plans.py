"""What a file of prices, or another list of Kling's, would come to for whom, before it counts."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from relay.console.page import Page
from relay.console.price_plan import Planned, weigh
from relay.pricing.book import ANY_ENDPOINT, Multiplier, PriceRow
from relay.pricing.doubts import in_force_at
from relay.pricing.effects import Effects, Payer, TimesChange, effects, times_effects
from relay.pricing.in_force import Prices
from relay.pricing.quote import UnitPrices
from relay.tasks.sold import SOLD_DAYS

MOMENTS_MAX, LOOKED_AT_MAX = 3, 12
"""At which something else counts than before: those that are told, and that are looked at."""

Changed = PriceRow | Multiplier


class Plans(NamedTuple):
    at: list[Planned]
    """One a moment, the first one first."""
    later: int
    """Moments behind them that nobody is told of here."""


async def plan_all(
    page: Page,
    payers: Sequence[Payer],
    changed: Iterable[Changed],
    *,
    before: Prices,
    after: Prices,
    with_sold: bool = True,
) -> Plans:
    """Tell what all that is changed at once comes to, at each moment at which that is another."""
    begins = _moments(changed, after)
    planned: list[Planned] = []
    looked_at = 0
    for at, until_then in list(begins.items())[:LOOKED_AT_MAX]:
        if len(planned) == MOMENTS_MAX:
            break
        looked_at += 1
        sides = before.moved(at), after.moved(at)
        # In a thread: of a whole book it is a second's work.
        found, times = await asyncio.to_thread(_effects, page, payers, until_then, *sides)
        if planned and (planned[-1].effects, planned[-1].times) == (found.on, times):
            continue
        planned.append(
            Planned(
                at=at,
                is_now=at <= after.at,
                effects=found.on,
                unseen=found.unseen,
                times=times,
                sold=await weigh(page, *sides, _endpoints(page, until_then)) if with_sold else [],
                sold_days=SOLD_DAYS,
                doubts=None,
                has_unsaid_amounts=False,
                sure="",
                is_weighed=with_sold,
            )
        )
    return Plans(planned, len(begins) - looked_at)


def _moments(changed: Iterable[Changed], prices: Prices) -> dict[datetime, list[Changed]]:
    """Tell from when on what makes a difference, with what did before that."""
    first: dict[datetime, list[Changed]] = {}
    for one in changed:
        first.setdefault(in_force_at(one, prices.at, prices.zone), []).append(one)
    ordered = sorted(first)
    return {
        at: [one for moment in ordered[: place + 1] for one in first[moment]]
        for place, at in enumerate(ordered)
    }


def _effects(
    page: Page, payers: Sequence[Payer], changed: Iterable[Changed], before: Prices, after: Prices
) -> tuple[Effects, list[TimesChange]]:
    rows = _as_vague(one for one in changed if isinstance(one, PriceRow))
    found = effects(
        *(rows, payers),
        before=before,
        after=after,
        endpoints=page.office.catalogue.priced,
        unit_prices=UnitPrices(*page.office.settings.unit_prices_micros),
    )
    return found, times_effects(payers, before=before, after=after)


def _as_vague(rows: Iterable[PriceRow]) -> list[PriceRow]:
    """Stand for rows by one for all tasks of their endpoint and model, for the same tenants.

    Of a hundred rows that differ by mode and length each would look at the same kinds again.
    """
    return list(
        dict.fromkeys(
            PriceRow(
                row.endpoint,
                model=row.model,
                tenant_id=row.tenant_id,
                price_group=row.price_group,
            )
            for row in rows
        )
    )


def _endpoints(page: Page, changed: Iterable[Changed]) -> list[str]:
    named = {one.endpoint if isinstance(one, PriceRow) else ANY_ENDPOINT for one in changed}
    if ANY_ENDPOINT in named:
        return [one.name for one in page.office.catalogue.priced]
    return sorted(named)
