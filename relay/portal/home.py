"""Home: what is left to spend, what this month took, what runs, and what comes."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.portal.gate import ROOT
from relay.portal.page import Page

WAITING, LATELY, AT_WORK = 5, 8, 50
"""Rows of each."""
NEARLY = 0.8
"""Of a limit: from then on it is shown here."""


class Home(Controller):
    path = ROOT

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show where the tenant stands."""
        asking = page.asking
        limits = (await asking.get("/limits"))["limits"]
        notices = await asking.get("/notices") if page.may("manage") else None
        coming = (await asking.get("/prices"))["coming"]
        waiting = await asking.get("/queue", pageSize=WAITING + 1)
        running = [
            one
            for state in ("submitted", "processing")
            for one in (await asking.get("/tasks", state=state, pageSize=AT_WORK))["tasks"]
            if not one["is_queued"]
        ]
        lately = await asking.get("/tasks", pageSize=LATELY)
        return await page.render(
            "home.html",
            balance=await asking.get("/balance"),
            limits=[one for one in limits if _is_nearly_taken(one)],
            notices=notices["notices"][:LATELY] if notices else [],
            waiting=waiting[:WAITING],
            are_more_waiting=len(waiting) > WAITING,
            running=running,
            is_more=len(running) >= AT_WORK,
            lately=lately["tasks"],
            coming=coming[0] if coming else None,
        )

    @get("/month")
    async def show_month(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show what this month came to: of many tasks a sum that Home does not wait for."""
        usage = (await page.asking.get("/usage"))["usage"]
        return await page.render("month.html", month=usage[0] if usage else None)


def _is_nearly_taken(limit: dict[str, Any]) -> bool:
    allowed, taken = limit["allowed"], limit["taken"]
    if not allowed or taken is None:
        return False
    return float(taken) >= NEARLY * float(allowed)
