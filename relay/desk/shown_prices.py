"""Price rows, multipliers and what differs between two sets of them, as operators are shown it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

import msgspec

from relay.money import plain
from relay.pricing.book import Multiplier, Pack, Per, PriceKind, PriceRow
from relay.pricing.difference import Difference
from relay.pricing.validity import spelt_hours
from relay.usage.losses import Loss, Why

NO_NAMES: Mapping[int, str] = MappingProxyType({})


class ShownPrice(msgspec.Struct, frozen=True, kw_only=True):
    """One row; a field of the key that is null fits anything."""

    endpoint: str
    kind: PriceKind
    per: Per
    units: str | None
    amount_micros: int | None
    pack: Pack
    model: str | None
    mode: str | None
    sound: bool | None
    voice: bool | None
    video_input: bool | None
    duration_s: int | None
    multiplier: str
    hold_seconds: int | None
    input_floor: str | None
    source: str
    """The operator's, or Kling's list of a day."""
    price_group: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    hours: str | None
    tenant: str | None
    held_times: str
    """So many times its price it is held, since Kling took more."""


class ShownMultiplier(msgspec.Struct, frozen=True, kw_only=True):
    times: str
    tenant: str | None
    price_group: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    hours: str | None


class ShownSet(msgspec.Struct, frozen=True):
    prices: list[ShownPrice]
    multipliers: list[ShownMultiplier]


class ShownDifference(msgspec.Struct, frozen=True):
    """What a file would change, or has changed."""

    ended: ShownSet
    added: ShownSet
    multiplies_amounts: bool | None
    """Null: it stays."""


class ShownLoss(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one tenant on one channel that one price row sold below cost."""

    why: Why
    tenant: str
    channel: str
    row: ShownPrice | None
    """As the tasks' quotes froze it."""
    sold_at_micros: str | None
    """What a unit of Kling's cost the tenant, by list, row and multipliers."""
    tasks: int
    charged_micros: int
    """Less what was given back."""
    cost_micros: int
    units: str | None
    """What Kling took, as far as it took units."""
    worst_id: int
    """Of ours: the task that lost most."""
    worst_micros: int
    """What it lost."""
    lost_micros: int


def shown_price(
    row: PriceRow, rise: Decimal | None = None, names: Mapping[int, str] = NO_NAMES
) -> ShownPrice:
    """Spell a row; `rise`: how many times its price it is held; `names`: of tenants."""
    fields = msgspec.structs.asdict(row)
    tenant_id = fields.pop("tenant_id")
    return ShownPrice(
        **fields
        | {
            "tenant": None if tenant_id is None else names.get(tenant_id),
            "hours": None if row.hours is None else spelt_hours(row.hours),
            "units": None if row.units is None else plain(row.units),
            "multiplier": plain(row.multiplier),
            "input_floor": None if row.input_floor is None else plain(row.input_floor),
            "held_times": "1" if rise is None else plain(rise),
        }
    )


def shown_multiplier(one: Multiplier, names: Mapping[int, str] = NO_NAMES) -> ShownMultiplier:
    return ShownMultiplier(
        times=plain(one.times),
        tenant=None if one.tenant_id is None else names.get(one.tenant_id),
        price_group=one.price_group,
        valid_from=one.valid_from,
        valid_to=one.valid_to,
        hours=None if one.hours is None else spelt_hours(one.hours),
    )


def shown_loss(one: Loss) -> ShownLoss:
    sold_at, row = one.sold_at_micros, one.row
    # A row that is for one tenant sold to no other.
    names = {} if row is None or row.tenant_id is None else {row.tenant_id: one.tenant}
    return ShownLoss(
        **msgspec.structs.asdict(one)
        | {
            "row": None if row is None else shown_price(row, names=names),
            "sold_at_micros": None if sold_at is None else plain(sold_at),
            "units": None if one.units is None else plain(one.units),
            "lost_micros": one.lost_micros,
        }
    )


def shown_difference(difference: Difference, names: Mapping[int, str]) -> ShownDifference:
    ended, added = (
        ShownSet(
            [shown_price(one, names=names) for one in both if isinstance(one, PriceRow)],
            [shown_multiplier(one, names) for one in both if isinstance(one, Multiplier)],
        )
        for both in (difference.ended, difference.added)
    )
    return ShownDifference(ended, added, difference.multiplies_amounts)
