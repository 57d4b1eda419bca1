"""Home: what is left to spend, what this month took, and what runs."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.portal.gate import ROOT
from relay.portal.page import Page


class Home(Controller):
    path = ROOT

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show where the tenant stands."""
        asking = page.asking
        return await page.render(
            "home.html",
            balance=await asking.get("/balance"),
            limits=await asking.get("/limits"),
            usage=await asking.get("/usage", by="day"),
            queue=await asking.get("/queue", pageNum=1, pageSize=10),
        )
