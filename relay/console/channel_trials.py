"""All trials of a channel, and what one of them saw."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.channels import HERE
from relay.console.lists import RowList
from relay.console.page import Page
from relay.desk.errors import NoSuch
from relay.desk.find import channel_numbered
from relay.html.form import Form
from relay.pages.rows import Read, cut
from relay.trial.kept import TrialRow, find_trial, list_trials


class ChannelTrials(Controller):
    path = HERE
    guards = (may("channel.read"),)

    @get("/{channel_id:int}/trials")
    async def show_list(
        self, page: NamedDependency[Page], channel_id: FromPath[int]
    ) -> Response[Any]:
        """List them, the newest first."""
        async with page.reading() as session:
            row = await channel_numbered(session, channel_id)
            found = await TRIALS.page(page, session, channel_id=channel_id)
        return await page.render(
            "channels/trials.html",
            row=row,
            form=found.form,
            trials=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/{channel_id:int}/trials/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], channel_id: FromPath[int], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        async with page.reading() as session:
            whose = (await channel_numbered(session, channel_id)).name
        back = f"{HERE}/{channel_id}/trials"
        return await TRIALS.file(page, file_form, back=back, whose=whose, channel_id=channel_id)

    @get("/{channel_id:int}/trials/{trial_id:int}")
    async def show(
        self, page: NamedDependency[Page], channel_id: FromPath[int], trial_id: FromPath[int]
    ) -> Response[Any]:
        """Show one, with all that it saw."""
        async with page.reading() as session:
            row = await channel_numbered(session, channel_id)
            trial = await find_trial(session, trial_id, channel_id=channel_id)
        if trial is None:
            raise NoSuch("trial", trial_id)
        return await page.render("channels/trial.html", row=row, trial=trial)


async def _trials_of(_: AsyncSession, __: Page, ___: Form, *, channel_id: int) -> Read[TrialRow]:
    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[TrialRow], int | None]:
        found = await list_trials(session, channel_id, before_id=before_id, limit=most + 1)
        return cut(found, most)

    return read


TRIALS = RowList(_trials_of, TrialRow, name="trials", title=lambda page: page.say("Trials"))
