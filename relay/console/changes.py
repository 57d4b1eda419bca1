"""Changes: who did what at the desk, when and why, with what was before beside what is after."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.change_words import lay, spell_subject
from relay.console.gate import ROOT
from relay.console.lists import RowList
from relay.console.page import Page
from relay.desk.changes import find_change, list_changes
from relay.desk.errors import NoSuch
from relay.desk.roles import ACTS, READS
from relay.desk.shown import ShownChange, shown_change
from relay.html.days import read_day
from relay.html.form import Form
from relay.pages.rows import Read, cut

HERE = f"{ROOT}/changes"
PLACES = {
    "tenant": "tenants",
    "channel": "channels",
    "task": "tasks",
    "delivery": "deliveries",
    "code": "money/codes",
    "invoice": "money/invoices",
}
"""Where what was changed has a page of its own, by its kind."""


class Changes(Controller):
    path = HERE
    guards = (may("change.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List changes by any filter, newest first."""
        async with page.reading() as session:
            found = await CHANGES.page(page, session)
        return await page.render(
            "changes/list.html",
            form=found.form,
            changes=[(one, spell_subject(one.subject, page), lay(one, page)) for one in found.rows],
            next_cursor=found.next_cursor,
            kinds=sorted({act.partition(".")[0] for act in ACTS if act not in READS}),
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await CHANGES.file(page, file_form, back=HERE)

    @get("/{change_id:int}")
    async def show(self, page: NamedDependency[Page], change_id: FromPath[int]) -> Response[Any]:
        """Show one change with all of it."""
        async with page.reading() as session:
            row = await find_change(session, change_id)
        if row is None:
            raise NoSuch("change", change_id)
        change = shown_change(row)
        place = PLACES.get(change.subject.kind)
        return await page.render(
            "changes/one.html",
            change=change,
            subject=spell_subject(change.subject, page),
            laid=lay(change, page),
            address=f"{ROOT}/{place}/{change.subject.id}" if place and change.subject.id else None,
        )


async def _read_of(_: AsyncSession, page: Page, form: Form) -> Read[ShownChange]:
    """Read what is asked for; what cannot be is told beside its field."""
    zone = page.office.settings.zone
    wanted: dict[str, Any] = {name: form.text(name) for name in ("actor", "act", "subject")}
    wanted["since"] = read_day(form, "since", zone)
    wanted["until"] = read_day(form, "until", zone, is_end=True)

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ShownChange], int | None]:
        found = await list_changes(session, limit=most + 1, before_id=before_id, **wanted)
        return cut([shown_change(row) for row in found], most)

    return read


CHANGES = RowList(_read_of, ShownChange, name="changes", title=lambda page: page.say("Changes"))
