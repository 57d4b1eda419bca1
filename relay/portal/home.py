"""Home: what is left to spend, what this month took, what runs, and what comes."""

from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.portal.asking import Asking
from relay.portal.expected import expected
from relay.portal.gate import ROOT
from relay.portal.page import Page

LATELY, AT_WORK, AT_WORK_SHOWN = 8, 50, 8
"""Rows of each: of what is at work so many are counted, and the newest shown."""
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
        at_work = await _read_at_work(asking)
        places = {one["task_id"]: one for one in await asking.get("/queue", pageSize=AT_WORK)}
        lately = await asking.get("/tasks", pageSize=LATELY)
        now = datetime.now(UTC)
        return await page.render(
            "home.html",
            balance=await asking.get("/balance"),
            limits=[one for one in limits if _is_nearly_taken(one)],
            notices=notices["notices"][:LATELY] if notices else [],
            at_work=[
                (one, expected(one, places.get(one["task_id"]), now=now))
                for one in at_work[:AT_WORK_SHOWN]
            ],
            running=sum(not one["is_queued"] for one in at_work),
            waiting=sum(one["is_queued"] for one in at_work),
            is_more=len(at_work) >= AT_WORK,
            lately=[one for one in lately["tasks"] if one["ended_at"] is not None],
            has_tasks=bool(lately["tasks"]),
            coming=coming[0] if coming else None,
        )

    @get("/month")
    async def show_month(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show what this month came to: of many tasks a sum that Home does not wait for."""
        usage = (await page.asking.get("/usage"))["usage"]
        return await page.render("month.html", month=usage[0] if usage else None)


async def _read_at_work(asking: Asking) -> list[dict[str, Any]]:
    """Read what has not ended, the newest first."""
    found = [
        one
        for state in ("submitted", "processing")
        for one in (await asking.get("/tasks", state=state, pageSize=AT_WORK))["tasks"]
    ]
    return sorted(found, key=itemgetter("created_at"), reverse=True)


def _is_nearly_taken(limit: dict[str, Any]) -> bool:
    allowed, taken = limit["allowed"], limit["taken"]
    if not allowed or taken is None:
        return False
    return float(taken) >= NEARLY * float(allowed)
