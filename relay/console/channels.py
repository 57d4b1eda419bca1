"""Channels: how each Kling account stands, and all that is known of one."""

from typing import Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import read_rows
from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.lists import RowList
from relay.console.page import Asked, Page
from relay.console.standing import ChannelRow, read_shown, read_told, row_of
from relay.desk.find import channel_numbered
from relay.html.form import Form
from relay.pages.rows import Read, at_once
from relay.trial.report import Finding, TrialReport

HERE = f"{ROOT}/channels"


class Channels(Controller):
    path = HERE
    guards = (may("channel.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List channels in the order they are tried, and how they do."""
        form = Form(page.say, values=dict(request.query_params.items()))
        is_with_removed, group = form.is_checked("removed"), form.text("group")
        async with page.reading() as session:
            rows = await read_rows(session, with_removed=is_with_removed)
            known = sorted({name for row in rows for name in row.groups})
            fitting = [row for row in rows if group is None or group in row.groups]
            shown = await read_shown(session, fitting)
        return await page.render("channels/list.html", form=form, channels=shown, groups=known)

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file: each channel, and how it does now."""
        return await CHANNELS.file(page, file_form, back=HERE)

    @get("/{channel_id:int}/trial/{file_form:str}")
    async def trial_as_file(
        self, page: NamedDependency[Page], channel_id: FromPath[int], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give what was seen in its last trial as a file."""
        async with page.reading() as session:
            whose = (await channel_numbered(session, channel_id)).name
        back = f"{HERE}/{channel_id}"
        return await FINDINGS.file(page, file_form, back=back, whose=whose, channel_id=channel_id)

    @get("/{channel_id:int}")
    async def show(self, page: NamedDependency[Page], channel_id: FromPath[int]) -> Response[Any]:
        """Tell all that is known of one."""
        async with page.reading() as session:
            told = await read_told(session, page, channel_id)
        return await page.render("channels/one.html", told=told)


async def _read_of(session: AsyncSession, _: Page, form: Form) -> Read[ChannelRow]:
    is_with_removed, group = form.is_checked("removed"), form.text("group")
    rows = await read_rows(session, with_removed=is_with_removed)
    fitting = [row for row in rows if group is None or group in row.groups]
    return at_once([row_of(one) for one in await read_shown(session, fitting)])


CHANNELS = RowList(_read_of, ChannelRow, name="channels", title=lambda page: page.say("Channels"))


async def _findings_of(
    session: AsyncSession, _: Page, __: Form, *, channel_id: int
) -> Read[Finding]:
    row = await channel_numbered(session, channel_id)
    report = None if row.trial is None else msgspec.convert(row.trial, TrialReport)
    return at_once([] if report is None else report.findings)


FINDINGS = RowList(_findings_of, Finding, name="trial", title=lambda page: page.say("Last trial"))
