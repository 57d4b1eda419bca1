"""Tenants: the list, and of each what it has, every entry of its account, and its months."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.files import FILES, sheet_file
from relay.console.lists import ID_MAX, RowList
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
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List tenants with what is left of what they paid."""
        async with page.reading() as session:
            found = await TENANTS.page(page, session)
        return await page.render(
            "tenants/list.html",
            form=found.form,
            tenants=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await TENANTS.file(page, file_form, back=HERE)

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
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """List the sub-tenants of a tenant."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            found = await TENANTS.page(page, session, parent_id=tenant_id)
        return await render_of(
            *(page, "tenants/below.html", tenant),
            tenants=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/{tenant_id:int}/entries", guards=[may("entry.read")])
    async def show_entries(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """List what changed the account that a tenant draws on, with the quota after each."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            found = await ENTRIES.page(page, session, tenant_id=tenant_id)
        return await render_of(
            *(page, "tenants/entries.html", tenant),
            form=found.form,
            entries=found.rows,
            next_cursor=found.next_cursor,
            kinds=KINDS,
        )

    @get("/{tenant_id:int}/entries/{file_form:str}", guards=[may("entry.read")])
    async def entries_as_file(
        self, page: NamedDependency[Page], tenant_id: FromPath[int], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same entries as a file, all of them."""
        back = f"{HERE}/{tenant_id}/entries"
        return await ENTRIES.file(
            page, file_form, back=back, whose=str(tenant_id), tenant_id=tenant_id
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


async def _tenants(
    _: AsyncSession, page: Page, form: Form, *, parent_id: int | None = None
) -> Read[ShownTenant]:
    """Read what a list of tenants is asked for; what cannot be is told beside its field."""
    settings = page.office.settings
    enabled, which = form.choice("enabled", ("yes", "no")), form.choice("which", WHICH)
    below_micros = form.amount("below", signed=True)
    wanted = TenantFilter(
        with_removed=form.is_checked("removed"),
        is_enabled=None if enabled is None else enabled == "yes",
        price_group=form.text("price_group"),
        parent_id=parent_id or form.whole("parent", most=ID_MAX),
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
    session: AsyncSession, page: Page, form: Form, *, tenant_id: int
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
    return entries_of(wanted)


def entries_of(wanted: EntryFilter) -> Read[ListedEntry]:
    """Read entries by a filter, newest first."""

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ListedEntry], int | None]:
        asked = msgspec.structs.replace(wanted, before_id=before_id)
        return cut(await list_entries(session, asked, limit=most + 1), most)

    return read


TENANTS = RowList(_tenants, ShownTenant, name="tenants", title=lambda page: page.say("Tenants"))
ENTRIES = RowList(_entries, ListedEntry, name="entries", title=lambda page: page.say("Entries"))
