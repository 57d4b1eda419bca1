"""What channels' units are bought at."""

import re
from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.costs import Cost, add_cost, cost_of, find_cost
from relay.channels.tables import ChannelCost
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, note_change
from relay.desk.errors import Unusable
from relay.desk.find import channel_named
from relay.money import plain

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
PLACES_MAX = 12
NUMBER_MAX = Decimal(10) ** 9


@act("channel.set_cost")
async def set_channel_cost(
    session: AsyncSession,
    actor: Actor,
    name: str,
    cost: Cost,
    *,
    currency: str,
    valid_from: datetime | None = None,
) -> ChannelCost | None:
    """Say what a channel's units cost from a moment on, by default now; it may be a past one.

    `currency`: of the books. Of a removed channel too: its tasks were paid for. None if that is
    what counts then already: nothing was written, and nothing is noted.

    Raises:
        NoSuch
        Unusable: a number, the currency, or a rate that is missing or too much.
    """
    _check(cost, currency)
    channel = await channel_named(session, name, is_locked=True)
    at = valid_from or await session.scalar(select(func.clock_timestamp()))
    assert at is not None, "it has a clock"
    before = await find_cost(session, channel.id, cost.unit, at)
    if before is not None and cost_of(before) == cost:
        return None
    row = await add_cost(session, channel, cost, valid_from=at, actor=str(actor))
    await note_change(
        session,
        actor,
        "channel.set_cost",
        kind="channel",
        id=channel.id,
        name=channel.name,
        before=None if before is None else _state(before),
        after=_state(row),
    )
    return row


def _check(cost: Cost, currency: str) -> None:
    if not _CURRENCY.fullmatch(cost.currency):
        raise Unusable(f"{cost.currency!r} is no currency such as CNY")
    for what, number in (
        ("price", cost.price),
        ("rate", cost.rate),
        ("rate", cost.rate_per),
    ):
        places = -int(number.normalize().as_tuple().exponent) if number.is_finite() else 99
        if places > PLACES_MAX or not 0 <= number < NUMBER_MAX or (what == "rate" and number == 0):
            raise Unusable(f"a {what} has at most {PLACES_MAX} places and is not below 0")
    if cost.currency == currency and cost.rate != cost.rate_per:
        raise Unusable(f"{currency} is the books' own currency: there is no rate")


def _state(row: ChannelCost) -> State:
    numbers = {name: plain(getattr(row, name)) for name in ("price", "rate", "rate_per")}
    return {
        "unit": row.unit,
        **numbers,
        "currency": row.currency,
        "from": msgspec.json.decode(msgspec.json.encode(row.valid_from)),
    }
