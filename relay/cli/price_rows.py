"""Price rows as they are shown, and what is said of one that was just set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from relay.cli.endpoints import catalogue
from relay.cli.price_key import quoted_key
from relay.cli.show import fields_of
from relay.money import money, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo
    from decimal import Decimal

    from relay.pricing.book import PriceBook, PriceRow
    from relay.pricing.quote import UnitPrices
    from relay.settings import Settings

NO_NAMES: Mapping[int, str] = MappingProxyType({})
HOURS_LOOKED_AT = 30
"""A day on which the clocks are put back, and what a row has of moments besides."""
NAMED_MAX = 5
"""Of other rows, and of words that Kling has."""


def described(
    row: PriceRow, rise: Decimal | None = None, names: Mapping[int, str] = NO_NAMES
) -> dict[str, object]:
    """Spell a row for JSON; `rise`: how many times its price it is held; `names`: of tenants."""
    from relay.desk.shown_prices import shown_price

    return fields_of(shown_price(row, rise, names))


def held_times(rise: Decimal) -> str:
    """Say that more is held than the price, since Kling took more; nothing is the rule."""
    return f", held x {rise:.3f}" if rise > 1 else ""


def priced(row: PriceRow, currency: str) -> str:
    per = f"/{row.per.value}"
    if row.input_floor is not None:
        per += f" of output and input, at least {plain(row.input_floor)} x the output"
    if row.units is None:
        return f"{money(row.amount_micros or 0, currency)}{per}"
    times = "" if row.multiplier == 1 else f" x {plain(row.multiplier)}"
    pack = "" if row.pack == "video" else f" {row.pack.value}"
    return f"{plain(row.units)}{pack} units{per}{times}"


def switched(flag: bool | None) -> str:  # noqa: FBT001 (three values)
    return "any" if flag is None else "on" if flag else "off"


def is_retired(row: PriceRow) -> bool:
    """Tell official rows of models that Kling ended."""
    from relay.kling.models import RETIRED

    return not row.is_own and row.model in RETIRED


def in_force_at(row: PriceRow, at: datetime, zone: tzinfo) -> datetime:
    """Find the first moment from `at` on at which a row holds; `at` if it holds at none."""
    from relay.pricing.validity import holds, next_change

    moment: datetime | None = max(at, row.valid_from or at)
    for _ in range(HOURS_LOOKED_AT):
        if moment is None or holds(row, moment, zone):
            break
        moment = next_change([row], moment, zone)
    return moment or at


def is_same_row(one: PriceRow, other: PriceRow) -> bool:
    """Tell whether they price the same tasks of the same tenants alike."""
    from relay.pricing.lists import is_same_price

    whose = [(row.tenant_id, row.price_group, row.hours, row.is_own) for row in (one, other)]
    return whose[0] == whose[1] and is_same_price(one, other)


def winner(row: PriceRow, book: PriceBook) -> PriceRow | None:
    """Find the row that prices a task of this key, with Kling's defaults for the rest.

    Of `*` there is no such task: None.
    """
    from relay.pricing.book import ANY_ENDPOINT
    from relay.pricing.standing import task_of

    if row.endpoint == ANY_ENDPOINT:
        return None
    return book.find(task_of(row, catalogue().of(row.endpoint)))


def warnings(row: PriceRow, book: PriceBook, settings: Settings) -> list[str]:
    """Say what an operator may not have meant by a row that is in force now."""
    from relay.pricing.quote import UnitPrices

    return [
        *_about_use(row, book, settings.currency),
        *_about_nothing(row, UnitPrices(*settings.unit_prices_micros)),
        *_about_words(row),
    ]


def _about_use(row: PriceRow, book: PriceBook, currency: str) -> Iterator[str]:
    from relay.pricing.standing import stand

    endpoints = catalogue().endpoints
    if any(one.is_free for one in endpoints if one.name == row.endpoint):
        yield f"no row ever prices {row.endpoint}: it is free of charge"
        return
    # As it was read back, with the moment at which it began.
    stored = next((one for one in book.rows if is_same_row(one, row)), row)
    standing = stand(stored, book, endpoints)
    before = [f"{quoted_key(one)} ({priced(one, currency)})" for one in standing.before]
    if not standing.is_used:
        why = f"these go before it: {_listed(before)}" if before else "no task has its key"
        yield f"this row can never win: {why}"
    elif before:
        yield f"some tasks of this key are priced by rows before it: {_listed(before)}"
    for other in book.rows_of(row.endpoint):
        # Of others' rows all but these tenants' tasks are left, and of those that come and go some.
        is_alike = (other.tenant_id, other.price_group) == (row.tenant_id, row.price_group)
        is_lasting = row.hours is None and row.valid_to is None
        if other.is_own and is_alike and is_lasting and not is_same_row(other, row):
            behind = stand(other, book, endpoints)
            if not behind.is_used and any(is_same_row(one, row) for one in behind.before):
                yield f"your row {quoted_key(other)} can never win any more"


def _about_nothing(row: PriceRow, prices: UnitPrices) -> Iterator[str]:
    """Warn of a price of 0, by whichever of its numbers."""
    from relay.pricing.book import PriceKind

    if row.kind is PriceKind.FIXED:
        is_nothing = row.amount_micros == 0
    else:
        is_nothing = not row.units or not row.multiplier or not prices.of(row.pack)
    if is_nothing:
        yield "its price is 0: such tasks cost your tenants nothing, and Kling still charges you"


def _about_words(row: PriceRow) -> Iterator[str]:
    from difflib import get_close_matches

    from relay.pricing.standing import unknown_words

    for field, known in unknown_words(row).items():
        word = str(getattr(row, field))
        close = get_close_matches(word, known, n=2)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {_listed(known)}"
        yield f"Kling is not known to have the {field} '{word}' in {row.endpoint}; {hint}"


def _listed(words: list[str] | tuple[str, ...]) -> str:
    more = len(words) - NAMED_MAX
    return ", ".join(words[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
