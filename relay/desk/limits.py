"""Limits of tenants and tokens: setting them, taking them away, raising one for a while."""

from collections.abc import Collection, Mapping
from datetime import datetime, tzinfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.find import tenant_to_act_on
from relay.desk.narrowed import Narrowed
from relay.limits.tables import IN_MICROS, Limit, LimitKind
from relay.money import decimal_of
from relay.tasks.limit_books import Whose, lock_limits, put_limits
from relay.tenants.read import find_token
from relay.tenants.tables import Tenant, Token
from relay.tenants.tokens import lock_made, lock_maker, lock_makers, read_makers

AMOUNT_MAX = 10**15
"""Micros: a thousand million, as everywhere."""
COUNT_MAX = 100_000
"""Tasks in flight, and creates a second."""


@act("limit.set")
async def set_limits(
    session: AsyncSession,
    actor: Actor,
    allowed: Mapping[LimitKind, int | None],
    *,
    tenant: str | None = None,
    token_id: int | None = None,
    by_id: int | None = None,
    zone: tzinfo,
) -> Narrowed:
    """Set limits of a tenant, or of a token; None takes one away.

    What the running window has seen so far counts: a limit below that refuses creates at once, and
    leaves alone what runs. What is so already is not noted. A token is allowed no more than those
    that it came of; what came of it is allowed no more from then on, and returned. `zone`: in which
    days begin. `by_id`: the token that sets it, of the tenant or of the one above: it lets others
    have no more than it has itself, nor than an operator set of them, and bounds neither itself,
    nor those that it came of, nor its own tenant.

    Raises:
        NoSuch, NotPossible: it was removed or revoked.
        Unusable: an amount is out of bounds, or more than the token that sets it may say.
    """
    for kind, amount in allowed.items():
        if amount is not None:
            _check_amount(kind, amount)
    makers = await _lock_tokens(session, token_id, by_id)
    whose = await _find(session, tenant, token_id)
    made = [] if token_id is None else await _lock_made(session, token_id)
    locked, *of_made = await lock_limits(session, whose, *made)
    state: State = {kind.named(): limit.allowed for kind, limit in locked.items()}
    wanted = {kind.named(): amount for kind, amount in allowed.items()}
    before, after = differing(dict.fromkeys(wanted) | state, wanted)
    changed = {kind: amount for kind, amount in allowed.items() if kind.named() in after}
    if changed:
        if by_id is not None:
            await _check_is_its(session, by_id, whose, changed, locked)
        await _check_within(session, {*makers, *filter(None, [by_id])}, changed)
        await put_limits(session, *whose, changed, locked=locked, set_by_id=by_id, zone=zone)
        await _note(session, actor, "limit.set", whose, before=before, after=after)
    narrowed = Narrowed()
    for one, its in zip(made, of_made, strict=True):
        less = {
            kind: amount
            for kind, amount in allowed.items()
            if amount is not None and (kind not in its or its[kind].allowed > amount)
        }
        if less:
            was = {kind.named(): its[kind].allowed if kind in its else None for kind in less}
            await put_limits(session, *one, less, locked=its, set_by_id=token_id, zone=zone)
            told: State = {kind.named(): amount for kind, amount in less.items()}
            told["narrowed_with"] = token_id
            await _note(session, actor, "limit.set", one, before=was, after=told)
            narrowed |= (
                Narrowed((), (one.tenant.name,))
                if one.token_id is None
                else Narrowed((one.token_id,))
            )
    return narrowed


@act("limit.raise")
async def raise_limit(
    session: AsyncSession,
    actor: Actor,
    kind: LimitKind,
    amount: int | None,
    *,
    until: datetime | None = None,
    tenant: str | None = None,
    token_id: int | None = None,
    reason: str | None = None,
) -> None:
    """Let one limit allow more until a moment, after which it is what it was; None ends that.

    Raises:
        NoSuch, NotPossible: it was removed or revoked, or has no such limit.
        Unusable: it is no more than is allowed anyway, or the moment is over.
    """
    if amount is not None:
        _check_amount(kind, amount)
    whose = await _find(session, tenant, token_id)
    limit = (await lock_limits(session, whose))[0].get(kind)
    if limit is None:
        raise NotPossible(*_subject(whose), f"it has no limit '{kind.value}' to raise")
    if amount is not None:
        now = await session.scalar(select(func.now()))
        assert now is not None, "it has a clock"
        if until is None or until <= now:
            raise Unusable("a raise ends at a moment that is still to come")
        if amount <= limit.allowed:
            raise Unusable("a raise allows more than the limit")
    before, after = differing(
        _raise_of(limit),
        {
            "kind": kind.value,
            kind.named("raised"): amount,
            "until": None if amount is None or until is None else until.isoformat(),
        },
    )
    if not after:
        return
    limit.raised, limit.raised_until = amount, None if amount is None else until
    told = {"kind": kind.value}
    await _note(
        session,
        actor,
        "limit.raise",
        whose,
        before=told | before,
        after=told | after,
        reason=reason,
    )


