"""Charging a month of files that a tenant kept."""

from datetime import tzinfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.storage import Stored, read_month_stored
from relay.database.ids import AccountId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NotPossible
from relay.desk.find import tenant_named
from relay.ledger import storage
from relay.money import plain
from relay.months import Month


@act("storage.charge")
async def charge_storage(
    session: AsyncSession, actor: Actor, name: str, month: Month, *, zone: tzinfo, currency: str
) -> Stored:
    """Charge a tenant's account for the files that it kept in a month that is over, once.

    Raises:
        NoSuch, CurrencyMismatch
        NotPossible: it is not over, was charged before, or had no price on any of its days.
    """
    now = await session.scalar(select(func.now()))
    assert now is not None, "it has a clock"
    if now < month.window(zone).until:
        raise NotPossible("month", str(month), "it is not over")
    tenant = await tenant_named(session, name)  # one that was removed owes its last month too
    stored = await read_month_stored(session, tenant.id, month)
    if not stored.is_priced:
        raise NotPossible("tenant", name, "it kept no files at a price then")
    is_new = await storage.charge_storage(
        session,
        AccountId(tenant.account_id),
        tenant_id=tenant.id,
        month=str(month),
        gb_months=stored.gb_months,
        amount_micros=stored.amount_micros,
        currency=currency,
        actor=str(actor),
    )
    if not is_new:
        raise NotPossible("month", str(month), "its files were charged before")
    await note_change(
        session,
        actor,
        "storage.charge",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={
            "month": str(month),
            "gb_months": plain(stored.gb_months),
            "amount_micros": stored.amount_micros,
        },
    )
    return stored
