"""Tokens: how they are made, stored and found."""

import secrets as entropy
from datetime import timedelta
from hashlib import sha256

import msgspec
from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.sealed import SealedColumn
from relay.secrets import KeyRing
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token

API_KEY_PREFIX = "sk-"
API_KEY_CHARS_MIN = 20
"""Keys are stored as a plain hash, which a short key would not survive."""
API_KEY_CHARS_MAX = 1024
MOVED_CHARS_MIN, MOVED_CHARS_MAX = 32, 128
"""Of keys that new-api makes, behind `sk-`: letters and digits alone."""


class IssuedToken(msgspec.Struct, frozen=True):
    """A new token with its secrets; the only moment they exist outside the tenant's hands."""

    id: int
    tenant: str
    access_key: str
    secret_key: str
    api_key: str
    is_test: bool = False
    scope: Scope = Scope.CALL


class UnusableApiKey(ValueError):
    """An existing key that the operator brought cannot be taken. Nothing was written."""


async def issue_token(
    session: AsyncSession,
    tenant: Tenant,
    keys: KeyRing,
    *,
    api_key: str | None = None,
    groups: list[str] | None = None,
    is_test: bool = False,
    queue_s: int | None = None,
    scope: Scope = Scope.CALL,
    made_by_id: int | None = None,
) -> IssuedToken:
    """Make an access key + secret key pair and an API key; `api_key` takes an existing one.

    `made_by_id`: the token that makes it, locked by the caller.

    Raises:
        UnusableApiKey: too short or long, with white space, looks like a JWT, or already in use.
    """
    if api_key is not None:
        await _check_brought_key(session, api_key)
    issued_key = api_key or API_KEY_PREFIX + entropy.token_urlsafe(36)
    access_key = entropy.token_hex(16)
    secret_key = entropy.token_urlsafe(32)
    token = Token(
        tenant_id=tenant.id,
        api_key_hash=hash_api_key(issued_key),
        api_key_hint=issued_key[-4:],
        groups=groups,
        is_test=is_test,
        queue_s=queue_s,
        scope=scope.value,
        made_by_id=made_by_id,
    )
    session.add(token)
    await session.flush()  # the secret key is sealed for the row's id
    token.access_key = access_key
    token.secret_key_sealed = keys.seal(secret_key, context=secret_context(token.id))
    await session.flush()
    return IssuedToken(
        id=token.id,
        tenant=tenant.name,
        access_key=access_key,
        secret_key=secret_key,
        api_key=issued_key,
        is_test=is_test,
        scope=scope,
    )


