"""Why a task costs what it does: each row that was considered, and what it lost to."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from relay.kling.wanted import Wanted
from relay.pricing.book import KEY, Multiplier, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.validity import has_begun, is_over, spelt_hours

NAMED = KEY[1:]


class Because(StrEnum):
    """What became of a row or a multiplier; each a sentence without its stop, with its holes."""

    FIRST = "the first that fits"
    ROW_BEFORE = "a row goes before it: {of}"
    ONE_BEFORE = "one goes before it: {of}"
    NAMES_FEWER = "it names {named} of the task's fields, the first {first}"
    NAMES_OTHERS = "it names as many fields, but not the {field}"
    FIRST_FOR_HOURS = "the first is for these hours"
    FIRST_IS_LATER = "the first began later"
    TO_COME = "it begins later"
    OVER = "it is over"
    OTHER_HOURS = "it is for the hours {hours}, and it is {now}"


class Reason(msgspec.Struct, frozen=True):
    """Why one counts, or what it lost by; a face that speaks another language words it anew."""

    because: Because
    values: dict[str, str] = {}

    def __str__(self) -> str:
        return self.because.value.format(**self.values)


class ConsideredRow(msgspec.Struct, frozen=True):
    """A row that fits the task, and what became of it."""

    row: PriceRow
    of: str
    """Whose it is: the tenant's, its group's, for all, Kling's list."""
    is_chosen: bool
    reason: Reason


class ConsideredMultiplier(msgspec.Struct, frozen=True):
    """A multiplier of the tenant's, its group's or everybody's, and what became of it."""

    multiplier: Multiplier
    of: str
    is_chosen: bool
    reason: Reason


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
                yield ConsideredRow(row, layer.of, is_chosen=True, reason=Reason(Because.FIRST))
            elif layer.of != first:
                reason = Reason(Because.ROW_BEFORE, {"of": first})
                yield ConsideredRow(row, layer.of, is_chosen=False, reason=reason)
            else:
                yield ConsideredRow(row, layer.of, is_chosen=False, reason=_behind(chosen, row))


def _behind(chosen: PriceRow, row: PriceRow) -> Reason:
    """Say what a row lost by to another one that is for the same people."""
    if chosen.closeness > row.closeness:
        counts = {"named": str(row.closeness), "first": str(chosen.closeness)}
        return Reason(Because.NAMES_FEWER, counts)
    named = [[getattr(one, name) is not None for name in NAMED] for one in (chosen, row)]
    if named[0] != named[1]:
        field = next(
            name for name, *both in zip(NAMED, *named, strict=True) if both == [True, False]
        )
        return Reason(Because.NAMES_OTHERS, {"field": field.replace("_", " ")})
    if chosen.hours is not None and row.hours is None:
        return Reason(Because.FIRST_FOR_HOURS)
    return Reason(Because.FIRST_IS_LATER)


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
            reason = Reason(Because.FIRST)
        elif whose(one) != whose(fitting[0]):
            reason = Reason(Because.ONE_BEFORE, {"of": whose(fitting[0])})
        elif fitting[0].hours is not None and one.hours is None:
            reason = Reason(Because.FIRST_FOR_HOURS)
        else:
            reason = Reason(Because.FIRST_IS_LATER)
        yield ConsideredMultiplier(one, whose(one), is_chosen=number == 0, reason=reason)
    for one in (*prices.standing_multipliers, *prices.coming_multipliers):
        is_theirs = one.tenant_id in (None, tenant_id) and one.price_group in (None, price_group)
        if is_theirs and one not in fitting:
            reason = _not_now(one, prices)
            yield ConsideredMultiplier(one, whose(one), is_chosen=False, reason=reason)


def _not_now(one: PriceRow | Multiplier, prices: Prices) -> Reason:
    if not has_begun(one, prices.at):
        return Reason(Because.TO_COME)
    if is_over(one, prices.at):
        return Reason(Because.OVER)
    assert one.hours is not None, "all else holds"
    local = prices.at.astimezone(prices.zone)
    values = {"hours": spelt_hours(one.hours), "now": f"{local:%H:%M}"}
    return Reason(Because.OTHER_HOURS, values)


def whose(one: PriceRow | Multiplier) -> str:
    """Say in the words of a book's layers whose it is."""
    if one.tenant_id is not None:
        return "the tenant's"
    return "for all" if one.price_group is None else "its group's"
