"""What a run would cost before it starts, in all and by step; and holding it to a cap."""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from relay.errors import InvalidParameter, OverCap
from relay.money import PLACES, decimal_of, micros_of
from relay.runs.plan import Plan
from relay.studio.behind import Visit
from relay.studio.creates import Asked

CAP = "cap"
"""The field of a body that says what a run may cost at the most."""
AMOUNT_MAX = Decimal(1_000_000_000)


class PricedStep(msgspec.Struct, frozen=True):
    """What one step may cost."""

    name: str
    endpoint: str
    model: str | None
    price: str
    needs: list[str]


class Priced(msgspec.Struct, frozen=True):
    """What a run may cost at the most: where Kling decides a length, it ends with less."""

    success: bool
    total: str
    currency: str
    is_test: bool
    """The caller's token is one for tests: nothing of it is charged."""
    is_within_cap: bool
    is_open: bool
    """Kling decides the length of a step: it ends with less than the total."""
    steps: list[PricedStep]


async def price_plan(
    visit: Visit, plan: Plan, *, cap_micros: int | None = None, is_wanted: bool = True
) -> Priced:
    """Quote a plan for who asks; nothing is held.

    `is_wanted`: what has no price is noted for the operator.

    Raises:
        RelayError: as a create of one of its steps.
    """
    beginner = visit.behind.runs.beginner
    plan = await beginner.price(visit.caller, plan)
    quotes = await beginner.quotes(visit.caller, plan, notes_misses=is_wanted)
    paid = [quote.resold(quote.hold_micros) for quote in quotes]
    return Priced(
        success=True,
        total=decimal_of(sum(paid)),
        currency=visit.behind.settings.currency,
        is_test=visit.caller.is_test,
        is_within_cap=cap_micros is None or sum(paid) <= cap_micros,
        is_open=any(quote.is_open for quote in quotes),
        steps=[
            PricedStep(
                step.name,
                step.endpoint,
                quote.wanted.model,
                decimal_of(micros),
                list(step.all_needs),
            )
            for step, quote, micros in zip(plan.steps, quotes, paid, strict=True)
        ],
    )


async def within(visit: Visit, asked: Asked) -> Asked:
    """Hold what is asked for to its cap, whatever prices do meanwhile.

    Raises:
        RelayError: it would cost more, or has no price.
    """
    if asked.cap_micros is None or visit.caller.resale is None:
        return asked
    # A cap is in the caller's own prices, and a run's in those of the account that pays. What is
    # quoted within it is never exceeded.
    priced = await price_plan(visit, asked.plan, cap_micros=asked.cap_micros)
    if not priced.is_within_cap:
        raise OverCap
    return msgspec.structs.replace(asked, cap_micros=None)


def read_cap(value: Any) -> int | None:
    """Read an amount of the currency, in micros; None if it is not given.

    Raises:
        InvalidParameter: it is none.
    """
    if value in (None, ""):
        return None
    amount = _amount(value)
    if amount is None:
        raise InvalidParameter(CAP, "must be an amount above 0 of at most six places")
    return micros_of(amount)


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))
        is_one = 0 < amount <= AMOUNT_MAX and amount == round(amount, PLACES)
    except InvalidOperation:
        return None
    return amount if is_one else None
