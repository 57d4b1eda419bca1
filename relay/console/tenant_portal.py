"""A tenant's way into the portal: a link for its people, and out of it again."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.desk.find import tenant_numbered
from relay.desk.portal import PortalLink, end_sessions_of, link_tenant, portal_link
from relay.html.form import Form, read_form


class TenantPortal(Controller):
    path = HERE

    @get("/{tenant_id:int}/portal", guards=[may("tenant.link")])
    async def ask_link(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Say what a link opens, and to whom; or how the portal is switched on."""
        return await _ask(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/portal", guards=[may("tenant.link")])
    async def link(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Make a link, and show it this once."""
        form = await read_form(request, page.say)
        is_for_support = form.is_checked("support")
        if not page.office.settings.portal:
            form.errors[""] = page.say("The portal is switched off.")

        async def work(session: AsyncSession) -> PortalLink:
            tenant = await tenant_numbered(session, tenant_id)
            return await link_tenant(
                *(session, page.actor_by(form), tenant.name, page.office.keys),
                is_for_support=is_for_support,
            )

        made, status = await attempt(page, form, work)
        return await _ask(page, tenant_id, form, made=made, status=status)

    @get("/{tenant_id:int}/portal/end", guards=[may("portal.end_session")])
    async def ask_end(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """Say whom it logs out."""
        return await _ask_end(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/portal/end", guards=[may("portal.end_session")])
    async def end(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Log a tenant out of every browser, and end its links."""
        form = await read_form(request, page.say)

        async def work(session: AsyncSession) -> None:
            tenant = await tenant_numbered(session, tenant_id)
            await end_sessions_of(session, page.actor, tenant.name)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}", said="logged-out")
        return await _ask_end(page, tenant_id, form, status=status)


async def _ask(
    page: Page, tenant_id: int, form: Form, *, made: PortalLink | None = None, status: int = OK
) -> Response[Any]:
    settings = page.office.settings
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    return await render_of(
        *(page, "tenants/portal.html", tenant),
        status=status,
        form=form,
        made=made,
        address=None if made is None else portal_link(settings, made.key),
        is_on=settings.portal,
        has_url=settings.public_url is not None,
    )


async def _ask_end(page: Page, tenant_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    return await render_of(page, "tenants/portal_end.html", tenant, status=status, form=form)
