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
    from decimal import Decimal

    from relay.pricing.book import PriceBook, PriceRow
    from relay.pricing.doubts import Doubts
    from relay.settings import Settings

NO_NAMES: Mapping[int, str] = MappingProxyType({})
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
    from relay.kling.models import is_retired as has_ended

    return not row.is_own and has_ended(row.endpoint, row.model)


def warnings(row: PriceRow, book: PriceBook, settings: Settings) -> list[str]:
    """Say what an operator may not have meant by a row that is in force now."""
    from relay.pricing.doubts import doubts_about
    from relay.pricing.quote import UnitPrices

    unit_prices = UnitPrices(*settings.unit_prices_micros)
    found = doubts_about(row, book, catalogue().priced, unit_prices)
    return [*_about_use(row, found, settings.currency), *_about_words(row, found)]


def _about_use(row: PriceRow, found: Doubts, currency: str) -> Iterator[str]:
    if found.is_of_free:
        yield f"no row ever prices {row.endpoint}: it is free of charge"
    before = [f"{quoted_key(one)} ({priced(one, currency)})" for one in found.before]
    if not found.is_used:
        why = f"these go before it: {_listed(before)}" if before else "no task has its key"
        yield f"this row can never win: {why}"
    elif before:
        yield f"some tasks of this key are priced by rows before it: {_listed(before)}"
    for other in found.displaced:
        yield f"your row {quoted_key(other)} can never win any more"
    if found.is_nothing:
        yield "its price is 0: such tasks cost your tenants nothing, and Kling still charges you"


def _about_words(row: PriceRow, found: Doubts) -> Iterator[str]:
    from difflib import get_close_matches

    for field, known in found.unknown.items():
        word = str(getattr(row, field))
        close = get_close_matches(word, known, n=2)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {_listed(known)}"
        yield f"Kling is not known to have the {field} '{word}' in {row.endpoint}; {hint}"


def _listed(words: list[str] | tuple[str, ...]) -> str:
    more = len(words) - NAMED_MAX
    return ", ".join(words[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