async def _find(session: AsyncSession, tenant: str | None, token_id: int | None) -> Whose:
    """Find what is to be limited: a token, by its number alone or as one of a tenant."""
    if token_id is None:
        assert tenant is not None, "one of the two is named"
        return Whose(await tenant_to_act_on(session, tenant), None)
    found = await find_token(session, token_id)
    if found is None or (tenant is not None and found[1] != tenant):
        raise NoSuch("token", token_id)
    token, name = found
    if token.revoked_at is not None:
        raise NotPossible("token", token_id, "it was revoked")
    return Whose(await tenant_to_act_on(session, name), token_id)


async def _lock_tokens(session: AsyncSession, token_id: int | None, by_id: int | None) -> list[int]:
    """Lock a token, behind those that it came of, and the one that says so; returns the former.

    None of them is narrowed meanwhile, and nothing is made by that token.
    """
    makers = [] if token_id is None else [one.id for one in await lock_makers(session, token_id)]
    if by_id is not None and by_id not in makers and await lock_maker(session, by_id) is None:
        raise NotPossible("token", by_id, "it was revoked")
    if token_id is not None:
        await session.get(
            Token, token_id, with_for_update={"key_share": True}, populate_existing=True
        )
    return makers


async def _lock_made(session: AsyncSession, token_id: int) -> list[Whose]:
    """Lock what came of a locked token."""
    tokens, tenants = await lock_made(session, token_id)
    of = {one.tenant_id for one in tokens}
    theirs = {row.id: row for row in await session.scalars(select(Tenant).where(Tenant.id.in_(of)))}
    return [
        *(Whose(theirs[one.tenant_id], one.id) for one in tokens),
        *(Whose(tenant, None) for tenant in tenants),
    ]


async def _check_is_its(
    session: AsyncSession,
    by_id: int,
    whose: Whose,
    changed: Mapping[LimitKind, int | None],
    locked: Mapping[LimitKind, Limit],
) -> None:
    """Refuse what a token may not say of others: it bounds neither itself nor what it came of."""
    if whose.token_id is None:
        if (await session.get_one(Token, by_id)).tenant_id != whose.tenant.parent_id:
            raise Unusable("a key bounds sub-tenants of its tenant, and not that one itself")
    elif whose.token_id in await read_makers(session, by_id):
        raise Unusable("a key bounds others: not itself, nor what it came of")
    for kind, amount in changed.items():
        most = locked[kind].most_by_keys if kind in locked else None
        if most is not None and (amount is None or amount > most):
            raise Unusable(f"your provider set the limit '{kind.value}': no key allows more")


async def _check_within(
    session: AsyncSession, token_ids: Collection[int], changed: Mapping[LimitKind, int | None]
) -> None:
    """Refuse what is more than any of these tokens has itself."""
    of_theirs = await session.execute(
        select(Limit.kind, Limit.allowed).where(Limit.token_id.in_(token_ids))
    )
    for kind, most in of_theirs:
        amount = changed.get(LimitKind(kind), most)
        if amount is None or amount > most:
            raise Unusable(
                f"a key that sets it, or that it came of, has a limit '{kind}' itself: no more is"
                " allowed"
            )


def _check_amount(kind: LimitKind, amount: int) -> None:
    most = AMOUNT_MAX if kind in IN_MICROS else COUNT_MAX
    if not 0 <= amount <= most:
        told = decimal_of(most) if kind in IN_MICROS else most
        raise Unusable(f"a limit '{kind.value}' is from 0 to {told}")


def _raise_of(limit: Limit) -> State:
    until = limit.raised_until
    return {
        "kind": limit.kind,
        LimitKind(limit.kind).named("raised"): limit.raised,
        "until": None if until is None else until.isoformat(),
    }


def _subject(whose: Whose) -> tuple[str, str | int]:
    return ("tenant", whose.tenant.name) if whose.token_id is None else ("token", whose.token_id)


async def _note(
    session: AsyncSession,
    actor: Actor,
    act: str,
    whose: Whose,
    *,
    before: State,
    after: State,
    reason: str | None = None,
) -> None:
    kind, name = _subject(whose)
    of_token = {} if whose.token_id is None else {"tenant": whose.tenant.name}
    await note_change(
        session,
        actor,
        act,
        kind=kind,
        id=whose.tenant.id if whose.token_id is None else whose.token_id,
        name=str(name),
        before=before,
        after=of_token | after,
        reason=reason,
    )
