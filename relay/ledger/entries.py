"""Entries: every change of a quota, written with it."""

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId, TaskId
from relay.ledger.read import check_currency
from relay.ledger.tables import Account, Books, Entry, EntryKind, TopupKind

BY_RELAY = "relay"
"""The actor of what nobody did by hand; `desk/actor.py` spells the others."""

ENTER_CHARGES = """
    INSERT INTO entries (
        account_id, kind, amount_micros, task_id, actor, created_at, quota_after_micros
    )
    SELECT e.account_id, CASE WHEN e.corrects THEN 'correction' ELSE 'charge' END,
           e.charged_before - coalesce(e.charged_micros, 0), e.id, e.actor, a.entry_at,
           a.quota_micros + sum(e.charged_before - coalesce(e.charged_micros, 0)) OVER (
               PARTITION BY e.account_id ORDER BY e.id
           )
    FROM {ended} e JOIN {accounts} a USING (account_id)
    WHERE e.charged_micros IS NOT NULL OR e.corrects
    ORDER BY e.account_id, e.id
"""
"""One entry per success, also of nothing: "exactly one charge" can then be counted.

Entries get their ids in the order in which the quota runs down.

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
    kind: TopupKind,
    reference: str,
    reason: str | None = None,
    currency: str,
    actor: str,
) -> bool:
    """Add quota. False, and nothing is changed, if the reference was entered before.

    What corrects an earlier top-up may be below zero.

    Raises:
        UnknownAccount, CurrencyMismatch: nothing was written.
    """
    entry_id = await _enter(
        session,
        account_id,
        EntryKind.TOPUP,
        amount_micros=amount_micros,
        topup_kind=kind,
        reference=reference,
        reason=reason,
        currency=currency,
        actor=actor,
    )
    return entry_id is not None


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


async def enter_storage(
    session: AsyncSession,
    account_id: AccountId,
    *,
    amount_micros: int,
    reference: str,
    reason: str,
    currency: str,
    actor: str,
) -> int:
    """Take what kept files cost, as an adjustment, also below zero; returns the entry's id.

    Below zero it is given back. For `storage.py`, which sees to it that a month is taken once.

    Raises:
        UnknownAccount, CurrencyMismatch: nothing was written.
    """
    entry_id = await _enter(
        session,
        account_id,
        EntryKind.ADJUST,
        amount_micros=-amount_micros,
        reference=reference,
        reason=reason,
        currency=currency,
        actor=actor,
    )
    assert entry_id is not None, "only a top-up's reference is entered once"
    return entry_id


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
    topup_kind: TopupKind | None = None,
    task_id: TaskId | None = None,
    reference: str | None = None,
    reason: str | None = None,
    currency: str | None = None,
    actor: str,
) -> int | None:
    # As LOCK_ACCOUNTS does.
    account = select(
        Account.quota_micros, func.greatest(func.now(), Account.closed_until, Account.last_entry_at)
    ).where(Account.id == account_id)
    locked = (await session.execute(account.with_for_update(key_share=True))).one_or_none()
    if locked is None:
        raise UnknownAccount(account_id)
    quota_micros, entry_at = locked
    if currency is not None:
        await session.execute(insert(Books).values(currency=currency).on_conflict_do_nothing())
        await check_currency(session, currency)
    entered: int | None = await session.scalar(
        insert(Entry)
        .values(
            account_id=account_id,
            kind=kind.value,
            topup_kind=topup_kind,
            amount_micros=amount_micros,
            task_id=task_id,
            reference=reference,
            reason=reason,
            actor=actor,
            created_at=entry_at,
            quota_after_micros=quota_micros + amount_micros,
        )
        # The one conflict there can be is a reference that was entered before.
        .on_conflict_do_nothing()
        .returning(Entry.id)
    )
    if entered is None:
        return None
    await session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(quota_micros=quota_micros + amount_micros, last_entry_at=entry_at)
    )
    return entered
