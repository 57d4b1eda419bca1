"""Days that are over, summed up once, so that pages need not read their tasks again."""

from datetime import tzinfo

import structlog
from sqlalchemy import func, select

from relay.database.engine import Sessions
from relay.ledger.tables import Books
from relay.usage.roll import draw_number, find_due, roll_day

log = structlog.get_logger()

ROLL_EVERY_S = 20.0
AT_ONCE = 5
"""Days of a turn: after an upgrade all of the last year are due, and nothing is to wait for them.
"""


async def roll_due(sessions: Sessions, *, zone: tzinfo) -> None:
    """Sum up some days that are due, each in a transaction of its own; the newest first.

    One that somebody still writes into is left for a later turn.
    """
    async with sessions.begin() as session:
        currency = await session.scalar(select(Books.currency))
        now = await session.scalar(select(func.clock_timestamp()))
        if currency is None or now is None:
            return
        due = await find_due(session, now=now, zone=zone, currency=currency, limit=AT_ONCE)
        if not due:
            return
        number = await draw_number(session)
    for day in due:
        async with sessions.begin() as session:
            is_done = await roll_day(session, day, currency=currency, number=number)
        if not is_done:
            return
        log.debug("day.rolled", start=day.start.isoformat(), until=day.until.isoformat())
