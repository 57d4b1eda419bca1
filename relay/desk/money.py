"""Quota that is sold, given or corrected, and how much of it may be owed."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NotPossible, ReferenceUsed, Unusable
from relay.desk.find import account_holder, refuse_removed_meanwhile, tenant_named
from relay.desk.names import check_name, check_words
from relay.ledger import accounts
from relay.ledger.entries import adjust, top_up
from relay.ledger.read import topup_of
from relay.ledger.storage import NotCharged, give_back_storage
from relay.ledger.tables import TopupKind
from relay.money import money
from relay.months import Month


@act("tenant.top_up")
async def add_quota(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    amount_micros: int,
    reference: str,
    currency: str,
    kind: TopupKind = TopupKind.PAID,
    reason: str | None = None,
) -> bool:
    """Add quota to a tenant's account, once per reference; a correction may be below zero.

    False if the same was added under it before: nothing was changed, and nothing is noted.

    Raises:
        NoSuch, NotPossible: it was removed.
        ReferenceUsed, CurrencyMismatch
        Unusable: the reference, the reason, or the amount: 0, or below it and no correction.
    """
    check_name(reference, what="reference")
    if reason is not None:
        check_words(reason, what="reason")
    if amount_micros == 0:
        raise Unusable("0 changes nothing", field="amount_micros")
    if amount_micros < 0 and kind is not TopupKind.CORRECTION:
        raise Unusable(
            "what is sold or given is more than 0: what takes from it is a correction",
            field="amount_micros",
        )
    tenant = await account_holder(session, name)
    account_id = AccountId(tenant.account_id)
    added = await top_up(
        session,
        account_id,
        amount_micros=amount_micros,
        kind=kind,
        reference=reference,
        reason=reason,
        currency=currency,
        actor=str(actor),
    )
    if not added:
        before = await topup_of(session, account_id, reference)
        assert before is not None, "entries stay"
        before_kind = TopupKind(before.topup_kind or TopupKind.PAID)
        if (before.amount_micros, before_kind) != (amount_micros, kind):
            raise ReferenceUsed(
                reference,
                tenant=name,
                before_micros=before.amount_micros,
                before_kind=before_kind.value,
                amount_micros=amount_micros,
            )
        return False
    await refuse_removed_meanwhile(session, tenant)
    await note_change(
        session,
        actor,
        "tenant.top_up",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={
            "account_id": account_id,
            "amount_micros": amount_micros,
            "kind": kind.value,
            "reference": reference,
        },
        reason=reason,
        amount_micros=abs(amount_micros),
    )
    return True


@act("tenant.adjust")
async def adjust_quota(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    amount_micros: int,
    reason: str,
    currency: str,
    storage: Month | None = None,
) -> None:
    """Correct a quota by a signed amount; it may fall below zero. A removed tenant's too.

    `storage`: it gives back of what that month of the tenant's files was charged, in statements and
    invoices too; also of a sub-tenant's, to whoever paid.

    Raises:
        NoSuch, CurrencyMismatch
        NotPossible: more is to be given back than that month's files were charged.
        Unusable: the reason, or the amount is 0.
    """
    check_words(reason, what="reason")
    if amount_micros == 0:
        raise Unusable("0 changes nothing", field="amount_micros")
    if storage is None:
        tenant = await account_holder(session, name, or_removed=True)
        account_id = AccountId(tenant.account_id)
        await adjust(
            session,
            account_id,
            amount_micros=amount_micros,
            reason=reason,
            currency=currency,
            actor=str(actor),
        )
    else:
        tenant = await tenant_named(session, name)
        try:
            account_id = await give_back_storage(
                session,
                tenant_id=tenant.id,
                month=str(storage),
                amount_micros=amount_micros,
                reason=reason,
                currency=currency,
                actor=str(actor),
            )
        except NotCharged as error:
            why = "its files of that month have no such amount to be given back"
            left = money(error.left_micros, currency)
            raise NotPossible("month", str(storage), f"{why}; left of them is {left}") from error
    await note_change(
        session,
        actor,
        "tenant.adjust",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={"account_id": account_id, "amount_micros": amount_micros}
        | ({} if storage is None else {"month": str(storage)}),
        reason=reason,
        amount_micros=abs(amount_micros),
    )


@act("tenant.set_credit")
async def set_credit(
    session: AsyncSession, actor: Actor, name: str, *, credit_micros: int, reason: str
) -> bool:
    """Say how far below zero a tenant's creates may take its account's quota.

    Below what is used of it already, only the next create is refused. False if it was so before:
    nothing is noted. What is added to it counts against a ceiling.

    Raises:
        NoSuch, NotPossible: it was removed.
        Unusable: the reason, or it is below 0.
    """
    check_words(reason, what="reason")
    if credit_micros < 0:
        raise Unusable("a credit is at least 0", field="credit_micros")
    tenant = await account_holder(session, name)
    before = await accounts.set_credit(session, AccountId(tenant.account_id), credit_micros)
    await refuse_removed_meanwhile(session, tenant)
    if before == credit_micros:
        return False
    await note_change(
        session,
        actor,
        "tenant.set_credit",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        before={"credit_micros": before},
        after={"credit_micros": credit_micros},
        reason=reason,
        amount_micros=max(credit_micros - before, 0),
    )
    return True
