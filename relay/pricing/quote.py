"""The quote: a price applied to one task, frozen on it, and what is charged by it in the end.

Decimal throughout, rounded half up once, to a micro.
"""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import msgspec

from relay.kling.wanted import Wanted
from relay.money import AMOUNTS_MAX, plain, rounded
from relay.pricing.book import ANY_ENDPOINT, Pack, Per, PriceKind, PriceRow
from relay.settings import Settings

AS_IS = Decimal(1)


class UnitPrices(msgspec.Struct, frozen=True):
    """Kling's list price of one unit of each pack, in micros of our currency."""

    video_micros: int
    image_micros: int

    def of(self, pack: Pack) -> int:
        match pack:
            case Pack.VIDEO:
                return self.video_micros
            case Pack.IMAGE:
                return self.image_micros

    @classmethod
    def in_force(cls, settings: Settings) -> "UnitPrices":
        """Read Kling's list prices in the operator's currency."""
        video_micros, image_micros = settings.unit_prices_micros
        return cls(video_micros=video_micros, image_micros=image_micros)


class Quote(msgspec.Struct, frozen=True):
    """What one task may cost; stored as JSON with the row that made it."""

    row: PriceRow
    wanted: Wanted
    """What was asked for, as data: it is read again, and never parsed."""
    pack: Pack
    """Whose units are held: the row's, or of a catch-all the endpoint's."""
    prices: UnitPrices
    """Of both packs, since Kling may name another one at the end."""
    list_unit_micros: int
    """Kling's list price of a unit: what the tenant's shown deduction is divided by."""
    unit_micros: Decimal
    """What a unit costs this tenant: list price x the row's and the tenant's multipliers."""
    seconds: int
    """Priced length; an upper bound if `is_open`."""
    is_open: bool
    """Kling decides the length."""
    hold_micros: int
    quoted_micros: int | None = None
    """By the row alone, where more is held since Kling took more of late; None is the hold."""
    takes_ids: bool = True
    """Kling got our external id and callback URL for it (`kling/models.py`)."""
    amount_times: Decimal | None = None
    """What a fixed row's amount was multiplied by; None is by nothing."""
    is_cost_followed: bool = False
    """Kling's deduction is charged above `quoted_micros` too, as far as the hold goes."""
    resale: Decimal | msgspec.UnsetType = msgspec.UNSET
    """How many times the amounts above its tenant's own are; not there where it is no sub-tenant's:
    those are what the account pays, by the prices of its parent."""

    def resold(self, micros: int) -> int:
        """Say what an amount of the account's is to the tenant: each amount is rounded once.

        It grows with the amount, so that a charge is at most the hold in these figures too.
        """
        if self.resale is msgspec.UNSET:
            return micros
        return rounded(micros * self.resale)

    @property
    def price_micros(self) -> int:
        """What it costs if Kling names no usable deduction."""
        return self.hold_micros if self.quoted_micros is None else self.quoted_micros


def quote(
    row: PriceRow,
    wanted: Wanted,
    *,
    prices: UnitPrices,
    tenant_multiplier: Decimal,
    rise: Decimal = Decimal(1),
    is_cost_followed: bool = False,
    multiplies_amounts: bool = False,
) -> Quote:
    """Apply a row to a task.

    `rise`: how many times its price is held, since Kling took so much; `is_cost_followed`: charged
    too. `multiplies_amounts`: the tenant's multiplier applies to rows with an amount as well.
    """
    seconds = wanted.seconds
    if seconds is None:
        seconds = row.hold_seconds or wanted.seconds_max
    pack = Pack.IMAGE if row.endpoint == ANY_ENDPOINT and wanted.is_image else row.pack
    list_unit_micros = prices.of(pack)
    unit_micros = list_unit_micros * row.multiplier * tenant_multiplier
    times = _times(row, wanted, seconds)
    is_multiplied = multiplies_amounts and row.kind is PriceKind.FIXED and tenant_multiplier != 1
    amount_times = tenant_multiplier if is_multiplied else None
    if row.kind is PriceKind.UNITS:
        assert row.units is not None, "a row of units has units (constraint)"
        hold = row.units * times * unit_micros
    else:
        assert row.amount_micros is not None, "a fixed row has an amount (constraint)"
        hold = row.amount_micros * times * (AS_IS if amount_times is None else amount_times)
    quoted = rounded(hold)
    return Quote(
        row=row,
        wanted=wanted,
        pack=pack,
        prices=prices,
        list_unit_micros=list_unit_micros,
        unit_micros=unit_micros,
        seconds=seconds,
        is_open=wanted.is_open,
        hold_micros=rounded(hold * rise) if rise > 1 else quoted,
        quoted_micros=quoted if rise > 1 else None,
        amount_times=amount_times,
        is_cost_followed=is_cost_followed and rise > 1,
    )


