"""What a change of prices would come to: done in a savepoint, looked at, and taken back.

So it is the desk's own act whose effect is shown, with all that it refuses, and no rule of ours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.acting import WRONG, attempt
from relay.console.page import Page
from relay.console.price_form import sentence_of_no_such
from relay.desk.errors import NoSuch
from relay.html.form import Form
from relay.html.problems import took_too_long
from relay.pricing.book import ANY_ENDPOINT, Multiplier, PriceRow
from relay.pricing.doubts import Doubts, doubts_about, in_force_at
from relay.pricing.effects import (
    EffectOn,
    Payer,
    SoldChange,
    TimesChange,
    effects,
    times_effects,
    weigh_sold,
)
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.quote import Quote, UnitPrices
from relay.tasks.sold import SOLD_DAYS, read_sold
from relay.tenants.read import read_tenants

GROUPS_MAX = 20
"""Of tenants that notice the same: more than these are counted."""
NAMES_MAX = 12


class Tried(NamedTuple):
    """What an act did, before it was taken back."""

    before: Prices
    after: Prices
    payers: list[Payer]
    done: Any
    """What the act returned."""


class Planned(msgspec.Struct, frozen=True):
    """What is shown before it is done."""

    at: datetime
    """The first moment at which it makes a difference."""
    is_now: bool
    effects: list[EffectOn]
    unseen: int
    """Tenants with rows of their own that were not looked at: there are too many of them."""
    times: list[TimesChange]
    sold: list[SoldChange] | None
    """Of the last days; None where reading them took too long."""
    sold_days: int
    doubts: Doubts | None
    has_unsaid_amounts: bool
    """It is an amount, there are multipliers, and nobody ever said whether they apply."""
    sure: str
    """What a visitor is to be sure of: another one, where it comes to something else by now."""
    is_weighed: bool = True
    """What was sold of late was looked for."""


async def try_out(
    page: Page, form: Form, work: Callable[[AsyncSession], Awaitable[object]]
) -> tuple[Tried | None, int]:
    """Do an act and take it back; what the desk refuses stands in the form, as after `attempt`."""
    zone = page.office.settings.zone

    async def work_and_undo(session: AsyncSession) -> Tried:
        before = await read_prices(session, zone)
        payers = await read_payers(session)
        undone = await session.begin_nested()
        try:
            done = await work(session)
            after = await read_prices(session, zone)
        finally:
            await undone.rollback()
        return Tried(before, after, payers, done)

    return await attempt_prices(page, form, work_and_undo)


async def read_payers(session: AsyncSession) -> list[Payer]:
    """Read who has prices: sub-tenants have their parent's."""
    return [
        Payer(one.id, one.name, one.price_group)
        for one in await read_tenants(session)
        if one.parent_id is None
    ]


async def attempt_prices(
    page: Page, form: Form, work: Callable[[AsyncSession], Awaitable[Any]]
) -> tuple[Any, int]:
    """Do an act of prices; a tenant that there is not is told beside its field."""
    try:
        return await attempt(page, form, work)
    except NoSuch as error:
        if not sentence_of_no_such(error, form):
            raise
        return None, WRONG


async def plan_row(page: Page, tried: Tried, row: PriceRow, *, is_set: bool) -> Planned:
    """Tell what a row that is set, or ended, comes to; `row` begins when that is."""
    settings, catalogue = page.office.settings, page.office.catalogue
    unit_prices = UnitPrices(*settings.unit_prices_micros)
    at = in_force_at(row, tried.after.at, settings.zone)
    before, after = tried.before.moved(at), tried.after.moved(at)
    # In a thread: of many tenants with prices of their own it is a second's work.
    found = await asyncio.to_thread(
        effects,
        *([row], tried.payers),
        before=before,
        after=after,
        endpoints=catalogue.priced,
        unit_prices=unit_prices,
    )
    doubts = None
    if is_set:
        group = next((one.price_group for one in tried.payers if one.id == row.tenant_id), None)
        book = after.book(row.tenant_id, row.price_group or group)
        doubts = await asyncio.to_thread(doubts_about, row, book, catalogue.priced, unit_prices)
    every = [one.name for one in catalogue.priced]
    sold = await weigh(
        page, before, after, every if row.endpoint == ANY_ENDPOINT else [row.endpoint]
    )
    is_unsaid = row.amount_micros is not None and after.multiplies_amounts is None
    return Planned(
        at=at,
        is_now=at <= tried.after.at,
        effects=found.on,
        unseen=found.unseen,
        times=[],
        sold=sold,
        sold_days=SOLD_DAYS,
        doubts=doubts,
        has_unsaid_amounts=is_set and is_unsaid and bool(after.standing_multipliers),
        sure=_digest(_spelt(row), [_figures(one) for one in found.on]),
    )


async def plan_times(page: Page, tried: Tried, one: Multiplier) -> Planned:
    """Tell what a multiplier that is set, or ended, comes to."""
    settings = page.office.settings
    at = in_force_at(one, tried.after.at, settings.zone)
    before, after = tried.before.moved(at), tried.after.moved(at)
    found = times_effects(tried.payers, before=before, after=after)
    return Planned(
        at=at,
        is_now=at <= tried.after.at,
        effects=[],
        unseen=0,
        times=found,
        sold=await weigh(page, before, after, [one.name for one in page.office.catalogue.priced]),
        sold_days=SOLD_DAYS,
        doubts=None,
        has_unsaid_amounts=False,
        sure=_digest(_spelt(one), [(shift.before, shift.after) for shift in found]),
    )


async def weigh(
    page: Page, before: Prices, after: Prices, endpoints: Iterable[str]
) -> list[SoldChange] | None:
    """Weigh what was sold of late; in a transaction of its own, which is given up soon."""
    try:
        async with page.reading() as session:
            sold = await read_sold(session, list(endpoints))
    except DBAPIError as error:
        if took_too_long(error):
            return None
        raise
    unit_prices = UnitPrices(*page.office.settings.unit_prices_micros)
    return await asyncio.to_thread(
        weigh_sold, sold, before=before, after=after, unit_prices=unit_prices
    )


def _figures(one: EffectOn) -> list[tuple[int | None, int | None]]:
    return [(_price_of(shift.before), _price_of(shift.after)) for shift in one.shifts]


def _price_of(made: Quote | None) -> int | None:
    return None if made is None else made.price_micros


def _spelt(one: PriceRow | Multiplier) -> Any:
    return msgspec.to_builtins(one)


def _digest(*parts: object) -> str:
    return sha256(msgspec.json.encode(parts)).hexdigest()[:32]
