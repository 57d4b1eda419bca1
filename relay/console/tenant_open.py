"""A tenant opened with all that it needs, and the sheet that it is sent; below another one, too."""

from decimal import Decimal
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.choices import Language
from relay.console.access import may
from relay.console.acting import OK, attempt, is_sure, rehearse
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.console.tenant_change import read_names
from relay.console.tenant_limits import read_allowed
from relay.desk.find import tenant_numbered
from relay.desk.opening.paper import to_markdown
from relay.desk.opening.welcome import lay_out, read_welcome
from relay.desk.opening.whole import Opened, Opening, open_whole
from relay.desk.sub_tenants import open_sub_tenant
from relay.html.form import Form, read_form
from relay.limits.tables import LimitKind

LANGUAGES = tuple(one.value for one in Language)


class Sheet(msgspec.Struct, frozen=True):
    """What a new tenant is sent; nobody can read it again."""

    opened: Opened
    text: str

    def __repr__(self) -> str:
        return "Sheet(...)"


class TenantOpen(Controller):
    path = HERE

    @get("/open", guards=[may("tenant.open")])
    async def ask(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask what a tenant begins with."""
        return await _ask(page, Form(page.say))

    @post("/open", guards=[may("tenant.open")])
    async def open(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Open it, and show its keys and its sheet this once."""
        form, settings = await read_form(request, page.say), page.office.settings
        opening = _read_opening(form)
        language = form.choice("lang", LANGUAGES, must=True)
        origin = form.text("base_url", must=True) or ""
        if origin and not origin.startswith(("http://", "https://")):
            form.errors["base_url"] = page.say("An address such as https://relay.example.com.")

        async def work(session: AsyncSession) -> Sheet:
            opened = await open_whole(
                *(session, page.actor, opening),
                currency=settings.currency,
                keys=page.office.keys,
                zone=settings.zone,
            )
            welcome = await read_welcome(session, opened, origin=origin, settings=settings)
            return Sheet(opened, to_markdown(lay_out(welcome, Language(language or Language.EN))))

        if form.is_right and opening.quota_micros and not is_sure(form, opening.quota_micros):
            _, status = await rehearse(page, form, work)
            planned_micros = opening.quota_micros if form.is_right else None
            return await _ask(page, form, planned_micros=planned_micros, status=status)
        sheet, status = await attempt(page, form, work)
        if sheet is None:
            return await _ask(page, form, status=status)
        return await page.render("tenants/opened.html", sheet=sheet)

    @get("/{tenant_id:int}/open-below", guards=[may("sub_tenant.open")])
    async def ask_below(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask how a sub-tenant is called, and what it pays."""
        return await _ask_below(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/open-below", guards=[may("sub_tenant.open")])
    async def open_below(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Open a tenant below this one, whose account pays for it."""
        form = await read_form(request, page.say)
        name, factor = form.text("name", must=True), form.decimal("factor", must=True)

        async def work(session: AsyncSession) -> int:
            parent = await tenant_numbered(session, tenant_id)
            opened = await open_sub_tenant(
                *(session, page.actor, parent.name, name or ""), resale=factor or Decimal(1)
            )
            return opened.id

        opened_id, status = await attempt(page, form, work)
        if opened_id is None:
            return await _ask_below(page, tenant_id, form, status=status)
        return page.go(f"{HERE}/{opened_id}", said="added")


async def _ask(
    page: Page, form: Form, *, planned_micros: int | None = None, status: int = OK
) -> Response[Any]:
    return await page.render(
        "tenants/open.html",
        status=status,
        form=form,
        planned_micros=planned_micros,
        kinds=[kind.value for kind in LimitKind],
        languages=LANGUAGES,
    )


async def _ask_below(page: Page, tenant_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    return await render_of(page, "tenants/open_below.html", tenant, status=status, form=form)


def _read_opening(form: Form) -> Opening:
    return Opening(
        name=form.text("name", must=True) or "",
        quota_micros=form.amount("quota") or 0,
        multiplier=form.decimal("multiplier"),
        price_group=form.text("price_group"),
        tasks_max=form.whole("tasks_max"),
        groups=read_names(form, "groups"),
        contact=form.text("contact"),
        limits={kind: value for kind, value in read_allowed(form).items() if value is not None},
    )
