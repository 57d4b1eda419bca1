"""Home: what needs a person now, before any figure."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.console.gate import ROOT
from relay.console.page import Page


class Home(Controller):
    path = ROOT

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say what needs a person now."""
        return await page.render("home.html")
