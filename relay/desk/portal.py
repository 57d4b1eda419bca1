"""How people of a tenant enter the portal, and how their sessions end.

A session is of one of the tenant's tokens, and may what that may. By a link it is that of the token
`portal`, which is made when the first link is: its keys are shown to nobody, so that what is made
in a browser has a key of its own in every report, with limits of its own, and ends when that is
revoked. The one that is made after that has the limits of the one before, and what they count: a
tenant may revoke it, and would else be rid of what its operator bounded. Who shows a key of the
tenant's enters as that key, and has its limits: the portal's own would be a way past them.
"""

from datetime import datetime

import msgspec
import structlog
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.desk.act import act
from relay.desk.actor import Actor, ActorKind
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, NotPossible
from relay.desk.find import tenant_to_act_on
from relay.desk.logins import WrongLogin
from relay.desk.secret_keys import check_secret_keys
from relay.logins.portal import (
    end_portal_session,
    end_portal_sessions,
    make_portal_link,
    open_portal_session,
    take_portal_link,
)
from relay.logins.tables import PortalSession
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.tasks.limit_books import Whose, lock_limits
from relay.tenants.caller import Caller
from relay.tenants.gate import COLUMNS as GATES
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token
from relay.tenants.tokens import as_new_api_reads, hash_api_key, issue_token

log = structlog.get_logger()

PORTAL = "portal"
"""What the token is called that sessions by link have."""


class PortalLink(msgspec.Struct, frozen=True):
    """A way into the portal, shown this once."""

    tenant: str
    token_id: int
    key: str
    """What the link's address ends in."""
    expires_at: datetime


@act("tenant.link")
async def link_tenant(
    session: AsyncSession,
    actor: Actor,
    tenant_name: str,
    keys: KeyRing,
    *,
    is_for_support: bool = False,
) -> PortalLink:
    """Make a link by which somebody of a tenant enters the portal, once, and may all there.

    `is_for_support`: the actor enters by it himself, to see what the tenant sees; the tenant is
    told that somebody of its provider's is in, and not from where.

    Raises:
        NoSuch, NotPossible: the tenant was removed, or its portal key has expired.
        SecretKeyError: the secret keys are not this database's.
    """
    # Locked: of two at once only one is to make the token.
    tenant = await tenant_to_act_on(session, tenant_name, is_locked=True)
    token_id = await _find_token(session, tenant)
    is_made = token_id is None
    if token_id is None:
        await check_secret_keys(session, keys)
        token_id = await _make_token(session, tenant, keys)
    key, expires_at = await make_portal_link(
        session, token_id, support_by=str(actor) if is_for_support else None
    )
    await note_change(
        *(session, actor, "tenant.link"),
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={
            "token": token_id,
            "is_made": is_made,
            "expires_at": expires_at.isoformat(),
            "is_for_support": is_for_support,
        },
    )
    return PortalLink(tenant.name, token_id, key, expires_at)


@act("portal.end_session")
async def end_sessions_of(session: AsyncSession, actor: Actor, tenant_name: str) -> int:
    """Log a tenant out of every browser, and end links into the portal; returns how many browsers.

    Raises:
        NoSuch, NotPossible: the tenant was removed.
    """
    tenant = await tenant_to_act_on(session, tenant_name)
    ended = 0
    for token_id in await session.scalars(select(Token.id).where(Token.tenant_id == tenant.id)):
        ended += await end_portal_sessions(session, token_id)
    await note_change(
        *(session, actor, "portal.end_session"),
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={"sessions_ended": ended},
    )
    return ended


async def enter_portal(
    sessions: Sessions, caller: Caller, key: str, *, address: str, agent: str
) -> str:
    """Let in who has shown a key of a tenant's; return the secret of the new session.

    `key`: the API key, or the access key, that was found to be the caller's token's.

    Raises:
        WrongLogin: the token was given other keys, or was revoked; nothing was written.
    """
    async with sessions.begin() as session:
        # What is known of a key is two seconds old: who was shut out by then is not to come in.
        token = await session.get_one(Token, caller.token_id, with_for_update={"read": True})
        hashes = {hash_api_key(one) for one in (key, as_new_api_reads(key)) if one}
        is_its = key == token.access_key or token.api_key_hash in hashes
        if token.revoked_at is not None or not is_its:
            log.info("portal.log_in_refused", why="replaced", tenant=caller.tenant)
            raise WrongLogin
        secret = await open_portal_session(session, caller.token_id, address=address, agent=agent)
        await _note(session, caller.token_id, caller.tenant, address)
    return secret