async def revoke_token(session: AsyncSession, token_id: int) -> tuple[list[int], list[Tenant]]:
    """End a token and those that it made, and they made; shut out the tenants that they opened.

    Returns those that were live, by id, and the tenants that were let in until now; all tokens of
    these end too. Of a token that was revoked before it ends what was made meanwhile, should there
    be any.
    """
    made = select(Token.id).where(Token.id == token_id).cte("made", recursive=True)
    made = made.union(
        select(Token.id)
        .join(Tenant, Tenant.id == Token.tenant_id)
        .join(made, or_(Token.made_by_id == made.c.id, Tenant.made_by_id == made.c.id))
    )
    revoking = (
        update(Token)
        .where(Token.id.in_(select(made.c.id)), Token.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(Token.id)
    )
    shutting = (
        update(Tenant)
        .where(Tenant.made_by_id.in_(select(made.c.id)), Tenant.enabled)
        .values(enabled=False, shut_by_parent=True)
        .returning(Tenant)
    )
    ended: list[int] = []
    shut_out: list[Tenant] = []
    while True:
        # Once more: one of them may have made another while it was waited for (`lock_maker`).
        tenants = list(await session.scalars(shutting))
        more = list(await session.scalars(revoking))
        if not tenants and not more:
            return sorted(ended), shut_out
        ended += more
        shut_out += tenants


async def rotate_token(
    session: AsyncSession, token: Token, tenant: str, keys: KeyRing, *, keep_s: int
) -> IssuedToken:
    """Give a locked token new keys; those of before are taken for so many seconds more.

    What they were before that ends now.
    """
    issued_key = API_KEY_PREFIX + entropy.token_urlsafe(36)
    access_key, secret_key = entropy.token_hex(16), entropy.token_urlsafe(32)
    kept = keep_s > 0
    token.former_access_key = token.access_key if kept else None
    token.former_secret_key_sealed = token.secret_key_sealed if kept else None
    token.former_api_key_hash = token.api_key_hash if kept else None
    until = await session.scalar(select(func.now() + timedelta(seconds=keep_s)))
    token.former_until = until if kept else None
    token.access_key, token.api_key_hash = access_key, hash_api_key(issued_key)
    token.secret_key_sealed = keys.seal(secret_key, context=secret_context(token.id))
    token.api_key_hint = issued_key[-4:]
    await session.flush()
    return IssuedToken(
        id=token.id,
        tenant=tenant,
        access_key=access_key,
        secret_key=secret_key,
        api_key=issued_key,
        is_test=token.is_test,
        scope=Scope(token.scope),
    )


async def lock_maker(session: AsyncSession, token_id: int) -> Token | None:
    """Read a live token that is to make another one, which is then no race with its end."""
    return await session.scalar(
        select(Token)
        .where(Token.id == token_id, Token.revoked_at.is_(None))
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )


async def read_makers(session: AsyncSession, token_id: int) -> set[int]:
    """Tell which tokens one came of, itself among them."""
    made = select(Token.id, Token.made_by_id).where(Token.id == token_id).cte(recursive=True)
    made = made.union(select(Token.id, Token.made_by_id).join(made, Token.id == made.c.made_by_id))
    return set(await session.scalars(select(made.c.id)))


async def lock_makers(session: AsyncSession, token_id: int) -> list[Token]:
    """Read which tokens one came of, without itself; none of them is narrowed until the commit.

    To be called before that one is locked: a maker has the lower number, and so its turn first.
    """
    makers = await read_makers(session, token_id) - {token_id}
    if not makers:
        return []
    query = select(Token).where(Token.id.in_(makers)).order_by(Token.id).with_for_update(read=True)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def lock_made(session: AsyncSession, token_id: int) -> tuple[list[Token], list[Tenant]]:
    """Lock what came of a locked token: live tokens by id, and tenants that any of them opened."""
    made = select(Token.id).where(Token.made_by_id == token_id).cte(recursive=True)
    made = made.union(select(Token.id).join(made, Token.made_by_id == made.c.id))
    query = (
        select(Token)
        .where(Token.id.in_(select(made.c.id)), Token.revoked_at.is_(None))
        .order_by(Token.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    tokens: list[Token] = []
    # Once more: one of them may have made another while it was waited for (`lock_maker`).
    while len(found := list(await session.scalars(query))) > len(tokens):
        tokens = found
    opened = (
        select(Tenant)
        .where(Tenant.made_by_id.in_([token_id, *(one.id for one in tokens)]))
        .where(Tenant.removed_at.is_(None))
        .order_by(Tenant.id)
        .with_for_update(key_share=True)
    )
    tenants = await session.scalars(opened.execution_options(populate_existing=True))
    return tokens, list(tenants)


async def revoke_tokens(session: AsyncSession, tenant_id: int) -> list[int]:
    """End all tokens of a tenant; returns the ids of those that were live."""
    revoked = await session.scalars(
        update(Token)
        .where(Token.tenant_id == tenant_id, Token.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(Token.id)
    )
    return sorted(revoked)


def hash_api_key(api_key: str) -> bytes:
    return sha256(api_key.encode()).digest()


def as_new_api_reads(sent: str) -> str | None:
    """Spell an API key as it was issued there, of which clients that moved here may send less.

    new-api takes it without `sk-` too, without `Bearer`, and with what stands behind a `-` cut off.
    None: it is no such key.
    """
    key = sent.removeprefix(API_KEY_PREFIX).partition("-")[0]
    if not (key.isascii() and key.isalnum() and MOVED_CHARS_MIN <= len(key) <= MOVED_CHARS_MAX):
        return None
    return API_KEY_PREFIX + key


def secret_context(token_id: int) -> str:
    return f"tokens/{token_id}/secret_key"


def looks_like_jwt(bearer: str) -> bool:
    """Tell whether a bearer is to be read as a JWT: three parts, the first a JSON object."""
    return bearer.startswith("ey") and bearer.count(".") == 2  # noqa: PLR2004


SEALED = (
    SealedColumn(Token, "secret_key_sealed", secret_context),
    # As it was sealed before it was moved there.
    SealedColumn(Token, "former_secret_key_sealed", secret_context),
)


async def _check_brought_key(session: AsyncSession, api_key: str) -> None:
    if not API_KEY_CHARS_MIN <= len(api_key) <= API_KEY_CHARS_MAX:
        raise UnusableApiKey(f"an API key has {API_KEY_CHARS_MIN} characters at least")
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise UnusableApiKey("an API key has no white space and plain ASCII only")
    if looks_like_jwt(api_key):
        raise UnusableApiKey("this looks like a JWT, not like an API key")
    hashed = hash_api_key(api_key)
    taken = (
        select(Token.id)
        .where(or_(Token.api_key_hash == hashed, Token.former_api_key_hash == hashed))
        .limit(1)
    )
    if await session.scalar(taken) is not None:
        raise UnusableApiKey("this API key is already in use")
