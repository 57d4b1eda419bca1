"""A tenant's own keys and its webhook secret, under `/relay/`, for keys of scope `manage`.

    GET  /relay/tokens                  all of the tenant's, without secrets
    POST /relay/tokens                  {"scope": "call", "groups": ["eu"], "queue": "5m",
                                         "expires_at": 1795795200000, "models": ["kling-v3"]}
    POST /relay/tokens/{id}             {"scope": "read", "models": null}
    POST /relay/tokens/{id}/rotate      {"keep_hours": 24}
    POST /relay/tokens/{id}/revoke      {"leaked": false}
    GET  /relay/webhook-secret          since when there is one
    POST /relay/webhook-secret          {"rotate": true, "issued_at": 1795795200000}

A key that makes another one gives it nothing that it has not itself, and takes it along when it is
revoked: who finds a key cannot outlive it by one of his own. For the same reason it gives new keys
to itself and to those that it made, and to no others: they would be known to it then; and it
changes those that it made alone, never to more than it has itself, nor what the operator set of
them. When it is narrowed, what it made is narrowed with it; what is widened leaves that alone.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.deliveries.webhook_secrets import read_dates
from relay.desk.errors import (
    Busy,
    NoSuch,
    NotPossible,
    Unusable,
    WebhookSecretKept,
    WebhookSecretSigns,
)
from relay.desk.gates import GateChanges, set_gates
from relay.desk.tenants import issue_webhook_secret
from relay.desk.tokens import IssuedToken, change_token, issue_token, revoke_token, rotate_token
from relay.errors import InvalidParameter, TokenNotFound, Unavailable
from relay.kling.catalogue import Catalogue
from relay.moments import MS_MAX, moment_of, ms_of
from relay.proxy.asked import Asked, name_now, read_body, refuse_sent_before, tenant_actor
from relay.secrets import KeyRing
from relay.tasks.queue.wait import read_wait
from relay.tenants.caller import Caller
from relay.tenants.read import find_token, read_tokens
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token

ID_DIGITS_MAX = 18


class _New(msgspec.Struct, forbid_unknown_fields=True):
    scope: Scope = Scope.CALL
    groups: list[str] | None = None
    queue: str | None = None
    test: bool = False
    name: str | None = None
    expires_at: int | None = None
    """Milliseconds; left out, this and the next three are as of the key that makes it."""
    addresses: list[str] | None = None
    endpoints: list[str] | None = None
    models: list[str] | None = None

    def gates(self, catalogue: Catalogue) -> GateChanges:
        """Say until when, from where and for what it is let in.

        Raises:
            InvalidParameter: there is no such moment, or no such endpoint.
        """
        _check_endpoints(self.endpoints or (), catalogue)
        given: dict[str, Any] = {
            name: getattr(self, name) for name in ("addresses", "endpoints", "models")
        }
        if self.expires_at is not None:
            given["expires_at"] = _moment(self.expires_at, "expires_at")
        return GateChanges(**{name: it for name, it in given.items() if it is not None})


class _Changed(msgspec.Struct, forbid_unknown_fields=True):
    """What is not named stays as it is; null is no bound of its own."""

    scope: Scope | msgspec.UnsetType = msgspec.UNSET
    groups: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    queue: str | msgspec.UnsetType | None = msgspec.UNSET
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: int | msgspec.UnsetType | None = msgspec.UNSET
    """Milliseconds."""
    addresses: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    endpoints: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    models: list[str] | msgspec.UnsetType | None = msgspec.UNSET

    def gates(self, catalogue: Catalogue) -> GateChanges:
        """Say until when, from where and for what it is to be let in.

        Raises:
            InvalidParameter: there is no such moment, or no such endpoint.
        """
        _check_endpoints(self.endpoints or (), catalogue)
        given = {name: getattr(self, name) for name in ("addresses", "endpoints", "models")}
        at = self.expires_at
        given["expires_at"] = _moment(at, "expires_at") if isinstance(at, int) else at
        return GateChanges(**given)

    def wait_s(self) -> int | msgspec.UnsetType | None:
        """Say for how long creates with it wait.

        Raises:
            InvalidParameter: it is no such time.
        """
        return _wait_s(self.queue) if isinstance(self.queue, str) else self.queue


class _Rotated(msgspec.Struct, forbid_unknown_fields=True):
    keep_hours: int = 24
    access_key: str | msgspec.UnsetType | None = msgspec.UNSET
    """As it is now: with it, asked twice, nothing is done the second time."""


class _Revoked(msgspec.Struct, forbid_unknown_fields=True):
    leaked: bool = False


class _Secret(msgspec.Struct, forbid_unknown_fields=True):
    rotate: bool = False
    issued_at: int | None = None
    """Of the one that is to be replaced, milliseconds: with it, asked twice, nothing is done the
    second time. Needed while one before it still signs, which ends then."""


class OwnTokens:
    """Answers a tenant about its keys, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, keys: KeyRing, catalogue: Catalogue) -> None:
        self._sessions = sessions
        self._keys = keys
        self._catalogue = catalogue

    async def list(
        self, caller: Caller, asked: Asked, *, tenant_id: int | None = None
    ) -> list[dict[str, Any]]:
        """List those of the caller's tenant, or of a sub-tenant of it."""
        _ = asked
        async with self._sessions() as session:
            whose = await session.get_one(Tenant, tenant_id or caller.tenant_id)
            found = [row for row, _ in await read_tokens(session, whose)]
            known = await known_makers(session, caller)
            return [_shown(row, known) for row in found]

    async def issue(
        self, caller: Caller, asked: Asked, *, tenant_id: int | None = None
    ) -> dict[str, Any]:
        """Make one, or one of a sub-tenant; its secrets are in this answer alone.

        Raises:
            InvalidParameter: nothing was made.
            SentBefore: a form of the portal's made it before.
        """
        wanted = read_body(asked.body, _New)
        queue_s = None if wanted.queue is None else _wait_s(wanted.queue)
        gates = wanted.gates(self._catalogue)
        actor = tenant_actor(caller, asked)
        async with self._sessions.begin() as session:
            await refuse_sent_before(session, caller, asked)
            name = await name_now(session, tenant_id or caller.tenant_id)
            try:
                issued = await issue_token(
                    *(session, actor, name, self._keys),
                    groups=wanted.groups,
                    is_test=wanted.test,
                    queue_s=queue_s,
                    scope=wanted.scope,
                    made_by_id=caller.token_id,
                )
                if wanted.name is not None:
                    await change_token(session, actor, issued.id, name=wanted.name)
                if gates != GateChanges():
                    by_id = caller.token_id
                    await set_gates(session, actor, gates, token_id=issued.id, by_id=by_id)
            except Unusable as error:
                field = _field(error, "groups")
                raise InvalidParameter(field, f"{error}; nothing was made") from error
            except (NoSuch, NotPossible) as error:
                raise InvalidParameter("scope", f"{error}; nothing was made") from error
            except Busy as error:
                raise Unavailable from error
        return _issued(issued)

    async def change(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Change what one may that came of the caller's key, never to more than that has itself.

        What came of it is narrowed with it: `narrowed` has these keys.

        Raises:
            InvalidParameter: nothing was changed.
            TokenNotFound: not one of this tenant's.
        """
        wanted = read_body(asked.body, _Changed)
        gates, queue_s = wanted.gates(self._catalogue), wanted.wait_s()
        actor, by_id = tenant_actor(caller, asked), caller.token_id
        async with self._sessions.begin() as session:
            token_id = await own_token(session, caller, asked.key)
            try:
                narrowed = await change_token(
                    *(session, actor, token_id),
                    queue_s=queue_s,
                    name=wanted.name,
                    groups=wanted.groups,
                    scope=wanted.scope,
                    by_id=by_id,
                )
                if gates != GateChanges():
                    narrowed |= await set_gates(
                        session, actor, gates, token_id=token_id, by_id=by_id
                    )
            except (Unusable, NotPossible) as error:
                field = _field(error, "id")
                raise InvalidParameter(field, f"{error}; nothing was changed") from error
            except Busy as error:
                raise Unavailable from error
            row = await session.get_one(Token, token_id, populate_existing=True)
            return _shown(row, await known_makers(session, caller)) | {
                "narrowed": list(narrowed.tokens)
            }

    async def rotate(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Give one new keys, in this answer alone; the old ones are taken a while longer.

        Raises:
            InvalidParameter: nothing was changed.
            TokenNotFound: not one of this tenant's.
        """
        wanted = read_body(asked.body, _Rotated)
        async with self._sessions.begin() as session:
            token_id = await own_token(session, caller, asked.key)
            try:
                issued = await rotate_token(
                    *(session, tenant_actor(caller, asked), token_id, self._keys),
                    keep_s=wanted.keep_hours * 3600,
                    by_id=caller.token_id,
                    was=wanted.access_key,
                )
            except (Unusable, NotPossible) as error:
                field = _field(error, "id")
                raise InvalidParameter(field, f"{error}; nothing was changed") from error
            except Busy as error:
                raise Unavailable from error
        return _issued(issued)

    async def revoke(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """End one for good, with those that it made; again is no error.

        Raises:
            TokenNotFound: not one of this tenant's.
        """
        wanted = read_body(asked.body, _Revoked)
        actor = tenant_actor(caller, asked)
        async with self._sessions.begin() as session:
            token_id = await own_token(session, caller, asked.key)
            try:
                row, _ = await revoke_token(session, actor, token_id, is_leaked=wanted.leaked)
            except Busy as error:
                raise Unavailable from error
            await session.refresh(row)
            return _shown(row, await known_makers(session, caller))

    async def secret(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Say since when callbacks are signed; the secret itself is told once, when it is made."""
        _ = asked
        async with self._sessions() as session:
            issued_at, until = await read_dates(session, caller.tenant_id)
        return {"issued_at": _ms(issued_at), "replaced_signs_until": _ms(until)}

    async def issue_secret(
        self, caller: Caller, asked: Asked, *, tenant_id: int | None = None
    ) -> dict[str, Any]:
        """Make the secret that signs callbacks; it is in this answer alone.

        Raises:
            InvalidParameter: there is one, and `rotate` does not say that it is to be replaced, or
                `issued_at` not which one.
        """
        wanted = read_body(asked.body, _Secret)
        async with self._sessions.begin() as session:
            name = await name_now(session, tenant_id or caller.tenant_id)
            try:
                issued = await issue_webhook_secret(
                    *(session, tenant_actor(caller, asked), name, self._keys),
                    may_rotate=wanted.rotate,
                    was=None if wanted.issued_at is None else _moment(wanted.issued_at),
                )
            except WebhookSecretKept as error:
                raise InvalidParameter(
                    "rotate",
                    "must be true to replace the secret that there is; the old one then signs"
                    " beside it for 7 days",
                ) from error
            except WebhookSecretSigns as error:
                raise InvalidParameter("issued_at", _which(error)) from error
            except Busy as error:
                raise Unavailable from error
        return {"secret": issued.secret, "replaced_signs_until": _ms(issued.replaced_signs_until)}


async def own_token(session: AsyncSession, caller: Caller, key: str) -> int:
    """Find a key of the tenant's, or of its sub-tenants', by what a path names.

    Raises:
        TokenNotFound: none of theirs.
    """
    is_number = key.isascii() and key.isdigit() and len(key) <= ID_DIGITS_MAX
    found = await find_token(session, int(key)) if is_number else None
    if found is None:
        raise TokenNotFound
    whose = await session.get_one(Tenant, found[0].tenant_id)
    if caller.tenant_id not in (whose.id, whose.parent_id):
        raise TokenNotFound
    return found[0].id


def _check_endpoints(names: Iterable[str], catalogue: Catalogue) -> None:
    for name in names:
        if name not in catalogue.names:
            raise InvalidParameter("endpoints", f"there is no endpoint '{name}'")


def _wait_s(queue: str) -> int:
    try:
        return read_wait(queue)
    except ValueError as error:
        raise InvalidParameter("queue", str(error)) from error


def _moment(ms: int, field: str = "issued_at") -> datetime:
    if not 0 <= ms <= MS_MAX:
        raise InvalidParameter(field, "must be a moment in milliseconds")
    return moment_of(ms)


def _which(error: WebhookSecretSigns) -> str:
    if error.until is None:
        return "is not of the secret that is in force: it was replaced meanwhile"
    return (
        "must be that of the secret in force, as `GET /relay/webhook-secret` says it: a former one"
        f" still signs, until {ms_of(error.until)}, and would end now"
    )


def _field(error: Unusable | NotPossible, otherwise: str) -> str:
    return (error.field if isinstance(error, Unusable) else "") or otherwise


def _issued(issued: IssuedToken) -> dict[str, Any]:
    shown = msgspec.structs.asdict(issued)
    del shown["tenant"]
    return shown


async def known_makers(session: AsyncSession, caller: Caller) -> set[int] | None:
    """Tell which keys may be named: to a sub-tenant its own alone; None is all that it sees."""
    if caller.parent_id is None:
        return None
    whose = await session.get_one(Tenant, caller.tenant_id)
    return {row.id for row, _ in await read_tokens(session, whose)}


def _shown(row: Token, known: set[int] | None) -> dict[str, Any]:
    is_told = known is None or row.made_by_id in known
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "access_key": row.access_key,
        "api_key_hint": row.api_key_hint,
        "groups": row.groups,
        "is_test": row.is_test,
        "queue_s": row.queue_s,
        "made_by": row.made_by_id if is_told else None,
        "set_by_provider": row.operator_set or [],
        "expires_at": _ms(row.expires_at),
        "addresses": row.addresses,
        "endpoints": row.endpoints,
        "models": row.models,
        "old_keys_until": _ms(row.former_until),
        "created_at": ms_of(row.created_at),
        "revoked_at": _ms(row.revoked_at),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
