"""What is left of charges when Kling is paid, as a table."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from relay.money import money
from relay.months import Window, spelt_window
from relay.usage.margin import Margin
from relay.usage.sheet import Sheet, amount
from relay.usage.sums import Usage


def margin_sheet(
    found: Margin, keys: Sequence[str], window: Window, zone: tzinfo, currency: str
) -> Sheet:
    """Lay it out, a line for what has the same keys, and one of all."""
    rows = [
        [*("-" if value is None else str(value) for value in one.keys.values()), *_figures(one)]
        for one in found.lines
    ]
    if found.whole is not None and keys:
        rows.append(["All", *("" for _ in keys[1:]), *_figures(found.whole)])
    return Sheet(
        title="Margin",
        facts=spelt_window(window, zone),
        columns=[
            *(key.title() for key in keys),
            *(">Charges", f">Charged {currency}", f">Cost {currency}", f">Margin {currency}"),
            *(">%", ">Apart", f">Charged apart {currency}"),
        ],
        rows=rows,
        sums=frozenset({len(rows) - 1} if keys and rows else ()),
        notes=list(_notes(found, currency)),
    )


def _figures(one: Usage) -> list[Any]:
    known = one.charged_micros - one.without_cost_micros
    return [
        one.charges,
        amount(known),
        amount(one.cost_micros),
        amount(one.margin_micros),
        percent(one.margin_micros, known),
        one.without_cost,
        amount(one.without_cost_micros),
    ]


def percent(part: int, whole: int) -> str:
    """Spell a margin of what was charged, to a tenth; nothing where nothing was charged."""
    if whole <= 0:
        return "-"
    exact = Decimal(100 * part) / whole
    return f"{exact.quantize(Decimal('0.1'), ROUND_HALF_UP):f}"


def _notes(found: Margin, currency: str) -> Iterator[str]:
    whole = found.whole
    if whole is None:
        return
    if whole.without_cost or whole.without_cost_micros:
        charged = money(whole.without_cost_micros, currency)
        yield (
            f"Apart: of {whole.without_cost} tasks, charged {charged}, it is not known what Kling"
            " took. They are in no other column."
        )
    if whole.at_list:
        yield (
            f"{whole.at_list} tasks cost what Kling's list said: `relay channel cost` says what"
            " units were bought for."
        )
    if whole.uncharged:
        yield f"Kling took for {whole.uncharged} tasks that nobody was charged for: see --losses."
    then = found.as_known_then
    if then is not None and then.margin_micros != whole.margin_micros:
        yield (
            "Purchase prices were entered after its end: by those that were known then, the margin"
            f" was {money(then.margin_micros, currency)}."
        )
