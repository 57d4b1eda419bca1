"""Home: what needs a person now, before any figure; then today, and the last days."""

from datetime import UTC, datetime
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.page import Asked, Page
from relay.desk.attention import read_overview
from relay.tasks.recent import TIMES_OF


class Home(Controller):
    path = ROOT

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say what needs a person now."""
        async with page.reading() as session:
            overview = await read_overview(
                session, now=datetime.now(UTC), zone=page.office.settings.zone
            )
        return await page.render(
            "home/home.html",
            wants=overview.attention,
            steps=overview.steps,
            public_url=page.office.settings.public_url,
        )

    @get("/figures", guards=[may("task.read")])
    async def show_figures(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Show what the business came to: a part of Home, which comes when it is read."""
        scope: Any = request.scope
        return await page.render(
            "home/figures.html", figures=await scope["figures"].get(), times_of=TIMES_OF
        )
