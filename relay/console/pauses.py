"""Pauses: creates that are stopped for a while, and let on again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import read_rows
from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.lists import RowList
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of, status_of
from relay.desk.errors import DeskError, DoneBefore, NoSuch, Unusable
from relay.desk.pauses import end_pause, pause_creates
from relay.html.form import Form, read_form
from relay.pages.rows import Read, cut
from relay.pauses.read import ListedPause, list_pauses

HERE = f"{ROOT}/pauses"
LASTING = ("30", "60", "120", "360", "1440", "4320")
"""Minutes that a pause may be made for; without any it lasts until it is ended."""
SCOPE = ("tenant", "channel", "endpoint", "model")


class Pauses(Controller):
    path = HERE
    guards = (may("pause.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List those in force, or with those that are over, newest first."""
        async with page.reading() as session:
            found = await PAUSES.page(page, session)
        return await page.render(
            "pauses/list.html",
            form=found.form,
            found=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await PAUSES.file(page, file_form, back=HERE)

    @get("/add", guards=[may("pause.add")])
    async def ask_new(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask what is to be paused, why and for how long; the address may say what."""
        given = {name: request.query_params[name] for name in SCOPE if name in request.query_params}
        return await _ask(page, Form(page.say, values=given))

    @post("/add", guards=[may("pause.add")])
    async def add(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Stop creates that fit all that is named."""
        form = await read_form(request, page.say)
        reason = form.text("reason", must=True)
        minutes = form.choice("minutes", LASTING)
        endpoints = {one.name for one in page.office.catalogue.endpoints}
        endpoint = form.choice("endpoint", endpoints)
        tenant, channel, model = (form.text(name) for name in ("tenant", "channel", "model"))
        if not any((tenant, channel, endpoint, model, form.is_checked("all"))):
            form.errors["all"] = page.say("Name what is paused above, or say that all is.")
        if form.is_right and reason is not None:
            until = None
            if minutes is not None:
                until = datetime.now(UTC) + timedelta(minutes=int(minutes))
            try:
                async with page.acting(form) as session:
                    await pause_creates(
                        *(session, page.actor_by(form)),
                        reason=reason,
                        tenant=tenant,
                        channel=channel,
                        endpoint=endpoint,
                        model=model,
                        until=until,
                    )
            except DoneBefore:
                raise
            except DeskError as error:
                field = ""
                if isinstance(error, NoSuch):
                    field = error.kind if error.kind in SCOPE else ""
                elif isinstance(error, Unusable):
                    field = error.field
                form.errors[field] = sentence_of(error, page)
                return await _ask(page, form, status=status_of(error))
            return page.go(HERE, said="paused")
        return await _ask(page, form, status=422)

    @get("/{pause_id:int}/end", guards=[may("pause.end")])
    async def ask_end(self, page: NamedDependency[Page], pause_id: FromPath[int]) -> Response[Any]:
        """Say which creates are let on again."""
        one = await _read(page, pause_id)
        return await page.render("pauses/end.html", one=one, form=Form(page.say))

    @post("/{pause_id:int}/end", guards=[may("pause.end")])
    async def end(self, page: NamedDependency[Page], pause_id: FromPath[int]) -> Response[Any]:
        """Let creates on again, before the pause's own end."""
        try:
            async with page.acting() as session:
                await end_pause(session, page.actor, pause_id)
        except NoSuch:
            raise
        except DeskError as error:
            form = Form(page.say, errors={"": sentence_of(error, page)})
            one = await _read(page, pause_id)
            return await page.render("pauses/end.html", status=status_of(error), one=one, form=form)
        return page.go(HERE, said="pause-ended")


async def _read_of(_: AsyncSession, __: Page, form: Form) -> Read[ListedPause]:
    with_ended = form.is_checked("ended")

    async def read(
        session: AsyncSession, before_id: int | None, limit: int
    ) -> tuple[list[ListedPause], int | None]:
        found = await list_pauses(
            session, with_ended=with_ended, before_id=before_id, limit=limit + 1
        )
        return cut(found, limit)

    return read


async def _ask(page: Page, form: Form, *, status: int = 200) -> Response[Any]:
    async with page.reading() as session:
        channels = [row.name for row in await read_rows(session)]
    return await page.render(
        "pauses/add.html",
        status=status,
        form=form,
        channels=channels,
        endpoints=[one.name for one in page.office.catalogue.endpoints],
        lasting=list(LASTING),
    )


async def _read(page: Page, pause_id: int) -> ListedPause:
    async with page.reading() as session:
        found = await list_pauses(session, with_ended=True, pause_id=pause_id)
    if not found:
        raise NoSuch("pause", pause_id)
    return found[0]


PAUSES = RowList(_read_of, ListedPause, name="pauses", title=lambda page: page.say("Pauses"))
