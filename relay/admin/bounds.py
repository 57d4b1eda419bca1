"""What bounds tenants and their tokens: limits, a raise of one, and what they are let in for."""

import msgspec
from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, IfMatch
from relay.admin.bodies import (
    Cursor,
    Limit,
    Micros,
    Moment,
    PathId,
    PathName,
    QueryId,
    Words,
    read_cursor,
    tenant_of,
)
from relay.admin.bounding import GatePatch, LimitsPatch, allowed_of, gates_of
from relay.admin.lists import Listing, answer_list, cut
from relay.admin.routes import acts, reads
from relay.admin.tenants import locked_tenant
from relay.admin.tokens import locked_token
from relay.desk.actor import Actor
from relay.desk.find import tenant_named, token_numbered
from relay.desk.gates import set_gates
from relay.desk.limits import raise_limit, set_limits
from relay.desk.office import Office
from relay.desk.shown import (
    ShownTenant,
    ShownToken,
    read_shown_tenant,
    shown_token,
)
from relay.desk.shown_limits import ShownLimit, read_shown_limits, show_limits
from relay.limits.read import list_limits
from relay.limits.tables import LimitKind


class Raise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allowed: Micros | None
    """Micros, tasks, or creates a second; null ends a raise now."""
    until: Moment | None = None
    """When it is over, and the limit what it was."""
    reason: Words | None = None


class LimitList(msgspec.Struct, frozen=True):
    limits: list[ShownLimit]


class LimitPage(msgspec.Struct, frozen=True):
    limits: list[ShownLimit]
    next_cursor: str | None


class Bounds(Controller):
    path = "/admin/v1"
    tags = ("Limits",)

    @get("/limits", **reads("tenant.read", 404, streams=True))
    async def list_limits(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        token: QueryId = None,
        kind: FromQuery[LimitKind | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[LimitPage]:
        """List limits with what is taken of them: all, a tenant's with its tokens', or a token's.

        `allowed` and what is counted are micros, but for `in_flight` and `rate`.
        """
        async with office.reading() as session:
            whose = None if tenant is None else (await tenant_named(session, tenant)).id

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ShownLimit], int | None]:
            found = await list_limits(
                session,
                tenant_id=whose,
                token_id=token,
                kind=kind,
                before_id=before_id,
                limit=most + 1,
            )
            return cut(await show_limits(session, found), most)

        return await answer_list(
            *(office, listing, read, ShownLimit),
            page=LimitPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @patch("/tenants/{tenant:str}/limits", **acts("limit.set", 404))
    async def limit_tenant(
        self, desk: NamedDependency[AtDesk], tenant: PathName, data: JSONBody[LimitsPatch]
    ) -> Response[LimitList]:
        """Set limits of all that a tenant does, or take them away; the running window counts."""

        async def work(session: AsyncSession, actor: Actor) -> LimitList:
            name, zone = await tenant_of(session, tenant), desk.settings.zone
            await set_limits(session, actor, allowed_of(data), tenant=name, zone=zone)
            return LimitList(await read_shown_limits(session, name))

        return await desk.act(work)

    @patch("/tokens/{token_id:int}/limits", **acts("limit.set", 404))
    async def limit_token(
        self, desk: NamedDependency[AtDesk], token_id: PathId, data: JSONBody[LimitsPatch]
    ) -> Response[LimitList]:
        """Set limits of one token, or take them away; it is under its tenant's, too."""

        async def work(session: AsyncSession, actor: Actor) -> LimitList:
            zone = desk.settings.zone
            await set_limits(session, actor, allowed_of(data), token_id=token_id, zone=zone)
            return LimitList(await read_shown_limits(session, token_id=token_id))

        return await desk.act(work)

    @post("/tenants/{tenant:str}/limits/{kind:str}/raise", **acts("limit.raise", 404))
    async def raise_of_tenant(
        self,
        desk: NamedDependency[AtDesk],
        tenant: PathName,
        kind: FromPath[LimitKind],
        data: JSONBody[Raise],
    ) -> Response[LimitList]:
        """Let one limit of a tenant allow more until a moment; then it is what it was by itself."""

        async def work(session: AsyncSession, actor: Actor) -> LimitList:
            name = await tenant_of(session, tenant)
            await raise_limit(
                *(session, actor, kind, data.allowed),
                until=data.until,
                reason=data.reason,
                tenant=name,
            )
            return LimitList(await read_shown_limits(session, name))

        return await desk.act(work, status=201)

    @post("/tokens/{token_id:int}/limits/{kind:str}/raise", **acts("limit.raise", 404))
    async def raise_of_token(
        self,
        desk: NamedDependency[AtDesk],
        token_id: PathId,
        kind: FromPath[LimitKind],
        data: JSONBody[Raise],
    ) -> Response[LimitList]:
        """Let one limit of a token allow more until a moment; then it is what it was by itself."""

        async def work(session: AsyncSession, actor: Actor) -> LimitList:
            await raise_limit(
                *(session, actor, kind, data.allowed),
                until=data.until,
                reason=data.reason,
                token_id=token_id,
            )
            return LimitList(await read_shown_limits(session, token_id=token_id))

        return await desk.act(work, status=201)

    @patch("/tenants/{tenant:str}/gate", **acts("gate.set", 404, 412))
    async def let_tenant_in(
        self,
        desk: NamedDependency[AtDesk],
        tenant: PathName,
        data: JSONBody[GatePatch],
        if_match: IfMatch = None,
    ) -> Response[ShownTenant]:
        """Say until when, from where and for what a tenant is let in, with all its tokens."""
        changes, settings = gates_of(data, desk.office), desk.settings

        async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
            name = await tenant_of(session, tenant)
            await desk.refuse_stale(
                *(session, "gate.set", if_match), lambda s: locked_tenant(s, desk.office, name)
            )
            await set_gates(session, actor, changes, tenant=name)
            return await read_shown_tenant(
                session, name, zone=settings.zone, currency=settings.currency
            )

        return await desk.act(work)

    @patch("/tokens/{token_id:int}/gate", **acts("gate.set", 404, 412))
    async def let_token_in(
        self,
        desk: NamedDependency[AtDesk],
        token_id: PathId,
        data: JSONBody[GatePatch],
        if_match: IfMatch = None,
    ) -> Response[ShownToken]:
        """Say until when, from where and for what a token is taken; within 2 seconds."""
        changes = gates_of(data, desk.office)

        async def work(session: AsyncSession, actor: Actor) -> ShownToken:
            await desk.refuse_stale(
                *(session, "gate.set", if_match), lambda s: locked_token(s, token_id)
            )
            await set_gates(session, actor, changes, token_id=token_id)
            return shown_token(*await token_numbered(session, token_id))

        return await desk.act(work)