async def enter_portal_by_link(sessions: Sessions, key: str, *, address: str, agent: str) -> str:
    """Let in who has a link; return the secret of the new session.

    Raises:
        WrongLogin: the link is used up, over, or none; nothing was written.
    """
    async with sessions.begin() as session:
        link = await take_portal_link(session, key)
        if link is None:
            log.info("portal.log_in_refused", why="link")
            raise WrongLogin
        secret = await open_portal_session(
            *(session, link.token_id), address=address, agent=agent, support_by=link.support_by
        )
        token = await session.get_one(Token, link.token_id)
        tenant = await session.get_one(Tenant, token.tenant_id)
        await _note(session, link.token_id, tenant.name, address, support_by=link.support_by)
    return secret


async def leave_portal(sessions: Sessions, session_id: int) -> None:
    """End one session, by whoever is in it."""
    async with sessions.begin() as session:
        await end_portal_session(session, session_id)


@act("portal.end_session")
async def end_own_session(
    session: AsyncSession,
    actor: Actor,
    tenant_id: int,
    session_id: int,
    *,
    token_id: int | None = None,
) -> None:
    """Log one browser of a tenant's out; of one that is over nothing is noted.

    `token_id`: whose session it must be, where that is bounded.

    Raises:
        NoSuch: none of this tenant's, or of this token's.
    """
    found = await session.get(PortalSession, session_id)
    token = None if found is None else await session.get_one(Token, found.token_id)
    is_foreign = token is None or token.tenant_id != tenant_id
    if token is None or is_foreign or token_id not in (None, token.id):
        raise NoSuch("session", session_id)
    if await end_portal_session(session, session_id):
        await note_change(
            *(session, actor, "portal.end_session"),
            kind="token",
            id=token.id,
            name=str(token.id),
            after={"session": session_id},
        )


def portal_link(settings: Settings, key: str) -> str:
    """Spell a link for a browser; without a public URL as this machine finds the relay."""
    base = settings.public_url or f"http://localhost:{settings.port}"
    return f"{base.rstrip('/')}/portal/enter?key={key}"


def _of_portal(tenant: Tenant) -> Select[Token]:
    """Select what sessions by link had and have; nobody but this desk makes such a one."""
    return select(Token).where(
        Token.tenant_id == tenant.id,
        Token.name == PORTAL,
        Token.scope == Scope.MANAGE.value,
        Token.made_by_id.is_(None),
        Token.is_test.is_(False),
    )


async def _find_token(session: AsyncSession, tenant: Tenant) -> int | None:
    """Find the one that is live, or raise NotPossible where nobody would be let in by it."""
    query = _of_portal(tenant).where(Token.revoked_at.is_(None)).order_by(Token.id).limit(1)
    token = await session.scalar(query)
    if token is None:
        return None
    now = await session.scalar(select(func.now()))
    if token.expires_at is not None and now is not None and token.expires_at <= now:
        raise NotPossible(
            *("tenant", tenant.name),
            f"its portal key {token.id} has expired: give that another expiry, or revoke it",
        )
    return token.id


async def _make_token(session: AsyncSession, tenant: Tenant, keys: KeyRing) -> int:
    """Make the token of sessions by link, as bounded as the one before it was.

    But for an expiry that is over: that one was let in until then, and this one is to be let in.
    """
    former = await session.scalar(
        _of_portal(tenant).order_by(Token.revoked_at.desc(), Token.id.desc()).limit(1)
    )
    token_id = (await issue_token(session, tenant, keys, scope=Scope.MANAGE)).id
    token = await session.get_one(Token, token_id)
    token.name = PORTAL
    if former is not None:
        for column in ("groups", "queue_s", *GATES):
            setattr(token, column, getattr(former, column))
        now = await session.scalar(select(func.now()))
        if token.expires_at is not None and now is not None and token.expires_at <= now:
            token.expires_at = None
        # Not others of that height: what the day has seen is seen, and tasks that still run end in
        # them.
        (limits,) = await lock_limits(session, Whose(tenant, former.id))
        for limit in limits.values():
            limit.token_id = token_id
        await session.flush()
    return token_id


async def _note(
    session: AsyncSession,
    token_id: int,
    tenant: str,
    address: str,
    *,
    support_by: str | None = None,
) -> None:
    actor = Actor(ActorKind.TENANT, tenant, origin=f"portal, {address}")
    await note_change(
        *(session, actor, "portal.log_in"),
        kind="token",
        id=token_id,
        name=str(token_id),
        after={} if support_by is None else {"support_by": support_by},
    )
