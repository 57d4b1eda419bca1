"""Tenants: the list, and of each what it has, every entry of its account, and its months."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.files import FILES, list_file, sheet_file
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, read_near, read_used, render_of
from relay.database.ids import AccountId
from relay.desk.errors import NoSuch
from relay.desk.find import tenant_numbered
from relay.desk.shown import ShownTenant, list_shown_tenants
from relay.html.days import read_month_of
from relay.html.form import Form
from relay.ledger.tables import EntryKind, TopupKind
from relay.months import month_of, read_month
from relay.pages.rows import Read, cut
from relay.tenants.read import TenantFilter
from relay.usage.documents import MOVES, statement_sheet
from relay.usage.entries import EntryFilter, ListedEntry, list_entries
from relay.usage.statement import begin_snapshot, read_statement, read_summary

AT_ONCE = 50
"""Rows of a page."""
KINDS = (
    *(kind.value for kind in EntryKind if kind is not EntryKind.TOPUP),
    *(f"{EntryKind.TOPUP}.{kind}" for kind in TopupKind),
)
"""Of entries, as a filter names them: of top-ups with what they were for."""
WHICH = ("own", "sub")


class Tenants(Controller):
    path = HERE
    guards = (may("tenant.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List tenants with what is left of what they paid."""
        form = Form(page.say, values=dict(request.query_params.items()))
        read, cursor = _tenants(page, form), form.whole("cursor", most=2**53)
        found: tuple[list[ShownTenant], int | None] = ([], None)
        if form.is_right:
            async with page.reading() as session:
                found = await read(session, cursor, AT_ONCE)
        return await page.render(
            "tenants/list.html", form=form, tenants=found[0], next_cursor=found[1]
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], request: Asked, file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        form = Form(page.say, values=dict(request.query_params.items()))
        read = _tenants(page, form)
        if not form.is_right:
            return page.go(page.moved_to(HERE))
        return await list_file(
            *(page, read, ShownTenant, file_form), name="tenants", title=page.say("Tenants")
        )

    @get("/{tenant_id:int}")
    async def show(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """Show a tenant: what it has, what it used of late, and what it is set to."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            near = await read_near(session, tenant)
        used = await read_used(page, tenant_id)
        return await render_of(page, "tenants/overview.html", tenant, near=near, used=used)

    @get("/{tenant_id:int}/below")
    async def show_below(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """List the sub-tenants of a tenant."""
        query = dict(request.query_params.items())
        form = Form(page.say, values=query | {"parent": str(tenant_id)})
        read, cursor = _tenants(page, form), form.whole("cursor", most=2**53)
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            found, next_id = await read(session, cursor, AT_ONCE)
        return await render_of(
            page, "tenants/below.html", tenant, tenants=found, next_cursor=next_id
        )

    @get("/{tenant_id:int}/entries", guards=[may("entry.read")])
    async def show_entries(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """List what changed the account that a tenant draws on, with the quota after each."""
        form = Form(page.say, values=dict(request.query_params.items()))
        cursor = form.whole("cursor", most=2**53)
        found: tuple[list[ListedEntry], int | None] = ([], None)
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            read = await _entries(session, page, form, tenant_id)
            if form.is_right:
                found = await read(session, cursor, AT_ONCE)
        return await render_of(
            *(page, "tenants/entries.html", tenant),
            form=form,
            entries=found[0],
            next_cursor=found[1],
            kinds=KINDS,
        )

    @get("/{tenant_id:int}/entries/{file_form:str}", guards=[may("entry.read")])
    async def entries_as_file(
        self,
        page: NamedDependency[Page],
        request: Asked,
        tenant_id: FromPath[int],
        file_form: FromPath[str],
    ) -> Response[Any]:
        """Give the same entries as a file, all of them."""
        form = Form(page.say, values=dict(request.query_params.items()))
        async with page.reading() as session:
            read = await _entries(session, page, form, tenant_id)
        if not form.is_right:
            return page.go(page.moved_to(f"{HERE}/{tenant_id}/entries"))
        return await list_file(
            *(page, read, ListedEntry, file_form),
            name=f"entries-{tenant_id}",
            title=page.say("Entries"),
        )

    @get("/{tenant_id:int}/statement", guards=[may("statement.read")])
    async def show_statement(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Recompute a month of the account, by default the one that runs."""
        form = Form(page.say, values=dict(request.query_params.items()))
        settings = page.office.settings
        now = month_of(datetime.now(UTC), settings.zone)
        month = read_month_of(form, "month") or now
        statement = None
        async with page.reading() as session:
            await begin_snapshot(session)
            tenant = await read_head(session, page, tenant_id)
            if form.is_right:
                statement = await read_summary(
                    *(session, AccountId(tenant.account_id), month),
                    zone=settings.zone,
                    currency=settings.currency,
                )
        return await render_of(
            *(page, "tenants/statement.html", tenant),
            form=form,
            statement=statement,
            month=month,
            this_month=now,
            moves=MOVES,
        )

    @get("/{tenant_id:int}/statements/{month:str}/{form:str}", guards=[may("statement.read")])
    async def statement_as_file(
        self,
        page: NamedDependency[Page],
        tenant_id: FromPath[int],
        month: FromPath[str],
        form: FromPath[str],
    ) -> Response[bytes]:
        """Give a statement as a file: a table, or a page to print, whose style is in it."""
        if form not in FILES:
            raise NoSuch("page", form)
        try:
            which = read_month(month)
        except ValueError as error:
            raise NoSuch("page", month) from error
        async with page.reading() as session:
            await begin_snapshot(session)
            tenant = await read_head(session, page, tenant_id)
            settings = page.office.settings
            found = await read_statement(
                *(session, AccountId(tenant.account_id), which),
                zone=settings.zone,
                currency=settings.currency,
            )
        name = f"statement-{tenant.account_id}-{which}"
        return await sheet_file(statement_sheet(found), form, name=name)


def _tenants(page: Page, form: Form) -> Read[ShownTenant]:
    """Read what a list of tenants is asked for; what cannot be is told beside its field."""
    settings = page.office.settings
    enabled, which = form.choice("enabled", ("yes", "no")), form.choice("which", WHICH)
    below_micros = form.amount("below", signed=True)
    wanted = TenantFilter(
        with_removed=form.is_checked("removed"),
        is_enabled=None if enabled is None else enabled == "yes",
        price_group=form.text("price_group"),
        parent_id=form.whole("parent", most=2**53),
        is_sub_tenant=None if which is None else which == "sub",
        like=form.text("like"),
    )

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ShownTenant], int | None]:
        found = await list_shown_tenants(
            session,
            msgspec.structs.replace(wanted, before_id=before_id),
            zone=settings.zone,
            currency=settings.currency,
            below_micros=below_micros,
            limit=most + 1,
        )
        return cut(found, most)

    return read


async def _entries(
    session: AsyncSession, page: Page, form: Form, tenant_id: int
) -> Read[ListedEntry]:
    """Read which entries of a tenant's are asked for.

    Raises:
        NoSuch: there is no such tenant.
    """
    kind, month = form.choice("kind", KINDS), read_month_of(form, "month")
    of, _, topup = (kind or "").partition(".")
    window = None if month is None else month.window(page.office.settings.zone)
    wanted = EntryFilter(
        tenant=await tenant_numbered(session, tenant_id),
        kind=of or None,
        topup_kind=topup or None,
        since=None if window is None else window.start,
        until=None if window is None else window.until,
    )

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ListedEntry], int | None]:
        asked = msgspec.structs.replace(wanted, before_id=before_id)
        return cut(await list_entries(session, asked, limit=most + 1), most)

    return read
