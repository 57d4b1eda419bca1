"""One real task on a channel's account, which is paid: begun here, and made in the background."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.channels import HERE
from relay.console.page import Asked, Page
from relay.desk.find import channel_numbered
from relay.desk.shown import shown_channel
from relay.desk.trials import begin_trial
from relay.html.form import Form, read_form
from relay.trial.plan import ENDPOINTS

MAY = "channel.try"


class ChannelTry(Controller):
    path = HERE
    guards = (may(MAY),)

    @get("/{channel_id:int}/try")
    async def ask(self, page: NamedDependency[Page], channel_id: FromPath[int]) -> Response[Any]:
        """Ask what it may cost, before anything is sent."""
        return await _show(page, channel_id, Form(page.say))

    @post("/{channel_id:int}/try")
    async def begin(
        self, page: NamedDependency[Page], request: Asked, channel_id: FromPath[int]
    ) -> Response[Any]:
        """Begin it, once by one form: a second click begins none, though the first has ended."""
        form = await read_form(request, page.say)
        most_micros = form.amount("max_cost", must=True)
        endpoint = form.choice("endpoint", ENDPOINTS)
        office = page.office
        async with page.reading() as session:
            name = (await channel_numbered(session, channel_id)).name
        begun, status = await attempt(
            page,
            form,
            lambda session: begin_trial(
                *(session, page.actor_by(form), office.keys, office.settings, name),
                most_micros=most_micros or 0,
                endpoint=endpoint,
            ),
        )
        if begun is None:
            return await _show(page, channel_id, form, status=status)
        # Committed by now: nobody else makes it.
        office.trials.start(begun)
        return page.go(f"{HERE}/{channel_id}", said="trial-begun")


async def _show(page: Page, channel_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        row = shown_channel(await channel_numbered(session, channel_id))
    return await page.render(
        "channels/try.html", status=status, row=row, form=form, endpoints=list(ENDPOINTS)
    )
