"""A question to Kling with a channel's keys, which is free, and its answer in words."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.console.access import may
from relay.console.channels import HERE
from relay.console.page import Page
from relay.desk.at_kling import Probed, opened_named, probe
from relay.desk.find import channel_numbered
from relay.desk.shown import shown_channel

UNAUTHORIZED = 401
MAY = "channel.try"
"""What a role needs for it, as by the API."""


class ChannelTest(Controller):
    path = HERE
    guards = (may(MAY),)

    @get("/{channel_id:int}/test")
    async def ask(self, page: NamedDependency[Page], channel_id: FromPath[int]) -> Response[Any]:
        """Say what is asked, before it is."""
        return await _show(page, channel_id, None)

    @post("/{channel_id:int}/test")
    async def test(self, page: NamedDependency[Page], channel_id: FromPath[int]) -> Response[Any]:
        """Ask for a task that there is not, and tell what Kling said."""
        office = page.office
        async with page.reading() as session:
            name = (await channel_numbered(session, channel_id)).name
            opened, prefix = await opened_named(session, office.keys, name)
        return await _show(page, channel_id, await probe(office.transport, opened, prefix))


async def _show(page: Page, channel_id: int, probed: Probed | None) -> Response[Any]:
    async with page.reading() as session:
        row = shown_channel(await channel_numbered(session, channel_id))
    return await page.render("channels/test.html", row=row, probed=probed, verdict=_verdict(probed))


def _verdict(probed: Probed | None) -> str | None:
    """Tell in a word of the page's what came of it."""
    if probed is None:
        return None
    if probed.is_well:
        return "well"
    if probed.http_status is None:
        return "unreachable"
    return "refused" if probed.http_status == UNAUTHORIZED else "odd"
