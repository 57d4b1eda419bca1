"""Issuing tenants' keys, and revoking them."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.find import tenant_to_act_on
from relay.desk.groups import checked_groups_of_callers
from relay.desk.names import check_name
from relay.desk.narrowed import (
    BOUNDS,
    Narrowed,
    check_is_of,
    check_within,
    claim_bounds,
    narrow_made,
)
from relay.desk.notices import remove_places_of_keys
from relay.desk.secret_keys import check_secret_keys
from relay.desk.tables import Change
from relay.desk.waits import check_wait
from relay.limits.inherit import inherit_limits
from relay.logins.portal import end_portal_sessions
from relay.secrets import KeyRing
from relay.tasks.queue.end import end_waiting_of
from relay.tenants import tokens
from relay.tenants.gate import COLUMNS as GATES
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token
from relay.tenants.tokens import IssuedToken, UnusableApiKey

__all__ = ["IssuedToken", "change_token", "issue_token", "revoke_token", "rotate_token"]

DAY_S, KEEP_MAX_S = 86_400, 30 * 86_400
"""For how long the keys that a token had are taken beside those that it got."""

TESTS_NAME_NONE = "a key for tests is served by sandboxes alone, and names no groups"
LEAKED = "leaked"
"""Why a token was revoked, where others have it."""


@act("token.issue")
async def issue_token(
    session: AsyncSession,
    actor: Actor,
    tenant_name: str,
    keys: KeyRing,
    *,
    api_key: str | None = None,
    groups: Iterable[str] | None = None,
    is_test: bool = False,
    queue_s: int | None = None,
    scope: Scope = Scope.CALL,
    made_by_id: int | None = None,
) -> IssuedToken:
    """Make a tenant's keys, shown this once; `api_key` takes one that it has already.

    `groups`: of channels that serve it; None is as its tenant. `is_test`: its tasks run on
    sandboxes alone, and are free. `queue_s`: for how many seconds its creates wait for room; 0 is
    not at all, None is as its tenant's. `made_by_id`: the token that makes it, of the tenant or of
    the one above it: what that one may not, this one may not either, and with that one it ends.

    Raises:
        NoSuch, NotPossible: the tenant was removed, or the token that makes it was revoked.
        Unusable: the API key, a group or the wait cannot be taken, a key for tests names groups, or
            it would be more than the token that makes it.
        SecretKeyError: the secret keys are not this database's.
    """
    checked = checked_groups_of_callers(groups)
    check_wait(queue_s)
    if is_test and checked is not None:
        raise Unusable(TESTS_NAME_NONE)
    tenant = await tenant_to_act_on(session, tenant_name)
    await check_secret_keys(session, keys)
    maker = None
    if made_by_id is not None:
        maker, checked, is_test = await _within_its_maker(
            session, made_by_id, tenant, groups=checked, is_test=is_test
        )
    try:
        issued = await tokens.issue_token(
            *(session, tenant, keys),
            api_key=api_key,
            groups=checked,
            is_test=is_test,
            queue_s=queue_s,
            scope=scope,
            made_by_id=made_by_id,
        )
    except UnusableApiKey as error:
        raise Unusable(str(error)) from error
    if maker is not None:
        await _bound_as(session, maker, issued.id)
    await note_change(
        session,
        actor,
        "token.issue",
        kind="token",
        id=issued.id,
        name=str(issued.id),
        # The access key is public: it is the `iss` of every JWT.
        after={
            "tenant": tenant.name,
            "access_key": issued.access_key,
            "is_brought": api_key is not None,
            "groups": checked,
            "is_test": is_test,
            "queue_s": queue_s,
            "scope": scope.value,
            "made_by": made_by_id,
        },
    )
    return issued


async def _within_its_maker(
    session: AsyncSession,
    maker_id: int,
    tenant: Tenant,
    *,
    groups: list[str] | None,
    is_test: bool,
) -> tuple[Token, list[str] | None, bool]:
    """Say which groups a new token has, and whether it is for tests, by what its maker may."""
    maker = await tokens.lock_maker(session, maker_id)
    if maker is None or maker.tenant_id not in (tenant.id, tenant.parent_id):
        raise NotPossible("token", maker_id, "it was revoked")
    if not Scope(maker.scope).has(Scope.MANAGE):
        raise Unusable(f"a key of scope {maker.scope} makes no others")
    if maker.is_test:
        if groups is not None:
            raise Unusable("a key for tests makes keys for tests, which name no groups")
        return maker, None, True
    await _check_groups_within(session, maker, tenant, groups)
    if groups is None and not is_test:
        groups = maker.groups
    return maker, groups, is_test


async def _check_groups_within(
    session: AsyncSession, maker: Token, tenant: Tenant, groups: Iterable[str] | None
) -> None:
    served = tenant.groups if maker.groups is None else maker.groups
    if served is None and tenant.parent_id is not None:
        served = (await session.get_one(Tenant, tenant.parent_id)).groups
    if served is not None and (beyond := sorted(set(groups or ()) - set(served))):
        raise Unusable(f"the key that makes it is not in the group {beyond[0]}", field="groups")


async def _bound_as(session: AsyncSession, maker: Token, token_id: int) -> None:
    """Bound a new token by all that bounds its maker, each with a count of its own."""
    token = await session.get_one(Token, token_id)
    for name in GATES:
        setattr(token, name, getattr(maker, name))
    await inherit_limits(session, maker_id=maker.id, tenant_id=token.tenant_id, token_id=token_id)


@act("token.change")
async def change_token(
    session: AsyncSession,
    actor: Actor,
    token_id: int,
    *,
    queue_s: int | msgspec.UnsetType | None = msgspec.UNSET,
    name: str | msgspec.UnsetType | None = msgspec.UNSET,
    groups: Iterable[str] | msgspec.UnsetType | None = msgspec.UNSET,
    scope: Scope | msgspec.UnsetType = msgspec.UNSET,
    by_id: int | None = None,
) -> Narrowed:
    """Change for how long creates with a token wait, what people call it, its groups and scope.

    `queue_s`, `groups`: None is as its tenant's. `name`: None is nothing. It has no more than those
    that it came of; what came of it is narrowed with it, and returned. `by_id`: the tenant's token
    that says so, of one that came of it and so ends with it: what an operator set of that one
    stays.

    What is so already is not noted.

    Raises:
        NoSuch, NotPossible: it was revoked.
        Unusable: the wait is out of bounds, it cannot be called that, or not have these groups, it
            is not the token's to say, or would leave nothing to what came of it.
    """
    check_wait(queue_s)
    if isinstance(name, str):
        check_name(name)
    if not isinstance(groups, msgspec.UnsetType):
        groups = checked_groups_of_callers(groups)
    # Before itself, as whoever ends or narrows both does.
    makers = await tokens.lock_makers(session, token_id)
    if by_id is not None:
        check_is_of(makers, by_id, "a key changes keys that came of it, and no others")
    token = await session.get(
        Token, token_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if token is None:
        raise NoSuch("token", token_id)
    if token.revoked_at is not None:
        raise NotPossible("token", token_id, "it was revoked")
    if token.is_test and groups:
        raise Unusable(TESTS_NAME_NONE, field="groups")
    of_scope = scope if isinstance(scope, msgspec.UnsetType) else scope.value
    given = {"queue_s": queue_s, "name": name, "groups": groups, "scope": of_scope}
    wanted = {field: value for field, value in given.items() if value is not msgspec.UNSET}
    await _check_within(session, token, makers, wanted)
    claim_bounds(token, wanted, is_operators=by_id is None)
    before, after = differing({field: getattr(token, field) for field in given}, wanted)
    for field, value in after.items():
        setattr(token, field, value)
    if after:
        tenant = await session.get_one(Tenant, token.tenant_id)
        await note_change(
            session,
            actor,
            "token.change",
            kind="token",
            id=token.id,
            name=str(token.id),
            before={"tenant": tenant.name} | before,
            after=after,
        )
    return await narrow_made(session, token, wanted.keys() & set(BOUNDS), actor=actor)


async def _check_within(
    session: AsyncSession, token: Token, makers: list[Token], wanted: State
) -> None:
    """Refuse a scope and groups that one of the makers has not itself."""
    check_within(makers, {name: it for name, it in wanted.items() if name == "scope"})
    if "groups" not in wanted or token.is_test:
        return
    tenant = await session.get_one(Tenant, token.tenant_id)
    # Those between them too: each gives new keys to what came of it, and is shown them.
    for maker in makers:
        if wanted["groups"] is None and maker.groups is not None:
            raise Unusable("the key that it came of is bound to groups itself", field="groups")
        await _check_groups_within(session, maker, tenant, wanted["groups"])


@act("token.rotate")
async def rotate_token(
    session: AsyncSession,
    actor: Actor,
    token_id: int,
    keys: KeyRing,
    *,
    keep_s: int = DAY_S,
    by_id: int | None = None,
    was: str | msgspec.UnsetType | None = msgspec.UNSET,
) -> IssuedToken:
    """Give a token new keys, shown this once; those of before are taken for `keep_s` more.

    It stays the token that it is, with its limits and what they count. `by_id`: the tenant's token
    that asks for it, and is shown them: it is that one itself, or came of it, and so ends with it.
    `was`: the access key that it is known to have. Twice, the keys that programs have would end.

    Raises:
        NoSuch, NotPossible: it was revoked, or has others by now.
        Unusable: the old ones are kept for longer than may be, or another token may not have them.
        SecretKeyError: the secret keys are not this database's.
    """
    if not 0 <= keep_s <= KEEP_MAX_S:
        raise Unusable("old keys are taken for 0 to 720 hours more", field="keep_hours")
    token = await session.get(Token, token_id, with_for_update={"key_share": True})
    if token is None:
        raise NoSuch("token", token_id)
    if token.revoked_at is not None:
        raise NotPossible("token", token_id, "it was revoked")
    if was is not msgspec.UNSET and was != token.access_key:
        raise NotPossible("token", token_id, "it was given new keys meanwhile")
    if by_id is not None and by_id not in await tokens.read_makers(session, token_id):
        raise Unusable("a key gives new keys to itself and to those that came of it, to no others")
    await check_secret_keys(session, keys)
    tenant = await session.get_one(Tenant, token.tenant_id)
    before = {"tenant": tenant.name, "access_key": token.access_key}
    issued = await tokens.rotate_token(session, token, tenant.name, keys, keep_s=keep_s)
    # Who found the old keys may have entered by them.
    await end_portal_sessions(session, token.id)
    until = token.former_until
    await note_change(
        session,
        actor,
        "token.rotate",
        kind="token",
        id=token.id,
        name=str(token.id),
        before=before,
        after={
            "access_key": issued.access_key,
            "old_until": None if until is None else until.isoformat(),
        },
    )
    return issued


@act("token.revoke")
async def revoke_token(
    session: AsyncSession, actor: Actor, token_id: int, *, is_leaked: bool = False
) -> tuple[Token, bool]:
    """End a token for good, with those that it made. False beside it if it was revoked before.

    Sub-tenants that it opened are shut out, with their tokens; and nothing is told any more where
    one of these had its tenant told. Limits that it set stay, and say by which token.

    `is_leaked`: others have it; that is noted, once, of a token that was revoked before as well,
    and what was made with it and still waits for room is cancelled.

    Raises:
        NoSuch
    """
    ended, shut_out = await tokens.revoke_token(session, token_id)
    was_live = token_id in ended
    token = await session.get(Token, token_id)
    if token is None:
        raise NoSuch("token", token_id)
    if was_live or (is_leaked and not await _is_known_to_leak(session, token)):
        tenant = await session.get_one(Tenant, token.tenant_id)
        await note_change(
            session,
            actor,
            "token.revoke",
            kind="token",
            id=token.id,
            name=str(token.id),
            after={"tenant": tenant.name},
            reason=LEAKED if is_leaked else None,
        )
    for made_id in ended:
        if made_id != token_id:
            await note_change(
                session,
                actor,
                "token.revoke",
                kind="token",
                id=made_id,
                name=str(made_id),
                after={"made_by": token_id},
                reason=LEAKED if is_leaked else None,
            )
    for tenant in shut_out:
        await note_change(
            session,
            actor,
            "tenant.change",
            kind="tenant",
            id=tenant.id,
            name=tenant.name,
            before={"enabled": True},
            after={"enabled": False, "opened_by": token_id},
        )
    reason = LEAKED if is_leaked else None
    await remove_places_of_keys(session, {token_id, *ended}, actor=actor, reason=reason)
    if is_leaked:
        for one in {token_id, *ended}:
            await end_waiting_of(session, token_id=one, actor=str(actor))
    return token, was_live


async def _is_known_to_leak(session: AsyncSession, token: Token) -> bool:
    query = select(Change.id).where(
        Change.subject == str(token.id),
        Change.subject_kind == "token",
        Change.subject_id == token.id,
        Change.reason == LEAKED,
    )
    return await session.scalar(query.limit(1)) is not None
