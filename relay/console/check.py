"""Check: whether all is as it should be, as far as the process that shows it can tell."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.page import TIMEOUT_MS, Page
from relay.desk.check.business import worst_of
from relay.desk.check.finding import Level
from relay.desk.check.process import check_process

HERE = f"{ROOT}/check"
ORDER = list(reversed(Level))


class Check(Controller):
    path = HERE
    guards = (may("check.read"),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Look at everything once, and show the gravest first."""
        findings = await check_process(page.office, timeout_ms=TIMEOUT_MS)
        findings.sort(key=lambda found: ORDER.index(found.level))
        return await page.render(
            "check/check.html", findings=findings, worst=worst_of(findings).value
        )
