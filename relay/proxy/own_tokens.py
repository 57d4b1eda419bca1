"""A tenant's own keys and its webhook secret, under `/relay/`, for keys of scope `manage`.

    GET  /relay/tokens                  all of the tenant's, without secrets
    POST /relay/tokens                  {"scope": "call", "groups": ["eu"], "queue": "5m"}
    POST /relay/tokens/{id}/revoke      {"leaked": false}
    POST /relay/webhook-secret          {"rotate": false}

A key that makes another one gives it nothing that it has not itself, and takes it along when it is
revoked: who finds a key cannot outlive it by one of his own.
"""

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.desk.errors import Busy, NoSuch, NotPossible, Unusable, WebhookSecretKept
from relay.desk.find import tenant_to_act_on
from relay.desk.tenants import issue_webhook_secret
from relay.desk.tokens import issue_token, revoke_token
from relay.errors import InvalidParameter, TokenNotFound, Unavailable
from relay.moments import ms_of
from relay.proxy.asked import Asked, tenant_actor
from relay.secrets import KeyRing
from relay.tasks.queue.wait import read_wait
from relay.tenants.caller import Caller
from relay.tenants.read import find_token, read_tokens
from relay.tenants.scope import Scope
from relay.tenants.tables import Token

ID_DIGITS_MAX = 18


class _New(msgspec.Struct, forbid_unknown_fields=True):
    scope: Scope = Scope.CALL
    groups: list[str] | None = None
    queue: str | None = None
    test: bool = False


class _Revoked(msgspec.Struct, forbid_unknown_fields=True):
    leaked: bool = False


class _Secret(msgspec.Struct, forbid_unknown_fields=True):
    rotate: bool = False


Body = TypeVar("Body")


class OwnTokens:
    """Answers a tenant about its keys, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, keys: KeyRing) -> None:
        self._sessions = sessions
        self._keys = keys

    async def list(self, caller: Caller, asked: Asked) -> list[dict[str, Any]]:
        _ = asked
        async with self._sessions() as session:
            tenant = await tenant_to_act_on(session, caller.tenant)
            return [_shown(row) for row, _ in await read_tokens(session, tenant)]

    async def issue(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Make one; its secrets are in this answer alone.

        Raises:
            InvalidParameter: nothing was made.
        """
        wanted = _read(asked.body, _New)
        try:
            queue_s = None if wanted.queue is None else read_wait(wanted.queue)
        except ValueError as error:
            raise InvalidParameter("queue", str(error)) from error
        async with self._sessions.begin() as session:
            try:
                issued = await issue_token(
                    *(session, tenant_actor(caller, asked), caller.tenant, self._keys),
                    groups=wanted.groups,
                    is_test=wanted.test,
                    queue_s=queue_s,
                    scope=wanted.scope,
                    made_by_id=caller.token_id,
                )
            except Unusable as error:
                raise InvalidParameter("groups", f"{error}; nothing was made") from error
            except (NoSuch, NotPossible) as error:
                raise InvalidParameter("scope", f"{error}; nothing was made") from error
            except Busy as error:
                raise Unavailable from error
        made = msgspec.structs.asdict(issued)
        del made["tenant"]
        return made

    async def revoke(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """End one for good, with those that it made; again is no error.

        Raises:
            TokenNotFound: not one of this tenant's.
        """
        wanted = _read(asked.body, _Revoked)
        actor = tenant_actor(caller, asked)
        async with self._sessions.begin() as session:
            token_id = await _own_token(session, caller, asked.key)
            try:
                row, _ = await revoke_token(session, actor, token_id, is_leaked=wanted.leaked)
            except Busy as error:
                raise Unavailable from error
            await session.refresh(row)
            return _shown(row)

    async def issue_secret(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Make the secret that signs callbacks; it is in this answer alone.

        Raises:
            InvalidParameter: there is one, and `rotate` does not say that it is to be replaced.
        """
        wanted = _read(asked.body, _Secret)
        async with self._sessions.begin() as session:
            try:
                issued = await issue_webhook_secret(
                    *(session, tenant_actor(caller, asked), caller.tenant, self._keys),
                    may_rotate=wanted.rotate,
                )
            except WebhookSecretKept as error:
                raise InvalidParameter(
                    "rotate",
                    "must be true to replace the secret that there is; the old one then signs"
                    " beside it for 7 days",
                ) from error
            except Busy as error:
                raise Unavailable from error
        return {"secret": issued.secret, "replaced_signs_until": _ms(issued.replaced_signs_until)}


async def _own_token(session: AsyncSession, caller: Caller, key: str) -> int:
    is_number = key.isascii() and key.isdigit() and len(key) <= ID_DIGITS_MAX
    found = await find_token(session, int(key)) if is_number else None
    if found is None or found[0].tenant_id != caller.tenant_id:
        raise TokenNotFound
    return found[0].id


def _read(body: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        field = where.strip("`$.[…]") or "body"
        raise InvalidParameter(field, what.rstrip(".").lower()) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter("body", "must be a JSON object") from error


def _shown(row: Token) -> dict[str, Any]:
    return {
        "id": row.id,
        "scope": row.scope,
        "access_key": row.access_key,
        "api_key_hint": row.api_key_hint,
        "groups": row.groups,
        "is_test": row.is_test,
        "queue_s": row.queue_s,
        "made_by": row.made_by_id,
        "created_at": ms_of(row.created_at),
        "revoked_at": _ms(row.revoked_at),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
