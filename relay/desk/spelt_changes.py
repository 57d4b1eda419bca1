"""What an act changed, in words: for lists that people read."""

from typing import Any

import msgspec

from relay.money import money

MICROS = "_micros"
"""How the names of amounts end."""


def spelt_change(
    before: dict[str, Any] | None, after: dict[str, Any] | None, currency: str
) -> str | None:
    """Spell what is new, each value behind the one before it; of what is gone, what it was."""
    if after is None:
        return spelt_state(before, currency)
    before = before or {}
    return ", ".join(
        " ".join(
            [
                _label(name),
                *([_value(name, before[name], currency), ">"] if name in before else []),
                _value(name, value, currency),
            ]
        )
        for name, value in after.items()
    )


def spelt_state(values: dict[str, Any] | None, currency: str) -> str | None:
    """Spell each value behind its name; None where there is none."""
    if not values:
        return None
    return ", ".join(
        f"{_label(name)} {_value(name, value, currency)}" for name, value in values.items()
    )


def _label(name: str) -> str:
    return name.removesuffix(MICROS)


def _value(name: str, value: object, currency: str) -> str:
    """Spell it for people: money as money, nothing as none."""
    if value is None:
        return "none"
    if isinstance(value, int) and name.endswith(MICROS):
        return money(value, currency)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
