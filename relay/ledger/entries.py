"""Entries: every change of a quota, written with it."""

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId, TaskId
from relay.ledger.read import check_currency
from relay.ledger.tables import Account, Books, Entry, EntryKind

BY_RELAY = "relay"
"""The actor of what nobody did by hand; `desk/actor.py` spells the others."""

ENTER_CHARGES = """
    INSERT INTO entries (account_id, kind, amount_micros, task_id, actor)
    SELECT e.account_id, CASE WHEN e.corrects THEN 'correction' ELSE 'charge' END,
           e.charged_before - coalesce(e.charged_micros, 0), e.id, e.actor
    FROM {ended} e JOIN {accounts} USING (account_id)
    WHERE e.charged_micros IS NOT NULL OR e.corrects
"""
"""One entry per success, also of nothing: "exactly one charge" can then be counted.

What `corrects` was charged before, and is charged the difference. No ON CONFLICT: a second charge
or correction of a task is a bug that must roll the whole statement back.
"""


class UnknownAccount(LookupError):
    """There is no such account."""


async def top_up(
    session: AsyncSession,
    account_id: AccountId,
    *,
    amount_micros: int,
    reference: str,
    currency: str,
    actor: str,
) -> bool:
    """Add sold quota. False, and nothing is changed, if the reference was entered before.

    Raises:
        UnknownAccount, CurrencyMismatch: nothing was written.
    """
    return await _enter(
        session,
        account_id,
        EntryKind.TOPUP,
        amount_micros=amount_micros,
        reference=reference,
        currency=currency,
        actor=actor,
    )


async def adjust(
    session: AsyncSession,
    account_id: AccountId,
    *,
    amount_micros: int,
    reason: str,
    currency: str,
    actor: str,
) -> None:
    """Correct a quota by a signed amount.

    It may fall below what is held, or below zero: the operator's word counts, and M2 speaks of
    submits only.

    Raises:
        UnknownAccount, CurrencyMismatch: nothing was written.
    """
    await _enter(
        session,
        account_id,
        EntryKind.ADJUST,
        amount_micros=amount_micros,
        reason=reason,
        currency=currency,
        actor=actor,
    )


async def refund_charge(
    session: AsyncSession,
    account_id: AccountId,
    *,
    task_id: TaskId,
    amount_micros: int,
    reason: str,
    actor: str,
) -> None:
    """Give back a task's charge or a part of it; how much is left of it is its row's to say.

    Raises:
        UnknownAccount: nothing was written.
    """
    await _enter(
        session,
        account_id,
        EntryKind.REFUND,
        amount_micros=amount_micros,
        task_id=task_id,
        reason=reason,
        actor=actor,
    )


async def _enter(
    session: AsyncSession,
    account_id: AccountId,
    kind: EntryKind,
    *,
    amount_micros: int,
    task_id: TaskId | None = None,
    reference: str | None = None,
    reason: str | None = None,
    currency: str | None = None,
    actor: str,
) -> bool:
    account = select(Account.id).where(Account.id == account_id)
    if await session.scalar(account.with_for_update(key_share=True)) is None:
        raise UnknownAccount(account_id)
    if currency is not None:
        await session.execute(insert(Books).values(currency=currency).on_conflict_do_nothing())
        await check_currency(session, currency)
    entered = await session.scalar(
        insert(Entry)
        .values(
            account_id=account_id,
            kind=kind.value,
            amount_micros=amount_micros,
            task_id=task_id,
            reference=reference,
            reason=reason,
            actor=actor,
        )
        # The one conflict there can be is a reference that was entered before.
        .on_conflict_do_nothing()
        .returning(Entry.id)
    )
    if entered is None:
        return False
    await session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(quota_micros=Account.quota_micros + amount_micros)
    )
    return True
