"""Why a task costs what it does: each row that was considered, and what it lost to."""

from collections.abc import Iterator

import msgspec

from relay.kling.wanted import Wanted
from relay.pricing.book import KEY, Multiplier, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.validity import has_begun, is_over, spelt_hours

NAMED = KEY[1:]


class ConsideredRow(msgspec.Struct, frozen=True):
    """A row that fits the task, and what became of it."""

    row: PriceRow
    of: str
    """Whose it is: the tenant's, its group's, for all, Kling's list."""
    is_chosen: bool
    reason: str
    """A sentence without its stop."""


class ConsideredMultiplier(msgspec.Struct, frozen=True):
    """A multiplier of the tenant's, its group's or everybody's, and what became of it."""

    multiplier: Multiplier
    of: str
    is_chosen: bool
    reason: str


class Reasons(msgspec.Struct, frozen=True):
    """All that was considered, in order: what decides stands first."""

    rows: list[ConsideredRow]
    multipliers: list[ConsideredMultiplier]


def explain(
    prices: Prices, wanted: Wanted, *, tenant_id: int | None = None, price_group: str | None = None
) -> Reasons:
    """Say which row prices a task at the moment of `prices`, and why none of the others does."""
    return Reasons(
        [
            *_in_force(prices, wanted, tenant_id, price_group),
            *_at_other_times(prices, wanted, tenant_id, price_group),
        ],
        list(_multipliers(prices, tenant_id, price_group)),
    )


def _in_force(
    prices: Prices, wanted: Wanted, tenant_id: int | None, price_group: str | None
) -> Iterator[ConsideredRow]:
    chosen: PriceRow | None = None
    first = ""
    for layer in prices.book(tenant_id, price_group).fitting(wanted):
        for row in layer.rows:
            if chosen is None:
                chosen, first = row, layer.of
                yield ConsideredRow(row, layer.of, is_chosen=True, reason="the first that fits")
            elif layer.of != first:
                reason = f"a row goes before it: {first}"
                yield ConsideredRow(row, layer.of, is_chosen=False, reason=reason)
            else:
                yield ConsideredRow(row, layer.of, is_chosen=False, reason=_behind(chosen, row))


def _behind(chosen: PriceRow, row: PriceRow) -> str:
    """Say what a row lost by to another one that is for the same people."""
    if chosen.closeness > row.closeness:
        return f"it names {row.closeness} of the task's fields, the first {chosen.closeness}"
    named = [[getattr(one, name) is not None for name in NAMED] for one in (chosen, row)]
    if named[0] != named[1]:
        field = next(
            name for name, *both in zip(NAMED, *named, strict=True) if both == [True, False]
        )
        return f"it names as many fields, but not the {field.replace('_', ' ')}"
    if chosen.hours is not None and row.hours is None:
        return "the first is for these hours"
    return "the first began later"


def _at_other_times(
    prices: Prices, wanted: Wanted, tenant_id: int | None, price_group: str | None
) -> Iterator[ConsideredRow]:
    in_force = set(prices.rows)
    for row in (*prices.standing_rows, *prices.coming_rows):
        is_theirs = row.tenant_id in (None, tenant_id) and row.price_group in (None, price_group)
        if is_theirs and row not in in_force and row.fits(wanted):
            reason = _not_now(row, prices)
            yield ConsideredRow(row, whose(row), is_chosen=False, reason=reason)


def _multipliers(
    prices: Prices, tenant_id: int | None, price_group: str | None
) -> Iterator[ConsideredMultiplier]:
    fitting = prices.fitting_multipliers(tenant_id, price_group)
    for number, one in enumerate(fitting):
        if number == 0:
            reason = "the first that fits"
        elif whose(one) != whose(fitting[0]):
            reason = f"one goes before it: {whose(fitting[0])}"
        elif fitting[0].hours is not None and one.hours is None:
            reason = "the first is for these hours"
        else:
            reason = "the first began later"
        yield ConsideredMultiplier(one, whose(one), is_chosen=number == 0, reason=reason)
    for one in (*prices.standing_multipliers, *prices.coming_multipliers):
        is_theirs = one.tenant_id in (None, tenant_id) and one.price_group in (None, price_group)
        if is_theirs and one not in fitting:
            reason = _not_now(one, prices)
            yield ConsideredMultiplier(one, whose(one), is_chosen=False, reason=reason)


def _not_now(one: PriceRow | Multiplier, prices: Prices) -> str:
    if not has_begun(one, prices.at):
        return "it begins later"
    if is_over(one, prices.at):
        return "it is over"
    assert one.hours is not None, "all else holds"
    local = prices.at.astimezone(prices.zone)
    return f"it is for the hours {spelt_hours(one.hours)}, and it is {local:%H:%M}"


def whose(one: PriceRow | Multiplier) -> str:
    """Say in the words of a book's layers whose it is."""
    if one.tenant_id is not None:
        return "the tenant's"
    return "for all" if one.price_group is None else "its group's"
