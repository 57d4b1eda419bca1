"""How money is spelled: integer micros of the one currency, and decimals of units.

1.00 of the currency is 1_000_000 micros. What is rounded is rounded half up, once, to a micro.
"""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

MICROS = 1_000_000
PLACES = 6
"""Of a decimal that is spelled in micros."""
AMOUNTS_MAX = 4096
"""Spelled amounts that are kept: tasks of one price cost the same, and are asked for again."""

RESOLD = "round(({micros}) * coalesce(({task}.quote ->> 'resale')::numeric, 1))::bigint"
"""SQL that says what an amount of the account's is to whose task it is of (`Quote.resold`)."""


def rounded(micros: Decimal) -> int:
    """Round half up to a whole micro, the only rounding of money there is."""
    return int(micros.to_integral_value(ROUND_HALF_UP))


def plain(number: Decimal) -> str:
    """Spell a number without exponent and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=AMOUNTS_MAX)
def decimal_of(micros: int) -> str:
    """Spell micros as a decimal number: 350000 is "0.35"."""
    return plain(Decimal(micros) / MICROS)


def money(micros: int, currency: str) -> str:
    """Spell an amount for people: 350000 is "0.35 USD"."""
    return f"{decimal_of(micros)} {currency}"


def micros_of(amount: Decimal) -> int:
    """Read an amount of at most six places as micros."""
    return int(amount * MICROS)
