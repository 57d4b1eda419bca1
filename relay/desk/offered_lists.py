"""What the list of Kling's that this version brings would change, before it is adopted."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from relay.pricing.book import PriceBook
from relay.pricing.in_force import read_prices
from relay.pricing.lists import OFFERED, AdoptedList, compare, read_adopted
from relay.pricing.margins import ListDifference, weigh
from relay.pricing.quote import UnitPrices
from relay.settings import Settings
from relay.tasks.sold import read_sold


class Offered(NamedTuple):
    adopted: AdoptedList
    """The one in force."""
    book: PriceBook
    """Of who has no price of its own, with the list that is brought."""
    difference: ListDifference


async def read_offered(
    session: AsyncSession, *, settings: Settings, with_sold: bool = True
) -> Offered:
    """Compare both lists, and weigh what was sold of late by them.

    `with_sold`: else nothing was, which spares the tasks of a month.
    """
    adopted = await read_adopted(session)
    in_force = await read_prices(session, settings.zone)
    changes = compare(adopted.rows, OFFERED.rows)
    endpoints = dict.fromkeys(change.either.endpoint for change in changes)
    sold = await read_sold(session, list(endpoints)) if endpoints and with_sold else []
    difference = weigh(
        changes,
        sold,
        in_force=in_force,
        old=adopted.rows,
        new=OFFERED.rows,
        prices=UnitPrices(*settings.unit_prices_micros),
    )
    return Offered(adopted, in_force.with_list(OFFERED.rows).book(), difference)
