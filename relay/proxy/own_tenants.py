"""A tenant's own tenants, under `/relay/tenants`, for keys of scope `manage`.

    GET  /relay/tenants                           those below it
    POST /relay/tenants                           {"name": "eu", "factor": "1.3", "limits": {…}}
    POST /relay/tenants/{name}                    {"factor": "1.4", "enabled": true, "limits": {…}}
    POST /relay/tenants/{name}/close
    GET  /relay/tenants/{name}/tokens
    POST /relay/tenants/{name}/tokens             as /relay/tokens
    POST /relay/tenants/{name}/webhook-secret     as /relay/webhook-secret

What a key opens is bounded as that key is, and shut out when it is revoked, as the keys that it
makes are. Another tenant's does not exist.
"""

from datetime import tzinfo
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.desk.errors import Busy, InUse, NameTaken, NotPossible, Unusable
from relay.desk.limits import set_limits
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tenants import TenantChanges, change_tenant, remove_tenant
from relay.errors import InvalidParameter, Unavailable, Withheld
from relay.limits.read import LimitSeen, read_limits
from relay.moments import ms_of
from relay.money import plain
from relay.proxy.asked import Asked, name_now, read_body, tenant_actor
from relay.proxy.own_limits import SETS_PER_S, Allowed, shown_limit
from relay.proxy.own_tokens import OwnTokens
from relay.tasks.free_calls import Pace
from relay.tenants.caller import Caller
from relay.tenants.read import SLASH, own_name, read_sub_tenants
from relay.tenants.tables import Tenant

AS_ITS_PARENT = Decimal(1)


class _New(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    factor: Decimal = AS_ITS_PARENT
    limits: Allowed | UnsetType = UNSET


class _Changed(msgspec.Struct, forbid_unknown_fields=True):
    factor: Decimal | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    limits: Allowed | UnsetType = UNSET


class OwnTenants:
    """Answers a tenant about those below it, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, tokens: OwnTokens, *, zone: tzinfo) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._zone = zone
        self._pace = Pace(SETS_PER_S)

    async def list(self, caller: Caller, asked: Asked) -> list[dict[str, Any]]:
        _ = asked
        async with self._sessions() as session:
            found = await read_sub_tenants(session, caller.tenant_id)
            limits = await read_limits(session, tenant_ids=[one.id for one in found])
        return [_shown(row, limits) for row in found]

    async def open(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Open one below the caller.

        Raises:
            InvalidParameter: nothing was opened.
            Withheld: the caller is below another one itself.
        """
        if caller.parent_id is not None:
            raise Withheld("no tenants can be opened here")
        wanted = read_body(asked.body, _New)
        actor = tenant_actor(caller, asked)
        async with self._sessions.begin() as session:
            name = await name_now(session, caller.tenant_id)
            try:
                row = await open_sub_tenant(
                    *(session, actor, name, wanted.name),
                    resale=wanted.factor,
                    made_by_id=caller.token_id,
                )
            except NameTaken as error:
                raise InvalidParameter(
                    "name", "there is one already; nothing was opened"
                ) from error
            except (Unusable, NotPossible) as error:
                raise InvalidParameter(
                    (error.field if isinstance(error, Unusable) else "") or "name",
                    f"{error}; nothing was opened",
                ) from error
            except Busy as error:
                raise Unavailable from error
            return await self._limited(session, caller, asked, row, wanted.limits)

    async def change(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Change one; what is not named stays, and what was sold stays sold at what it was.

        Raises:
            InvalidParameter: nothing was changed, or it is none of the caller's.
        """
        wanted = read_body(asked.body, _Changed)
        changes = TenantChanges(resale=wanted.factor, enabled=wanted.enabled)
        async with self._sessions.begin() as session:
            row = await _own(session, caller, asked.key)
            try:
                await change_tenant(session, tenant_actor(caller, asked), row.name, changes)
            except Unusable as error:
                raise InvalidParameter(
                    error.field or "factor", f"{error}; nothing was changed"
                ) from error
            except NotPossible as error:
                raise InvalidParameter("enabled", f"{error.why}; nothing was changed") from error
            except Busy as error:
                raise Unavailable from error
            return await self._limited(session, caller, asked, row, wanted.limits)

    async def close(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Shut one out for good, with its keys.

        Raises:
            InvalidParameter: something of it has not ended, or it is none of the caller's.
        """
        async with self._sessions.begin() as session:
            row = await _own(session, caller, asked.key)
            try:
                await remove_tenant(session, tenant_actor(caller, asked), row.name)
            except InUse as error:
                raise InvalidParameter(
                    "name",
                    f"{error.tasks} of its tasks have not ended, and {error.deliveries} callbacks"
                    " are still to be made: disable it first, and close it then",
                ) from error
            except Busy as error:
                raise Unavailable from error
            return {"name": asked.key, "is_closed": True}

    async def tokens(self, caller: Caller, asked: Asked) -> Any:
        return await self._tokens.list(caller, asked, tenant_id=await self._id(caller, asked))

    async def issue(self, caller: Caller, asked: Asked) -> Any:
        return await self._tokens.issue(caller, asked, tenant_id=await self._id(caller, asked))

    async def issue_secret(self, caller: Caller, asked: Asked) -> Any:
        tenant_id = await self._id(caller, asked)
        return await self._tokens.issue_secret(caller, asked, tenant_id=tenant_id)

    async def _id(self, caller: Caller, asked: Asked) -> int:
        async with self._sessions() as session:
            return (await _own(session, caller, asked.key)).id

    async def _limited(
        self,
        session: AsyncSession,
        caller: Caller,
        asked: Asked,
        row: Tenant,
        limits: Allowed | UnsetType,
    ) -> dict[str, Any]:
        """Set its limits, and show it.

        Raises:
            InvalidParameter, TooManyCalls, Unavailable: the caller rolls back.
        """
        if limits is not UNSET and (allowed := limits.by_kind()):
            self._pace.take(caller.tenant_id)
            try:
                await set_limits(
                    *(session, tenant_actor(caller, asked), allowed),
                    tenant=row.name,
                    by_id=caller.token_id,
                    zone=self._zone,
                )
            except (Unusable, NotPossible) as error:
                raise InvalidParameter("limits", f"{error}; nothing was changed") from error
            except Busy as error:
                raise Unavailable from error
        await session.flush()
        return _shown(row, await read_limits(session, tenant_ids=[row.id]))


async def _own(session: AsyncSession, caller: Caller, key: str) -> Tenant:
    """Find one of the caller's by what the caller calls it, or raise InvalidParameter.

    It is called so until the commit.
    """
    query = select(Tenant).with_for_update(read=True, key_share=True)
    query = query.where(
        Tenant.parent_id == caller.tenant_id,
        Tenant.removed_at.is_(None),
        Tenant.name.endswith(f"{SLASH}{key}", autoescape=True),
    )
    found = await session.scalar(query)
    if found is None or own_name(found.name) != key:
        raise InvalidParameter("name", "there is no such tenant")
    return found


def _shown(row: Tenant, limits: list[LimitSeen]) -> dict[str, Any]:
    assert row.resale is not None, "it is below another one"
    return {
        "name": own_name(row.name),
        "factor": plain(row.resale),
        "enabled": row.enabled,
        "opened_by": row.made_by_id,
        "limits": [
            shown_limit(one) for one in limits if one.tenant_id == row.id and one.token_id is None
        ],
        "created_at": ms_of(row.created_at),
    }
