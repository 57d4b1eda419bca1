"""Months that are closed by themselves, some days after their end."""

from datetime import datetime, timedelta, tzinfo

import structlog
from sqlalchemy import func, select

from relay.database.engine import Sessions
from relay.database.faults import log_failure
from relay.desk.actor import BY_RULE
from relay.desk.errors import DeskError
from relay.desk.months import close_month
from relay.months import Month, month_of
from relay.usage.statement import unclosed_accounts

log = structlog.get_logger()

CLOSE_EVERY_S = 1800.0


async def close_due(sessions: Sessions, *, zone: tzinfo, after_days: int) -> None:
    """Close the last month of all accounts once it is over for so many days; 0 closes none.

    Each account in a transaction of its own: none waits for another. What is busy or refused is
    told, and tried again at the next turn.
    """
    if not after_days:
        return
    async with sessions() as session:
        now = await session.scalar(select(func.now()))
        assert now is not None, "it has a clock"
        month = due_month(now, zone=zone, after_days=after_days)
        accounts = await unclosed_accounts(session, month, zone=zone)
    closed = 0
    for account_id in accounts:
        try:
            async with sessions.begin() as session:
                closed += bool(await close_month(session, BY_RULE, account_id, month, zone=zone))
        except DeskError as error:
            log_failure(log, "month.not_closed", error, account_id=account_id, month=str(month))
    if closed:
        log.info("month.closed", month=str(month), accounts=closed)


def due_month(now: datetime, *, zone: tzinfo, after_days: int) -> Month:
    """Name the newest month that was over so many days ago."""
    return month_of(now - timedelta(days=after_days), zone).previous
