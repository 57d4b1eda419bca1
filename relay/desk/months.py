"""Months of accounts that are closed."""

from datetime import tzinfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, NotPossible
from relay.ledger import closing
from relay.ledger.entries import UnknownAccount
from relay.money import decimal_of
from relay.months import Month
from relay.notices.events import Event
from relay.notices.tell import tell


@act("account.close_month")
async def close_month(
    session: AsyncSession, actor: Actor, account_id: AccountId, month: Month, *, zone: tzinfo
) -> list[str]:
    """Close an account's month that is over, with those before it; return which were closed now.

    None if all were closed before, or it had no entry by then: nothing is noted.

    Raises:
        NoSuch
        NotPossible: it is not over, or the books are wrong.
    """
    now = await session.scalar(select(func.now()))
    assert now is not None, "it has a clock"
    if now < month.window(zone).until:
        raise NotPossible("month", str(month), "it is not over")
    try:
        closed = await closing.close_month(session, account_id, month, zone=zone, actor=str(actor))
    except UnknownAccount as error:
        raise NoSuch("account", account_id) from error
    except closing.BooksDiffer as error:
        raise NotPossible(
            "account", account_id, "its books are wrong: `relay audit` names what differs"
        ) from error
    months = [row.month for row in closed]
    if closed:
        newest = closed[-1]
        data = {
            "month": newest.month,
            "opening": decimal_of(newest.opening_micros),
            "charged": decimal_of(-newest.charge_micros),
            "closing": decimal_of(newest.closing_micros),
        }
        await tell(session, Event.STATEMENT_READY, newest.month, data, account_id=account_id)
        await note_change(
            session,
            actor,
            "account.close_month",
            kind="account",
            id=account_id,
            name=str(account_id),
            after={"months": ", ".join(months), "closing_micros": closed[-1].closing_micros},
        )
    return months
