"""What a task would cost a tenant, and why, as operators are shown it by command and by HTTP."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.find import tenant_named
from relay.desk.shown_prices import ShownMultiplier, ShownPrice, shown_multiplier, shown_price
from relay.kling.wanted import Wanted
from relay.money import plain
from relay.pricing.book import Multiplier, Per, PriceBook, PriceKind, PriceRow
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.quote import Quote, UnitPrices, quote, shown_units
from relay.pricing.why import Reasons, explain
from relay.tenants.read import find_payer, names_by_id
from relay.tenants.tables import Tenant


class Explained(NamedTuple):
    """One task priced at one moment."""

    wanted: Wanted
    prices: Prices
    tenant: Tenant | None
    payer: Tenant | None
    """Whose prices those are that a sub-tenant's account is charged; else the tenant."""
    names: Mapping[int, str]
    """Of the tenants that prices are for."""
    book: PriceBook
    made: Quote | None
    """None: no row prices it, and such a task is refused."""

    @property
    def reasons(self) -> Reasons:
        payer = self.payer
        tenant_id, group = (None, None) if payer is None else (payer.id, payer.price_group)
        return explain(self.prices, self.wanted, tenant_id=tenant_id, price_group=group)


class ShownQuote(msgspec.Struct, frozen=True, kw_only=True):
    """What a task would cost, and the row that says so."""

    wanted: Wanted
    row: ShownPrice
    currency: str
    hold_micros: int
    """Of the account."""
    resold_micros: int
    """What that is to the tenant: to a sub-tenant at its own price."""
    shown_units: str
    """What the tenant sees as Kling's deduction."""
    seconds: int
    is_open: bool
    """Its length is Kling's to say: it is held for the most that it can be."""
    settled_by: str


class ShownRowReason(msgspec.Struct, frozen=True):
    of: str
    """Whose row it is: the tenant's, its group's, for all, Kling's list."""
    is_chosen: bool
    reason: str
    row: ShownPrice


class ShownMultiplierReason(ShownMultiplier, frozen=True, kw_only=True):
    of: str
    is_chosen: bool
    reason: str


class ShownReasons(msgspec.Struct, frozen=True, kw_only=True):
    """All that was considered, what decides first."""

    wanted: Wanted
    at: datetime
    tenant: str | None
    price_group: str | None
    currency: str
    hold_micros: int | None
    """Null: no row prices it, and such a task is refused."""
    multiplier: str
    rows: list[ShownRowReason]
    multipliers: list[ShownMultiplierReason]


async def explain_price(
    session: AsyncSession,
    wanted: Wanted,
    *,
    tenant: str | None,
    zone: tzinfo,
    unit_prices: UnitPrices,
    at: datetime | None = None,
) -> Explained:
    """Price a task for a tenant, or for one without prices of its own; now, or at a moment.

    Raises:
        NoSuch: there is no such tenant.
    """
    prices = await read_prices(session, zone, at=at)
    found = None if tenant is None else await tenant_named(session, tenant)
    payer = None if found is None else await find_payer(session, found)
    tenant_id, group = (None, None) if payer is None else (payer.id, payer.price_group)
    dated: list[PriceRow | Multiplier] = [*prices.standing_rows, *prices.coming_rows]
    dated += [*prices.standing_multipliers, *prices.coming_multipliers]
    names = await names_by_id(session, {one.tenant_id for one in dated if one.tenant_id})
    book = prices.book(tenant_id, group)
    row = book.find(wanted)
    made = None
    if row is not None:
        made = quote(
            row,
            wanted,
            prices=unit_prices,
            tenant_multiplier=book.multiplier,
            rise=book.rise(row),
            multiplies_amounts=book.multiplies_amounts,
        )
        if found is not None and found.resale is not None:
            made = msgspec.structs.replace(made, resale=found.resale)
    return Explained(wanted, prices, found, payer, names, book, made)


def shown_quote(made: Quote, book: PriceBook, currency: str) -> ShownQuote:
    own_micros = made.resold(made.hold_micros)
    return ShownQuote(
        wanted=made.wanted,
        row=shown_price(made.row, book.rise(made.row)),
        currency=currency,
        hold_micros=made.hold_micros,
        resold_micros=own_micros,
        shown_units=shown_units(own_micros, made),
        seconds=made.seconds,
        is_open=made.is_open,
        settled_by=settled_by(made.row),
    )


def shown_reasons(found: Explained, currency: str) -> ShownReasons:
    reasons, tenant = found.reasons, found.tenant
    return ShownReasons(
        wanted=found.wanted,
        at=found.prices.at,
        tenant=None if tenant is None else tenant.name,
        price_group=None if found.payer is None else found.payer.price_group,
        currency=currency,
        hold_micros=None if found.made is None else found.made.hold_micros,
        multiplier=plain(found.book.multiplier),
        rows=[
            ShownRowReason(
                *(one.of, one.is_chosen, str(one.reason)),
                shown_price(one.row, found.book.rise(one.row), found.names),
            )
            for one in reasons.rows
        ],
        multipliers=[
            ShownMultiplierReason(
                of=one.of,
                is_chosen=one.is_chosen,
                reason=str(one.reason),
                **msgspec.structs.asdict(shown_multiplier(one.multiplier, found.names)),
            )
            for one in reasons.multipliers
        ],
    )


def settled_by(row: PriceRow) -> str:
    """Say by what a task is charged in the end, that a row prices."""
    if row.kind is PriceKind.UNITS:
        return "Kling's deduction, at most the hold"
    if row.per is Per.TASK or row.input_floor is not None:
        return "the amount"
    return "the seconds Kling bills, at most the hold"
