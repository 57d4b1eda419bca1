"""What is left of a window's charges when Kling's deductions are paid for."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from relay.months import Window
from relay.usage.sums import Usage, UsageKey, read_usage


class Margin(NamedTuple):
    """What a window comes to."""

    lines: list[Usage]
    whole: Usage | None
    as_known_then: Usage | None
    """By the purchase prices that were entered before its end; None of a window that is not over.
    """


async def read_margin(
    session: AsyncSession,
    keys: Sequence[UsageKey],
    window: Window,
    *,
    now: datetime,
    zone: tzinfo,
    currency: str,
    limit: int,
    as_of: datetime | None = None,
    **only: Any,
) -> Margin:
    """Sum up a window by its keys and as a whole; in a session that began with `begin_snapshot`.

    `only`: the tenant, channel and model, as of `read_usage`.
    """
    of = {"zone": zone, "currency": currency, **only}
    lines = await read_usage(session, keys, window, as_of=as_of, limit=limit, **of)
    whole = await read_usage(session, [], window, as_of=as_of, **of)
    then: list[Usage] = []
    if window.until <= now and as_of is None:
        then = await read_usage(session, [], window, as_of=window.until, **of)
    return Margin(lines, whole[0] if whole else None, then[0] if then else None)
