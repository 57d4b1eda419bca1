"""Tenants' tokens."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, IfMatch, of_version
from relay.admin.bodies import (
    Count,
    Cursor,
    Like,
    Limit,
    Name,
    PathId,
    PathName,
    read_cursor,
    refuse_naive,
    tenant_of,
)
from relay.admin.bounding import GatePatch, LimitsPatch, allowed_of, gates_of
from relay.admin.lists import Listing, answer_list, cut
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.find import tenant_named, token_numbered
from relay.desk.gates import GateChanges, set_gates
from relay.desk.limits import set_limits
from relay.desk.office import Office
from relay.desk.shown import ShownToken, shown_token
from relay.desk.tokens import (
    DAY_S,
    KEEP_MAX_S,
    IssuedToken,
    change_token,
    issue_token,
    revoke_token,
    rotate_token,
)
from relay.tasks.live import read_held
from relay.tasks.token_report import TokenReport, read_token_report
from relay.tenants.read import TokenFilter, list_tokens
from relay.tenants.scope import Scope
from relay.tenants.tables import Token


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    api_key: str | None = None
    """One that the tenant has already, so that it keeps it."""
    groups: list[Name] | None = None
    """Of channels that serve it; null is as its tenant."""
    scope: Scope = Scope.CALL
    """What it may be used for: Kling's paths, looking at all that its tenant has, or both and its
    tenant's tokens and secrets."""
    is_test: bool = False
    """Its tasks run on sandboxes, and are free."""
    queue_s: Count | None = None
    """For how many seconds its creates wait for room; 0 is not at all, null is as its tenant's."""
    name: Name | None = None
    """What people call it."""
    gate: GatePatch = GatePatch()
    """Until when, from where and for what it is taken."""
    limits: LimitsPatch = LimitsPatch()


class TokenPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not named stays as it is; null is nothing, of waits and groups as its tenant's."""

    queue_s: Count | UnsetType | None = UNSET
    name: Name | UnsetType | None = UNSET
    groups: list[Name] | UnsetType | None = UNSET


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keep_s: Annotated[int, msgspec.Meta(ge=0, le=KEEP_MAX_S)] = DAY_S
    """For how long the old keys are taken beside the new ones; 0 ends them now."""


class RevokedToken(msgspec.Struct, frozen=True):
    token: ShownToken
    was_live: bool
    """False if it was revoked before."""
    live_tasks: int
    """Made with it, which go on."""
    held_micros: int


class TokenPage(msgspec.Struct, frozen=True):
    tokens: list[ShownToken]
    next_cursor: str | None


