"""What a task of Kling's costs there: reckoned as new-api does, in the same floats."""

from decimal import Decimal

from relay.money import MICROS, rounded
from relay.new_api.rows import Options


def ratio_of(options: Options, group: str, using: str) -> float:
    """Say what a user's prices are multiplied by, of one group and served by another."""
    pairs = options.pair_ratios.get(group, {})
    return pairs[using] if using in pairs else options.group_ratios.get(using, 1.0)


def units_of(options: Options, model: str, *, group: str, using: str) -> int | None:
    """Say what one task of a model takes, whatever its length and mode; None if it has no price.

    new-api multiplies floats and cuts what is behind the point: so does this, to the unit.
    """
    per_usd, ratio = float(options.units_per_usd), ratio_of(options, group, using)
    if model in options.model_prices:
        return int(options.model_prices[model] * per_usd * ratio)
    if model in options.model_ratios:
        return int(options.model_ratios[model] / 2 * per_usd * ratio)
    return None


def micros_of_units(options: Options, units: int, *, rate: Decimal) -> int:
    """Turn units into micros of our currency; `rate`: how much of it a dollar is."""
    return rounded(Decimal(units) * MICROS * rate / options.units_per_usd)
