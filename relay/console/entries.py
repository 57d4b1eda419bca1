"""Entries of all accounts: whatever changed a quota, by any filter, with the quota after it."""

from typing import Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.files import list_file
from relay.console.money import HERE, render_of
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of
from relay.console.tenants import AT_ONCE, KINDS
from relay.database.ids import TaskId
from relay.desk.errors import NoSuch
from relay.desk.find import tenant_named
from relay.html.days import read_day
from relay.html.form import Form
from relay.pages.rows import Read, cut
from relay.usage.entries import EVERY, EntryFilter, ListedEntry, list_entries

ID_MAX = 2**53


class Entries(Controller):
    path = f"{HERE}/entries"
    guards = (may("entry.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List entries, newest first."""
        form = Form(page.say, values=dict(request.query_params.items()))
        cursor = form.whole("cursor", most=ID_MAX)
        found: tuple[list[ListedEntry], int | None] = ([], None)
        async with page.reading() as session:
            read = _read_of(await _read_filter(session, page, form))
            if form.is_right:
                found = await read(session, cursor, AT_ONCE)
        return await render_of(
            *(page, "money/entries.html"),
            form=form,
            entries=found[0],
            next_cursor=found[1],
            kinds=KINDS,
        )

    @get("/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], request: Asked, file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        form = Form(page.say, values=dict(request.query_params.items()))
        async with page.reading() as session:
            read = _read_of(await _read_filter(session, page, form))
        if not form.is_right:
            return page.go(page.moved_to(self.path))
        return await list_file(
            *(page, read, ListedEntry, file_form), name="entries", title="Entries"
        )


async def _read_filter(session: AsyncSession, page: Page, form: Form) -> EntryFilter:
    """Read which entries are asked for; what cannot be is told beside its field."""
    of, _, topup = (form.choice("kind", KINDS) or "").partition(".")
    zone, name = page.office.settings.zone, form.text("tenant")
    task = form.whole("task", most=ID_MAX)
    tenant = None
    if name is not None and form.is_right:
        try:
            tenant = await tenant_named(session, name)
        except NoSuch as error:
            form.errors["tenant"] = sentence_of(error, page)
    wanted = EntryFilter(
        tenant=tenant,
        kind=of or None,
        topup_kind=topup or None,
        task_id=None if task is None else TaskId(task),
        reference=form.text("reference", most=100),
        actor=form.text("actor", most=100),
        since=read_day(form, "since", zone),
        until=read_day(form, "until", zone, is_end=True),
    )
    return wanted if form.is_right else EVERY


def _read_of(wanted: EntryFilter) -> Read[ListedEntry]:
    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ListedEntry], int | None]:
        asked = msgspec.structs.replace(wanted, before_id=before_id)
        return cut(await list_entries(session, asked, limit=most + 1), most)

    return read