def quoted_per(
    row: PriceRow,
    tenant_multiplier: Decimal,
    prices: UnitPrices,
    multiplies_amounts: bool,  # noqa: FBT001 (as of `quote`)
) -> Decimal:
    """Say what one task, second or image of a row costs, in micros and not rounded.

    Of `*` it is of the pack that the row names; a task of images is of the other.
    """
    if row.kind is PriceKind.UNITS:
        assert row.units is not None, "a row of units has units (constraint)"
        return row.units * prices.of(row.pack) * row.multiplier * tenant_multiplier
    assert row.amount_micros is not None, "a fixed row has an amount (constraint)"
    return row.amount_micros * (tenant_multiplier if multiplies_amounts else AS_IS)


def _times(row: PriceRow, wanted: Wanted, seconds: int) -> Decimal:
    """Say how many of its tasks, seconds or images a row is to price."""
    match row.per:
        case Per.TASK:
            return Decimal(1)
        case Per.IMAGE:
            return Decimal(wanted.count)
        case Per.SECOND if row.input_floor is not None:
            return max(Decimal(seconds + wanted.input_seconds), row.input_floor * seconds)
        case Per.SECOND:
            return Decimal(seconds)


def _follows_result(quote: Quote) -> bool:
    """Tell whether the result's length prices it; what was put in is known to Kling alone."""
    row = quote.row
    return quote.is_open and row.per is Per.SECOND and row.input_floor is None


def needs_deduction(quote: Quote) -> bool:
    """Tell whether the charge follows from what Kling says at the end, not from the quote alone."""
    return quote.row.kind is PriceKind.UNITS or _follows_result(quote)


def cost_micros(
    quote: Quote,
    *,
    deduction: Decimal | None,
    result_seconds: Decimal | None,
    package: str | None = None,
) -> int:
    """Compute what a success comes to by what Kling says of it, capped at nothing.

    `deduction` is in Kling's units and None if it was not usable; then the quote stands. `package`
    is the pack that Kling took them from, where it said so.
    """
    match quote.row.kind:
        case PriceKind.UNITS:
            if deduction is None:
                return quote.price_micros
            unit_micros = quote.unit_micros
            list_micros = list_unit_micros(quote, package)
            if list_micros != quote.list_unit_micros:
                # Another pack's units: the multipliers are the quote's all the same.
                unit_micros = unit_micros * list_micros / Decimal(quote.list_unit_micros)
            return rounded(deduction * unit_micros)
        case PriceKind.FIXED if result_seconds and _follows_result(quote):
            assert quote.row.amount_micros is not None, "a fixed row has an amount (constraint)"
            # Kling bills the output's length to the nearest second (docs/kling-api.md 10).
            seconds = int(result_seconds.to_integral_value(ROUND_HALF_UP))
            amount = seconds * quote.row.amount_micros
            return amount if quote.amount_times is None else rounded(amount * quote.amount_times)
        case PriceKind.FIXED:
            return quote.price_micros


def charge_micros(quote: Quote, cost_micros: int) -> int:
    """Say what of that is charged, before it is capped at the hold.

    What is held above the price, since Kling took more of late, is the operator's to claim.
    """
    if quote.quoted_micros is None or quote.is_cost_followed:
        return cost_micros
    return min(cost_micros, quote.quoted_micros)


def list_unit_micros(quote: Quote, package: str | None) -> int:
    """Look up Kling's list price of a unit of the pack that it names, or else of the quote's."""
    if package in (Pack.VIDEO, Pack.IMAGE):
        return quote.prices.of(Pack(package))
    return quote.list_unit_micros


def shown_units(charged_micros: int, quote: Quote, package: str | None = None) -> str:
    """Spell the tenant's own deduction: its charge in units at list price, at most 4 places."""
    return _units(charged_micros, list_unit_micros(quote, package))


@lru_cache(maxsize=AMOUNTS_MAX)
def _units(charged_micros: int, list_micros: int) -> str:
    if list_micros == 0:
        return "0"
    units = Decimal(charged_micros) / list_micros
    return plain(units.quantize(Decimal("0.0001"), ROUND_HALF_UP))