class Tokens(Controller):
    path = "/admin/v1"
    tags = ("Tokens",)

    @get("/tokens", **reads("token.read", 404, streams=True))
    async def list_tokens(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        wanted_scope: Annotated[Scope | None, QueryParameter(name="scope")] = None,
        live: FromQuery[bool | None] = None,
        like: Like = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[TokenPage]:
        """List tokens, of one tenant or of all, newest first, without their secrets.

        `live`: neither revoked nor expired. `like`: a part of the name, or how the access key
        begins.
        """
        async with office.reading() as session:
            wanted = TokenFilter(
                tenant_id=None if tenant is None else (await tenant_named(session, tenant)).id,
                scope=wanted_scope,
                is_live=live,
                like=like,
            )

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ShownToken], int | None]:
            asked = msgspec.structs.replace(wanted, before_id=before_id)
            found = await list_tokens(session, asked, limit=most + 1)
            return cut([shown_token(row, name) for row, name in found], most)

        return await answer_list(
            *(office, listing, read, ShownToken),
            page=TokenPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/tokens/{token_id:int}", **reads("token.read", 404))
    async def show(self, office: NamedDependency[Office], token_id: PathId) -> Response[ShownToken]:
        """Show a token, without its secrets."""
        async with office.reading() as session:
            return of_version(await _shown(session, token_id))

    @get("/tokens/{token_id:int}/report", **reads("token.read", 404))
    async def report(
        self, office: NamedDependency[Office], token_id: PathId, *, since: FromQuery[datetime]
    ) -> TokenReport:
        """Show what was made with a token: tasks, money, from where, and where callbacks go."""
        refuse_naive(since=since)
        async with office.reading() as session:
            await _shown(session, token_id)
            return await read_token_report(session, token_id, since=since)

    @post("/tenants/{tenant:str}/tokens", **acts("token.issue", 404))
    async def issue(
        self, desk: NamedDependency[AtDesk], tenant: PathName, data: JSONBody[NewToken]
    ) -> Response[IssuedToken]:
        """Make an access key with its secret key, and an API key; shown this once."""
        gates, allowed = gates_of(data.gate, desk.office), allowed_of(data.limits)
        zone = desk.settings.zone

        async def work(session: AsyncSession, actor: Actor) -> IssuedToken:
            issued = await issue_token(
                *(session, actor, await tenant_of(session, tenant), desk.keys),
                api_key=data.api_key,
                groups=data.groups,
                is_test=data.is_test,
                queue_s=data.queue_s,
                scope=data.scope,
            )
            if data.name is not None:
                await change_token(session, actor, issued.id, name=data.name)
            if gates != GateChanges():
                await set_gates(session, actor, gates, token_id=issued.id)
            if allowed:
                await set_limits(session, actor, allowed, token_id=issued.id, zone=zone)
            return issued

        return await desk.act(work, status=201)

    @patch("/tokens/{token_id:int}", **acts("token.change", 404, 412))
    async def change(
        self,
        desk: NamedDependency[AtDesk],
        token_id: PathId,
        data: JSONBody[TokenPatch],
        if_match: IfMatch = None,
    ) -> Response[ShownToken]:
        """Change a token; creates go by it within 2 seconds."""

        async def work(session: AsyncSession, actor: Actor) -> ShownToken:
            await desk.refuse_stale(
                *(session, "token.change", if_match), lambda s: locked_token(s, token_id)
            )
            await change_token(
                *(session, actor, token_id),
                queue_s=data.queue_s,
                name=data.name,
                groups=data.groups,
            )
            return await _shown(session, token_id)

        return await desk.act(work)

    @post("/tokens/{token_id:int}/rotate", **acts("token.rotate", 404))
    async def rotate(
        self, desk: NamedDependency[AtDesk], token_id: PathId, data: JSONBody[Rotation]
    ) -> Response[IssuedToken]:
        """Give a token new keys, shown this once; it stays the same token otherwise."""

        async def work(session: AsyncSession, actor: Actor) -> IssuedToken:
            return await rotate_token(session, actor, token_id, desk.keys, keep_s=data.keep_s)

        return await desk.act(work, status=201)

    @delete("/tokens/{token_id:int}", **acts("token.revoke", 404), status_code=200)
    async def revoke(
        self, desk: NamedDependency[AtDesk], token_id: PathId, *, leaked: FromQuery[bool] = False
    ) -> Response[RevokedToken]:
        """End a token for good, within 2 seconds; `leaked`: others have it, which is noted."""

        async def work(session: AsyncSession, actor: Actor) -> RevokedToken:
            _, was_live = await revoke_token(session, actor, token_id, is_leaked=leaked)
            live, held_micros = await read_held(session, token_id=token_id)
            return RevokedToken(await _shown(session, token_id), was_live, live, held_micros)

        return await desk.act(work)


async def locked_token(session: AsyncSession, token_id: int) -> ShownToken:
    """Show a token as it stays until the commit."""
    await session.get(Token, token_id, with_for_update={"key_share": True})
    return await _shown(session, token_id)


async def _shown(session: AsyncSession, token_id: int) -> ShownToken:
    return shown_token(*await token_numbered(session, token_id))
