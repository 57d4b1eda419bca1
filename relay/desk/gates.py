"""Until when, from where and for what tenants and their tokens are let in."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.find import tenant_to_act_on
from relay.desk.names import check_name
from relay.desk.narrowed import Narrowed, check_is_of, check_within, claim_bounds, narrow_made
from relay.networks import read_networks
from relay.tenants.gate import COLUMNS
from relay.tenants.tables import Tenant, Token
from relay.tenants.tokens import lock_makers

NAMES_MAX = 100
"""Of networks, endpoints or models."""


class GateChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed; UNSET stays as it is, and None is no bound."""

    expires_at: datetime | msgspec.UnsetType | None = msgspec.UNSET
    addresses: Sequence[str] | msgspec.UnsetType | None = msgspec.UNSET
    """Addresses or networks."""
    endpoints: Sequence[str] | msgspec.UnsetType | None = msgspec.UNSET
    """By name; whether there are such is for the face to know, which has the settings."""
    models: Sequence[str] | msgspec.UnsetType | None = msgspec.UNSET


@act("gate.set")
async def set_gates(
    session: AsyncSession,
    actor: Actor,
    changes: GateChanges,
    *,
    tenant: str | None = None,
    token_id: int | None = None,
    by_id: int | None = None,
) -> Narrowed:
    """Change what a tenant or a token is let in for; tasks that run go on.

    What is so already is not noted. A token is let in for no more than those that it came of; what
    came of it is narrowed with it, and returned. `by_id`: the tenant's token that says so, of a
    token that came of it: what an operator set of that one stays.

    Raises:
        NoSuch, NotPossible: it was removed or revoked.
        Unusable: a network or a name cannot be taken, there are too many, it expired already, it is
            more than a token that it came of has, an operator's to say, or would leave nothing to
            what came of it.
    """
    wanted = check_gates(changes)
    expires_at = wanted.get("expires_at")
    if expires_at is not None and expires_at <= await session.scalar(select(func.now())):
        raise Unusable("it expires at a moment that is still to come", field="expires_at")
    # Before itself, as whoever ends or narrows both does.
    makers = [] if token_id is None else await lock_makers(session, token_id)
    if by_id is not None:
        why_not = "a key says what keys that came of it are let in for, and no others"
        check_is_of(makers, by_id, why_not)
    row = await _lock(session, tenant, token_id)
    if isinstance(row, Token):
        check_within(makers, wanted)
        claim_bounds(row, wanted, is_operators=by_id is None)
    before, after = differing(_state(row), _spelt(wanted))
    for name, value in wanted.items():
        setattr(row, name, value)
    if after:
        await _note(session, actor, row, before=before, after=after)
    if isinstance(row, Token):
        return await narrow_made(session, row, wanted, actor=actor)
    return Narrowed()


async def _note(
    session: AsyncSession, actor: Actor, row: Tenant | Token, *, before: State, after: State
) -> None:
    if isinstance(row, Token):
        kind, name_of = "token", str(row.id)
        after = {"tenant": (await session.get_one(Tenant, row.tenant_id)).name} | after
    else:
        kind, name_of = "tenant", row.name
    await note_change(
        session,
        actor,
        "gate.set",
        kind=kind,
        id=row.id,
        name=name_of,
        before=before,
        after=after,
    )


async def _lock(session: AsyncSession, tenant: str | None, token_id: int | None) -> Tenant | Token:
    if token_id is None:
        assert tenant is not None, "one of the two is named"
        return await tenant_to_act_on(session, tenant, is_locked=True)
    token = await session.get(
        Token, token_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if token is None or (
        tenant is not None and (await session.get_one(Tenant, token.tenant_id)).name != tenant
    ):
        raise NoSuch("token", token_id)
    if token.revoked_at is not None:
        raise NotPossible("token", token_id, "it was revoked")
    return token


def check_gates(changes: GateChanges) -> State:
    """Spell what is given as rows have it.

    Raises:
        Unusable: a network or a name cannot be taken, or there are too many.
    """
    given = {
        name: value
        for name, value in msgspec.structs.asdict(changes).items()
        if value is not msgspec.UNSET
    }
    for name in ("addresses", "endpoints", "models"):
        values = given.get(name)
        if values is None:
            continue
        if not 0 < len(values) <= NAMES_MAX:
            raise Unusable(f"{name} are from 1 to {NAMES_MAX}", field=name)
        if name == "addresses":
            try:
                given[name] = read_networks(values)
            except ValueError as error:
                raise Unusable(str(error), field=name) from error
        else:
            for value in values:
                check_name(value, what=name.removesuffix("s"))
            lowered = (value.lower() if name == "models" else value for value in values)
            given[name] = sorted(set(lowered))
    return given


def _state(row: Tenant | Token) -> State:
    return _spelt({name: getattr(row, name) for name in COLUMNS})


def _spelt(state: State) -> State:
    at = state.get("expires_at")
    return state if at is None else state | {"expires_at": at.isoformat()}
