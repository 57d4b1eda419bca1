"""Who of a tenant is let into the portal: links into it, and browsers that are in."""

from datetime import datetime

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import PathName, tenant_of
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.find import tenant_named
from relay.desk.office import Office
from relay.desk.portal import end_sessions_of, link_tenant, portal_link
from relay.logins.portal import OpenPortalSession, read_portal_sessions


class NewPortalLink(msgspec.Struct, frozen=True):
    """Shown this once."""

    link: str
    """For a browser; it works where the portal is switched on."""
    token_id: int
    """The tenant's token that whoever enters by it acts with."""
    expires_at: datetime


class EndedSessions(msgspec.Struct, frozen=True):
    sessions_ended: int


class PortalOfTenants(Controller):
    path = "/admin/v1/tenants"
    tags = ("Tenants",)

    @post("/{tenant:str}/portal-links", **acts("tenant.link", 404, 409))
    async def make_portal_link(
        self,
        desk: NamedDependency[AtDesk],
        tenant: PathName,
        *,
        for_support: FromQuery[bool] = False,
    ) -> Response[NewPortalLink]:
        """Make a link by which somebody of a tenant enters the portal, once; shown this once.

        `for_support`: you enter by it yourself, and the tenant is told that somebody of its
        provider's is in, and not from where.
        """

        async def work(session: AsyncSession, actor: Actor) -> NewPortalLink:
            made = await link_tenant(
                *(session, actor, await tenant_of(session, tenant), desk.keys),
                is_for_support=for_support,
            )
            settings = desk.office.settings
            return NewPortalLink(portal_link(settings, made.key), made.token_id, made.expires_at)

        return await desk.act(work, status=201)

    @get("/{tenant:str}/portal-sessions", **reads("tenant.read", 404))
    async def list_portal_sessions(
        self, office: NamedDependency[Office], tenant: PathName
    ) -> list[OpenPortalSession]:
        """List which browsers of a tenant's are in the portal, the last used first."""
        async with office.reading() as session:
            whose = await tenant_named(session, await tenant_of(session, tenant))
            return await read_portal_sessions(session, whose.id)

    @delete(
        "/{tenant:str}/portal-sessions", **acts("portal.end_session", 404, 409), status_code=200
    )
    async def end_portal_sessions(
        self, desk: NamedDependency[AtDesk], tenant: PathName
    ) -> Response[EndedSessions]:
        """Log a tenant out of every browser, and end links into the portal that nobody used."""

        async def work(session: AsyncSession, actor: Actor) -> EndedSessions:
            name = await tenant_of(session, tenant)
            return EndedSessions(await end_sessions_of(session, actor, name))

        return await desk.act(work)
