"""Redeem codes: making them, taking them back, and turning one into quota."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.codes import edit
from relay.codes.edit import NewCode
from relay.codes.read import CodeState, Locked, batch_names, find_batch, lock_code
from relay.codes.spelling import hash_code, hint_of, is_code, new_code
from relay.codes.tables import Code, CodeBatch
from relay.database.ids import AccountId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NameTaken, NoSuch, NotPossible, Unusable
from relay.desk.find import ID_DIGITS, account_holder, refuse_removed_meanwhile
from relay.desk.names import check_name, check_words
from relay.ledger.entries import top_up
from relay.ledger.read import check_currency, topup_of
from relay.ledger.tables import Entry, TopupKind
from relay.tenants.tables import Tenant

CODES_MAX = 10_000
"""Of a batch."""
SUM_MAX = 10**15
"""Micros, of all codes of a batch: a thousand million, as everywhere."""
BATCH = "batch of codes"


class MadeCode(msgspec.Struct, frozen=True):
    """A new code; the only moment that it exists outside the hands of whoever redeems it."""

    id: int
    code: str
    amount_micros: int
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"MadeCode(id={self.id})"


class Redeemed(msgspec.Struct, frozen=True):
    """What a code has become."""

    code_id: int
    batch: str
    kind: str
    amount_micros: int
    reference: str
    """Of the top-up."""
    redeemed_at: datetime
    is_new: bool
    """Whether it was only now; its account had it before, and was not given it again."""


@act("code.make")
async def make_codes(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    amount_micros: int,
    count: int,
    expires_at: datetime | None,
    kind: TopupKind = TopupKind.PAID,
    currency: str,
) -> list[MadeCode]:
    """Make a batch of codes, each of this amount; they are shown this once.

    Raises:
        NameTaken, CurrencyMismatch
        Unusable: the name, the kind, the amount or the number, or they would expire at once.
    """
    check_name(name)
    if kind is TopupKind.CORRECTION:
        raise Unusable("a code is sold or given: it is paid or a bonus", field="kind")
    if amount_micros <= 0:
        raise Unusable("a code adds more than 0", field="amount_micros")
    if not 1 <= count <= CODES_MAX:
        raise Unusable(f"a batch has from 1 to {CODES_MAX} codes", field="count")
    if amount_micros * count > SUM_MAX:
        raise Unusable("all codes of a batch are a thousand million at most", field="amount_micros")
    now = await session.scalar(select(func.now()))
    assert now is not None, "it has a clock"
    if expires_at is not None and expires_at <= now:
        raise Unusable("they expire at a moment that is still to come", field="expires_at")
    await check_currency(session, currency)
    batch = await edit.add_batch(session, name, topup_kind=kind.value)
    if batch is None:
        raise NameTaken(BATCH, name)
    codes = [NewCode(new_code(), amount_micros, expires_at) for _ in range(count)]
    ids = await edit.add_codes(session, batch, codes)
    await note_change(
        session,
        actor,
        "code.make",
        kind="code",
        id=batch.id,
        name=name,
        after={
            "codes": count,
            "amount_micros": amount_micros,
            "kind": kind.value,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        },
        amount_micros=amount_micros * count,
    )
    return [
        MadeCode(ids[hash_code(code.text)], code.text, amount_micros, expires_at) for code in codes
    ]


@act("code.revoke")
async def revoke_codes(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    code_id: int | None = None,
    reason: str | None = None,
) -> list[int]:
    """Revoke what is not redeemed of a batch, or one code of it; returns which were, by id.

    What was revoked before is not noted.

    Raises:
        NoSuch
        NotPossible: the code was redeemed.
        Unusable: the reason.
    """
    if reason is not None:
        check_words(reason, what="reason")
    batch = await batch_named(session, name, is_locked=True)
    revoked = await edit.revoke(session, batch, code_id)
    if code_id is not None and not revoked:
        code = await session.get(Code, code_id, populate_existing=True)
        if code is None or code.batch_id != batch.id:
            raise NoSuch("code", code_id)
        if code.redeemed_at is not None:
            raise NotPossible("code", code_id, "it was redeemed")
    if revoked:
        await note_change(
            session,
            actor,
            "code.revoke",
            kind="code",
            id=batch.id,
            name=name,
            after={"codes": len(revoked), "code_id": code_id},
            reason=reason,
        )
    return revoked


@act("code.redeem")
async def redeem_code(
    session: AsyncSession, actor: Actor, name: str, given: str, *, currency: str
) -> Redeemed:
    """Turn a code into quota of a tenant's account, once, whoever else shows it meanwhile.

    What the same account redeemed before is told again: its answer may not have arrived.

    Raises:
        NoSuch: the code, which is named by its last characters, or the tenant.
        NotPossible: it expired, was revoked, or another account redeemed it; or a sub-tenant.
        CurrencyMismatch
    """
    tenant = await account_holder(session, name)
    locked = await lock_code(session, hash_code(given)) if is_code(given) else None
    if locked is None:
        raise NoSuch("code", f"…{hint_of(given)}")
    code, batch, state = locked
    if state is CodeState.REDEEMED:
        return await _redeemed_before(session, locked, tenant)
    if state is not CodeState.FREE:
        why = "it was revoked" if state is CodeState.REVOKED else "it has expired"
        raise NotPossible("code", code.id, why)
    account_id, reference = AccountId(tenant.account_id), _reference(code, batch)
    added = await top_up(
        session,
        account_id,
        amount_micros=code.amount_micros,
        kind=TopupKind(batch.topup_kind),
        reference=reference,
        currency=currency,
        actor=str(actor),
    )
    await refuse_removed_meanwhile(session, tenant)
    entry = await topup_of(session, account_id, reference)
    if not added or entry is None:
        raise NotPossible("code", code.id, f"a top-up has its reference already, '{reference}'")
    redeemed_at = await edit.mark_redeemed(session, locked, tenant_id=tenant.id, entry_id=entry.id)
    told = _told(locked, redeemed_at, is_new=True)
    await note_change(
        session,
        actor,
        "code.redeem",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={
            "account_id": account_id,
            "batch": batch.name,
            "code_id": code.id,
            "amount_micros": code.amount_micros,
            "kind": batch.topup_kind,
            "reference": reference,
        },
        amount_micros=code.amount_micros,
    )
    return told


@act("code.move_in")
async def move_codes(
    session: AsyncSession, actor: Actor, source: str, codes: Sequence[NewCode], *, currency: str
) -> int:
    """Let codes that another relay made be redeemed here; returns how many were new.

    They were paid for there: here they are corrections, as what tenants bring with them.

    Raises:
        NameTaken: a batch of our own has the name that theirs is to have.
        CurrencyMismatch
        Unusable: the source.
    """
    check_name(source, what="source")
    await check_currency(session, currency)
    name, kind = f"{source} codes", TopupKind.CORRECTION.value
    await edit.add_batch(session, name, topup_kind=kind, source=source)
    batch = await find_batch(session, name, is_locked=True)
    if batch is None or batch.source != source:
        raise NameTaken(BATCH, name)
    ids = await edit.add_codes(session, batch, codes)
    if ids:
        amounts = {hash_code(code.text): code.amount_micros for code in codes}
        amount_micros = sum(amounts[one] for one in ids)
        await note_change(
            session,
            actor,
            "code.move_in",
            kind="source",
            id=None,
            name=source,
            after={"codes": len(ids), "amount_micros": amount_micros},
            amount_micros=amount_micros,
        )
    return len(ids)


async def batch_named(session: AsyncSession, name: str, *, is_locked: bool = False) -> CodeBatch:
    """Find a batch.

    Raises:
        NoSuch
    """
    batch = await find_batch(session, name, is_locked=is_locked)
    if batch is None:
        raise NoSuch(BATCH, name, await batch_names(session))
    return batch


async def batch_numbered(session: AsyncSession, batch_id: int) -> CodeBatch:
    """Find a batch by its number, or raise NoSuch."""
    found = await session.get(CodeBatch, batch_id) if len(str(batch_id)) < ID_DIGITS else None
    if found is None:
        raise NoSuch(BATCH, batch_id)
    return found


async def _redeemed_before(session: AsyncSession, locked: Locked, tenant: Tenant) -> Redeemed:
    entry = await session.get_one(Entry, locked.code.entry_id)
    if entry.account_id != tenant.account_id:
        whose = await session.get_one(Tenant, locked.code.tenant_id)
        raise NotPossible("code", locked.code.id, f"'{whose.name}' has redeemed it")
    redeemed_at = locked.code.redeemed_at
    assert redeemed_at is not None, "a code is redeemed with its moment"
    return _told(locked, redeemed_at, is_new=False)


def _told(locked: Locked, redeemed_at: datetime, *, is_new: bool) -> Redeemed:
    code, batch, _ = locked
    return Redeemed(
        code_id=code.id,
        batch=batch.name,
        kind=batch.topup_kind,
        amount_micros=code.amount_micros,
        reference=_reference(code, batch),
        redeemed_at=redeemed_at,
        is_new=is_new,
    )


def _reference(code: Code, batch: CodeBatch) -> str:
    """Name the code in its entry by our numbers: the entry is read by many."""
    return f"code {batch.name} {code.id}"
