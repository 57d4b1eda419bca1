"""Operators: who they are, what each may do at most, and the tokens that they show the office."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import NameTaken, NoSuch, NotPossible, Unusable
from relay.desk.names import check_new_name, removed_name
from relay.desk.roles import ACTS, BOUNDED
from relay.logins.sessions import end_sessions
from relay.networks import read_networks
from relay.operators import tokens
from relay.operators.read import find_operator, read_operators
from relay.operators.tables import Operator, OperatorToken, Role
from relay.operators.tokens import IssuedOperatorToken

__all__ = [
    "IssuedOperatorToken",
    "add_operator",
    "change_operator",
    "issue_operator_token",
    "remove_operator",
    "revoke_operator_token",
]

ID_END = 2**63
CHARS_MAX = 40
"""Of a name: it stands behind `operator:` wherever one acts."""


@act("operator.add")
async def add_operator(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    role: Role,
    ceilings: Mapping[str, int | None] | None = None,
) -> Operator:
    """Add one, who can do nothing until it has a token.

    `ceilings`: its own, in micros in 24 hours by act; of what is not named, or is None, its role's
    hold.

    Raises:
        NameTaken
        Unusable: the name, or a ceiling of what its role may not do or what has none.
    """
    check_new_name(name)
    if len(name) > CHARS_MAX:
        raise Unusable(f"the name of an operator has at most {CHARS_MAX} characters")
    given = dict(ceilings or {})
    _check_ceilings(role, given)
    own = {name: micros for name, micros in given.items() if micros is not None}
    if await find_operator(session, name) is not None:
        raise NameTaken("operator", name)
    operator = Operator(name=name, role=role.value, ceilings=own)
    session.add(operator)
    await session.flush()
    await note_change(
        *(session, actor, "operator.add"),
        kind="operator",
        id=operator.id,
        name=name,
        after=_state(operator),
    )
    return operator


@act("operator.change")
async def change_operator(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    role: Role | None = None,
    ceilings: Mapping[str, int | None] | None = None,
) -> Operator:
    """Change what one may do, from its next act on; what is not given stays.

    `ceilings`: by act; None is its role's again. Those of what a new role may not do are dropped.
    What is so already is not noted.

    Raises:
        NoSuch, NotPossible: it was removed.
        Unusable: as `add_operator`.
    """
    operator = await operator_to_act_on(session, name)
    before = _state(operator)
    new_role = role or Role(operator.role)
    given = dict(ceilings or {})
    _check_ceilings(new_role, given)
    own = {act: micros for act, micros in operator.ceilings.items() if new_role in ACTS[act]}
    own |= {act: micros for act, micros in given.items() if micros is not None}
    operator.role = new_role.value
    operator.ceilings = {act: own[act] for act in own if given.get(act, 0) is not None}
    before, after = differing(before, _state(operator))
    if after:
        await note_change(
            *(session, actor, "operator.change"),
            kind="operator",
            id=operator.id,
            name=name,
            before=before,
            after=after,
        )
    return operator


@act("operator.remove")
async def remove_operator(session: AsyncSession, actor: Actor, name: str) -> Operator:
    """Shut one out for good, with its tokens and sessions; what it did keeps its name.

    Raises:
        NoSuch, NotPossible: it was removed before.
    """
    operator = await operator_to_act_on(session, name)
    before = _state(operator) | {
        "tokens": await tokens.revoke_tokens(session, operator.id),
        "sessions": await end_sessions(session, operator.id),
    }
    operator.name = removed_name(name, operator.id)
    operator.password_hash = operator.totp_sealed = None
    operator.removed_at = await _now(session)
    await session.flush()
    await note_change(
        *(session, actor, "operator.remove"),
        kind="operator",
        id=operator.id,
        name=name,
        before=before,
    )
    return operator


@act("operator.issue_token")
async def issue_operator_token(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    expires_at: datetime | None = None,
    addresses: Iterable[str] = (),
) -> IssuedOperatorToken:
    """Make a token, shown this once. `addresses`: and networks that it is taken from; none: any.

    Raises:
        NoSuch, NotPossible: the operator was removed.
        Unusable: an address, or the token would have expired.
    """
    try:
        networks = read_networks(addresses)
    except ValueError as error:
        raise Unusable(str(error)) from error
    operator = await operator_to_act_on(session, name)
    if expires_at is not None and expires_at <= await _now(session):
        raise Unusable("its end has passed already")
    issued = await tokens.issue_token(session, operator, expires_at=expires_at, addresses=networks)
    await note_change(
        *(session, actor, "operator.issue_token"),
        kind="operator_token",
        id=issued.id,
        name=str(issued.id),
        after={
            "operator": name,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
            "addresses": networks,
        },
    )
    return issued


@act("operator.revoke_token")
async def revoke_operator_token(
    session: AsyncSession, actor: Actor, token_id: int
) -> tuple[OperatorToken, bool]:
    """End a token for good. False beside it if it was revoked before, which is not noted.

    Raises:
        NoSuch
    """
    was_live = await tokens.revoke_token(session, token_id)
    token = await session.get(OperatorToken, token_id)
    if token is None:
        raise NoSuch("operator token", token_id)
    if was_live:
        operator = await session.get_one(Operator, token.operator_id)
        await note_change(
            *(session, actor, "operator.revoke_token"),
            kind="operator_token",
            id=token.id,
            name=str(token.id),
            after={"operator": operator.name},
        )
    return token, was_live


async def operator_named(session: AsyncSession, name: str, *, is_locked: bool = False) -> Operator:
    """Find one, a removed one too, or raise NoSuch."""
    operator = await find_operator(session, name, is_locked=is_locked)
    if operator is None:
        raise NoSuch("operator", name, [one.name for one in await read_operators(session)])
    return operator


async def operator_numbered(session: AsyncSession, operator_id: int) -> Operator:
    """Find one by its number, a removed one too, or raise NoSuch."""
    found = None if operator_id >= ID_END else await session.get(Operator, operator_id)
    if found is None:
        raise NoSuch("operator", operator_id)
    return found


async def operator_to_act_on(session: AsyncSession, name: str) -> Operator:
    """Lock one that is not removed, or raise NoSuch or NotPossible."""
    operator = await operator_named(session, name, is_locked=True)
    if operator.removed_at is not None:
        raise NotPossible("operator", name, "it was removed")
    return operator


def _check_ceilings(role: Role, ceilings: Mapping[str, int | None]) -> None:
    for name, micros in ceilings.items():
        if name not in BOUNDED:
            raise Unusable(f"{name!r} has no ceiling; these have: {', '.join(sorted(BOUNDED))}")
        if role not in ACTS[name]:
            raise Unusable(f"an operator with the role {role.value} may not do {name} at all")
        if micros is not None and micros < 0:
            raise Unusable("a ceiling is at least 0")


def _state(operator: Operator) -> State:
    return {"role": operator.role, "ceilings": dict(operator.ceilings)}


async def _now(session: AsyncSession) -> datetime:
    now = await session.scalar(select(func.now()))
    assert isinstance(now, datetime), "a clock tells a time"
    return now
