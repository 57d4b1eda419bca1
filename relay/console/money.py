"""Money as one place: which pages it has, and whose role may see which."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from sqlalchemy.exc import DBAPIError

from relay.console.gate import ROOT
from relay.console.page import Page
from relay.desk.errors import NotAllowed
from relay.html.problems import took_too_long

HERE = f"{ROOT}/money"

TABS = (
    ("entries", "entry.read"),
    ("month", "statement.read"),
    ("margin", "usage.read"),
    ("losses", "usage.read"),
    ("bill", "bill.read"),
    ("codes", "code.read"),
    ("invoices", "invoice.read"),
)
"""In their order, and what a role needs for each; `money/head.html` words them."""


class Money(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Lead to the first of them that the visitor may see."""
        for tab in tabs_of(page):
            return page.go(f"{HERE}/{tab}")
        raise NotAllowed(TABS[0][1], page.visitor.role.value)


def tabs_of(page: Page) -> list[str]:
    return [tab for tab, act in TABS if page.may(act)]


def check_is_too_long(error: DBAPIError) -> bool:
    """Tell that a page's sums were given up, or raise what it is else."""
    if not took_too_long(error):
        raise error
    return True


async def render_of(
    page: Page, template: str, *, status: int = 200, **values: Any
) -> Response[Any]:
    """Answer with a page of money, under the links to its others."""
    return await page.render(template, status=status, tabs=tabs_of(page), **values)
