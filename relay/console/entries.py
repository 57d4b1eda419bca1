"""Entries of all accounts: whatever changed a quota, by any filter, with the quota after it."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.lists import ID_MAX, RowList
from relay.console.money import HERE, render_of
from relay.console.page import Page
from relay.console.problems import sentence_of
from relay.console.tenants import KINDS, entries_of
from relay.database.ids import TaskId
from relay.desk.errors import NoSuch
from relay.desk.find import tenant_named
from relay.html.days import read_day
from relay.html.form import Form
from relay.pages.rows import Read
from relay.usage.entries import EVERY, EntryFilter, ListedEntry


class Entries(Controller):
    path = f"{HERE}/entries"
    guards = (may("entry.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List entries, newest first."""
        async with page.reading() as session:
            found = await ENTRIES.page(page, session)
        return await render_of(
            *(page, "money/entries.html"),
            form=found.form,
            entries=found.rows,
            next_cursor=found.next_cursor,
            kinds=KINDS,
        )

    @get("/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await ENTRIES.file(page, file_form, back=self.path)


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


async def _read_of(session: AsyncSession, page: Page, form: Form) -> Read[ListedEntry]:
    return entries_of(await _read_filter(session, page, form))


ENTRIES = RowList(_read_of, ListedEntry, name="entries", title=lambda page: page.say("Entries"))
