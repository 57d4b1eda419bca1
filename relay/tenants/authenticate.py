"""From the `Authorization` header to a tenant.

A bearer is an API key that we issued (or took over), or a JWT that an SDK signed with the access
key and secret key we issued. What is wrong with a bad credential is told only to who holds the
secret: all others get one and the same answer, of JWTs one and of all else another
(docs/kling-api.md 2 and 8).
"""

import math
import secrets as entropy
import time
from collections.abc import Callable
from typing import NamedTuple

import jwt
import msgspec
from jwt.types import Options

from relay.database.batch import Batcher
from relay.database.driver import Record
from relay.database.line import Line
from relay.database.rows import unnest
from relay.errors import (
    CredentialExpired,
    CredentialMissing,
    CredentialNotYetValid,
    CredentialUnknown,
    SignatureInvalid,
    TenantDisabled,
)
from relay.secrets import KeyRing, SecretKeyError
from relay.tenants.caller import Caller
from relay.tenants.gate import read_gates
from relay.tenants.remembered import Remembered
from relay.tenants.scope import Scope
from relay.tenants.tokens import (
    as_new_api_reads,
    hash_api_key,
    looks_like_jwt,
    secret_context,
)

BEARER_CHARS_MAX = 8192
REMEMBERED_CHARS_MAX = 1024
"""Of a header or a JWT that is kept: an SDK's has 200. Longer ones are checked each time."""
ACCESS_KEY_CHARS_MAX = 64
"""Ours have 32."""
SKEW_S = 60
"""Clocks differ, and one public client keeps a token for its full life (docs/kling-api.md 13)."""
_NOBODYS_SECRET = entropy.token_hex(32)
"""Stands in where there is no secret key, so that an unknown issuer costs the same work."""


class TokenRow(NamedTuple):
    """One call of FIND_TOKENS: one of the two."""

    access_key: str | None
    api_key_hash: bytes | None


FIND_TOKENS = f"""
SELECT n.ord, k.id AS token_id, t.id AS tenant_id, t.name,
       CASE WHEN k.is_former THEN k.former_secret_key_sealed ELSE k.secret_key_sealed END
           AS secret_key_sealed,
       k.is_former, t.account_id, t.parent_id, t.resale, t.shows_quote, t.joins_retries,
       t.keep_results_days IS NOT NULL AS keeps_results, t.result_urls, t.lints_creates,
       CASE WHEN p.id IS NULL THEN t.price_group ELSE p.price_group END AS price_group,
       t.enabled AND p.enabled IS NOT FALSE AS enabled,
       k.is_test, k.scope, coalesce(k.groups, t.groups, p.groups) AS groups,
       coalesce(k.queue_s, t.queue_s, 0) AS queue_s, t.room_min, a.limits_set,
       CASE WHEN k.is_former THEN least(k.expires_at, k.former_until) ELSE k.expires_at END
           AS expires_at,
       k.addresses, k.endpoints, k.models, t.expires_at AS tenant_expires_at,
       t.addresses AS tenant_addresses, t.endpoints AS tenant_endpoints, t.models AS tenant_models,
       p.expires_at AS parent_expires_at, p.addresses AS parent_addresses,
       p.endpoints AS parent_endpoints, p.models AS parent_models,
       EXISTS (
           SELECT FROM limits l
           WHERE l.tenant_id = ANY (ARRAY[t.id, t.parent_id])
               AND (l.token_id IS NULL OR l.token_id = k.id)
       ) AS is_limited
FROM {unnest(TokenRow, "n")}
JOIN LATERAL (
    -- Not one OR: planned while there are few tokens, it reads all of them.
    SELECT a.*, false AS is_former FROM tokens a WHERE a.access_key = n.access_key
    UNION ALL
    SELECT b.*, false FROM tokens b WHERE b.api_key_hash = n.api_key_hash
    UNION ALL
    SELECT c.*, true FROM tokens c WHERE c.former_access_key = n.access_key
    UNION ALL
    SELECT d.*, true FROM tokens d WHERE d.former_api_key_hash = n.api_key_hash
) k ON true
JOIN tenants t ON t.id = k.tenant_id
LEFT JOIN tenants p ON p.id = t.parent_id
JOIN accounts a ON a.id = t.account_id
WHERE k.revoked_at IS NULL
"""  # noqa: S608 (composed of constants)


