"""Quota that is sold, and quota that is corrected."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import ReferenceUsed, Unusable
from relay.desk.find import tenant_named, tenant_to_act_on
from relay.desk.names import check_name, check_words
from relay.ledger.entries import adjust, top_up
from relay.ledger.read import topup_of


@act
async def add_quota(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    amount_micros: int,
    reference: str,
    currency: str,
) -> bool:
    """Add sold quota to a tenant's account, once per reference.

    False if the same amount was added under it before: nothing was changed, and nothing is noted.

    Raises:
        NoSuch, NotPossible: it was removed.
        ReferenceUsed, CurrencyMismatch
        Unusable: the reference, or the amount is not above 0.
    """
    check_name(reference, what="reference")
    if amount_micros <= 0:
        raise Unusable("what is sold is more than 0")
    tenant = await tenant_to_act_on(session, name)
    account_id = AccountId(tenant.account_id)
    added = await top_up(
        session,
        account_id,
        amount_micros=amount_micros,
        reference=reference,
        currency=currency,
        actor=str(actor),
    )
    if not added:
        before_micros = await topup_of(session, account_id, reference)
        if before_micros is not None and before_micros != amount_micros:
            raise ReferenceUsed(
                reference, tenant=name, before_micros=before_micros, amount_micros=amount_micros
            )
        return False
    await note_change(
        session,
        actor,
        "tenant.top_up",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={"account_id": account_id, "amount_micros": amount_micros, "reference": reference},
    )
    return True


@act
async def adjust_quota(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    amount_micros: int,
    reason: str,
    currency: str,
) -> None:
    """Correct a quota by a signed amount; it may fall below zero. A removed tenant's too.

    Raises:
        NoSuch, CurrencyMismatch
        Unusable: the reason, or the amount is 0.
    """
    check_words(reason, what="reason")
    if amount_micros == 0:
        raise Unusable("0 changes nothing")
    tenant = await tenant_named(session, name)
    account_id = AccountId(tenant.account_id)
    await adjust(
        session,
        account_id,
        amount_micros=amount_micros,
        reason=reason,
        currency=currency,
        actor=str(actor),
    )
    await note_change(
        session,
        actor,
        "tenant.adjust",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={"account_id": account_id, "amount_micros": amount_micros},
        reason=reason,
    )
