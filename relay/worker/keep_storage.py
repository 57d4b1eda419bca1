"""What tenants keep is measured through the day, and charged once a month is over."""

import random
from datetime import timedelta, tzinfo

import structlog
from sqlalchemy import func, select

from relay.assets.storage import measure, read_uncharged
from relay.database.engine import Sessions
from relay.database.faults import log_failure
from relay.desk.actor import BY_RULE
from relay.desk.errors import DeskError
from relay.desk.storage import charge_storage
from relay.months import month_of

log = structlog.get_logger()

MEASURE_EVERY_S = 900.0
AFTER = timedelta(hours=1)
"""What is still measured of a month's last day is written by then."""


async def keep_storage(
    sessions: Sessions, *, zone: tzinfo, gb_month_micros: int | None, currency: str
) -> None:
    """Note what everybody keeps, and charge months that are over.

    Each tenant in a transaction of its own. What another worker has charged meanwhile, or is busy,
    is told, and is none the worse.
    """
    async with sessions.begin() as session:
        now = await session.scalar(select(func.now()))
        assert now is not None, "it has a clock"
        await measure(session, now.astimezone(zone).date(), gb_month_micros=gb_month_micros)
    async with sessions() as session:
        due = list(await read_uncharged(session, month_of(now - AFTER, zone)))
    random.shuffle(due)  # whoever cannot be charged holds up other ones each time
    for name, month in due:
        try:
            async with sessions.begin() as session:
                stored = await charge_storage(
                    session, BY_RULE, name, month, zone=zone, currency=currency
                )
        except DeskError as error:
            log_failure(log, "storage.not_charged", error, tenant=name, month=str(month))
            continue
        log.info(
            "storage.charged",
            tenant=name,
            month=str(month),
            gb_months=str(stored.gb_months),
            charged_micros=stored.amount_micros,
        )