_SIGNATURE_ONLY: Options = {
    "verify_exp": False,  # these two by `authenticate`, to Kling's codes
    "verify_nbf": False,
    "verify_iat": False,  # the others say nothing to Kling (docs/kling-api.md 2)
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class _Found(msgspec.Struct, frozen=True):
    caller: Caller
    secret_key: str
    is_enabled: bool


class _Claims(msgspec.Struct):
    iss: str
    exp: float
    nbf: float = 0


class Authenticator:
    """Tells tenants by their bearers, from memory until a token or a tenant is changed."""

    def __init__(
        self, line: Line, keys: KeyRing, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tokens = Batcher(line, FIND_TOKENS, is_idempotent=True)
        self._keys = keys
        self._clock = clock
        self._found: dict[str | bytes, _Found | None] = {}
        """By access keys and hashes of API keys; None is no token's."""
        self._by_header: dict[str, _Found] = {}
        """Of API keys alone: a JWT has its times besides."""
        self._verified: dict[str, tuple[_Claims, _Found]] = {}
        caches = (self._found, self._by_header, self._verified)
        self._remembered = Remembered(line, *caches, clock=clock)
        self._changed = self._remembered.changed

    async def authenticate(
        self, authorization: str | None, *, now_s: float, address: str = ""
    ) -> Caller:
        """Tell who sends it; `address`: from where, behind proxies that are believed.

        Raises:
            Unauthorized: the leaf of it that says why.
            AddressNotAllowed: it is not let in from there.
        """
        clock = self._clock  # a call of the attribute itself takes 10 ns more
        if clock() > self._changed.good_until:
            await self._changed.get()
        known = self._by_header.get(authorization or "")
        if known is not None:
            return known.caller
        number = self._remembered.number
        scheme, _, bearer = (authorization or "").strip().partition(" ")
        bearer = bearer.strip()
        if not scheme:
            raise CredentialMissing
        is_bearer = scheme.lower() == "bearer" and bool(bearer)
        is_jwt = is_bearer and looks_like_jwt(bearer)
        if len(bearer) > BEARER_CHARS_MAX:
            found = None
        elif is_jwt:
            found = await self._by_jwt(bearer, now_s=now_s)
        else:
            found = await self._by_api_key(bearer if is_bearer else scheme, is_bearer=is_bearer)
        if found is None:
            raise SignatureInvalid if is_jwt else CredentialUnknown
        _let_in(found, address, now_s=now_s)
        # What has gates is judged each time.
        is_kept = not is_jwt and not found.caller.gates
        if authorization and len(authorization) <= REMEMBERED_CHARS_MAX and is_kept:
            self._remembered.keep(self._by_header, authorization, found, read_at=number)
        return found.caller

    async def admit(self, key: str | bytes, *, now_s: float, address: str) -> Caller:
        """Tell who acts with a token, by its access key or the hash of its API key.

        For whoever has shown the token before, such as a browser with a session of it.

        Raises:
            CredentialUnknown: the token ended, or has other keys by now.
            Unauthorized: it is not let in any more.
            AddressNotAllowed: it is not let in from there.
        """
        if self._clock() > self._changed.good_until:
            await self._changed.get()
        found = await self._find(key)
        if found is None:
            raise CredentialUnknown
        _let_in(found, address, now_s=now_s)
        return found.caller

    async def aclose(self) -> None:
        await self._tokens.aclose()
        await self._remembered.aclose()

    async def _by_api_key(self, sent: str, *, is_bearer: bool) -> _Found | None:
        """Find a key as it was issued; what is no such key, as new-api would read it."""
        found = await self._find(hash_api_key(sent)) if is_bearer else None
        if found is not None:
            return found
        moved = as_new_api_reads(sent)
        if moved is None or (is_bearer and moved == sent):
            return None
        return await self._find(hash_api_key(moved))

    async def _by_jwt(self, bearer: str, *, now_s: float) -> _Found | None:
        known = self._verified.get(bearer)
        if known is None:
            number = self._remembered.number
            known = await self._verify(bearer)
            if known is None:
                return None
            if len(bearer) <= REMEMBERED_CHARS_MAX:
                self._remembered.keep(self._verified, bearer, known, read_at=number)
        claims, found = known
        if now_s + SKEW_S < claims.nbf:
            raise CredentialNotYetValid
        if now_s - SKEW_S >= claims.exp:
            raise CredentialExpired
        return found

    async def _verify(self, bearer: str) -> tuple[_Claims, _Found] | None:
        """Check the signature; the same work whether the issuer is known or not."""
        try:
            unverified = jwt.decode_complete(bearer, options={"verify_signature": False})
            claims = msgspec.convert(unverified["payload"], _Claims)
            claims.iss.encode()  # JSON can escape half a surrogate pair, which no database takes
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError):
            return None
        if not (math.isfinite(claims.exp) and math.isfinite(claims.nbf)):
            return None  # NaN would be neither early nor late
        found = await self._find(claims.iss)
        secret_key = found.secret_key if found else _NOBODYS_SECRET
        try:
            jwt.decode(
                bearer,
                secret_key,
                algorithms=["HS256"],
                options=_SIGNATURE_ONLY,
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        return (claims, found) if found else None

    async def _find(self, key: str | bytes) -> _Found | None:
        if key in self._found:
            return self._found[key]
        if isinstance(key, bytes):
            row = TokenRow(access_key=None, api_key_hash=key)
        elif "\x00" in key or len(key) > ACCESS_KEY_CHARS_MAX:
            return None
        else:
            row = TokenRow(access_key=key, api_key_hash=None)
        number = self._remembered.number
        record = await self._fetch(row)
        found = None if record is None else self._read(record)
        self._remembered.keep(self._found, key, found, read_at=number)
        return found

    async def _fetch(self, row: TokenRow) -> Record | None:
        return await self._tokens.run(row)

    def _read(self, record: Record) -> _Found:
        token_id = record["token_id"]
        return _Found(
            caller=Caller(
                token_id=token_id,
                tenant_id=record["tenant_id"],
                tenant=record["name"],
                account_id=record["account_id"],
                parent_id=record["parent_id"],
                resale=record["resale"],
                scope=Scope(record["scope"]),
                is_replaced=record["is_former"],
                price_group=record["price_group"],
                shows_quote=record["shows_quote"],
                joins_retries=record["joins_retries"],
                keeps_results=record["keeps_results"],
                result_urls=record["result_urls"],
                lints_creates=record["lints_creates"],
                groups=None if record["groups"] is None else frozenset(record["groups"]),
                is_test=record["is_test"],
                queue_s=record["queue_s"],
                room_min=record["room_min"],
                gates=read_gates(record),
                limits_known=record["limits_set"],
                is_limited=record["is_limited"],
            ),
            secret_key=self._open(token_id, record["secret_key_sealed"]),
            is_enabled=record["enabled"],
        )

    def _open(self, token_id: int, sealed: str) -> str:
        try:
            return self._keys.open(sealed, context=secret_context(token_id))
        except SecretKeyError:
            # Its API key still works, so the operator's missing key locks out signers only.
            return _NOBODYS_SECRET


def _let_in(found: _Found, address: str, *, now_s: float) -> None:
    if not found.is_enabled:
        raise TenantDisabled
    for gate in found.caller.gates:
        gate.check_entry(address, now_s=now_s)
