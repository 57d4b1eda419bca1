"""Usage: what was made and charged in a window, by day, model and key; chart, tables and CSV."""

from datetime import UTC, datetime
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_400_BAD_REQUEST

from relay.html.form import Form
from relay.months import Window, days_of, first_moment, month_of
from relay.portal.files import Columns, table_file
from relay.portal.gate import ROOT
from relay.portal.page import Asked, Page
from relay.portal.windows import read_window

HERE = f"{ROOT}/usage"
COUNTS, AMOUNTS = ("tasks", "succeeded", "failed", "refused", "seconds", "images"), ("charged",)
FIGURES = COUNTS + AMOUNTS
KEYS = {"day": ("day",), "model": ("endpoint", "model"), "token": ("token",), "tenant": ("tenant",)}
"""What a table is by, in the words of `GET /relay/usage`."""


class Usage(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Show what a month, or some days, came to."""
        form = Form(page.say, values=dict(request.query_params.items()))
        window = read_window(form)
        told: dict[str, Any] = {}
        if form.is_right:
            told = await _ask(page, _keys(page), window)
        now = datetime.now(UTC)
        this = month_of(now, page.zone)
        values: dict[str, Any] = {"form": form, "this": this, "window": window, "told": told}
        if told:
            values["days"] = _days(told, page, now)
            values["whole"] = _whole(told["tables"]["day"], page)
            values["names"] = await page.key_names()
        return await page.render("usage/usage.html", **values)

    @get("/{form_name:str}")
    async def show_file(
        self, page: NamedDependency[Page], request: Asked, form_name: FromPath[str]
    ) -> Response[Any]:
        """Give one of the tables as a file."""
        form = Form(page.say, values=dict(request.query_params.items()))
        by = form.choice("by", _keys(page), must=True)
        window = read_window(form)
        if by is None or not form.is_right:
            why = next(iter(form.errors.values()))
            return page.compose("problem.html", status=HTTP_400_BAD_REQUEST, why=why)
        told = await _ask(page, [by], window)
        columns = Columns((*KEYS[by], *FIGURES, "currency"), amounts=AMOUNTS, counts=COUNTS)
        rows = [one | {"currency": told["currency"]} for one in told["tables"][by]]
        return await table_file(
            *(page, columns, rows, form_name), name=f"usage-by-{by}", title=page.say("Usage")
        )


def _keys(page: Page) -> list[str]:
    """Say what this visitor's usage can be told by: of those below it, if it may have some."""
    has_below = page.sees_all and page.visitor.caller.parent_id is None
    return [by for by in KEYS if by != "tenant" or has_below]


async def _ask(page: Page, tables: list[str], window: dict[str, str]) -> dict[str, Any]:
    """Ask for several tables at once: each for itself would read the same tasks again."""
    table = [",".join(KEYS[by]) for by in tables]
    told = await page.asking.get("/usage", table=table, **window)
    found = zip(tables, told["tables"], strict=True)
    return {**told, "tables": {by: one["usage"] for by, one in found}}


def _days(told: dict[str, Any], page: Page, now: datetime) -> list[tuple[float, dict[str, Any]]]:
    """Give each day of the window until today, the last first: also where nothing was made."""
    known = {one["day"]: one for one in told["tables"]["day"]}
    start, until = page.at(told["since"]), page.at(told["until"])
    assert start is not None, "a window has both ends"
    assert until is not None, "a window has both ends"
    if until > now >= start:
        until = now
    nothing = dict.fromkeys(FIGURES, 0) | {"charged": "0"}
    return [
        (
            first_moment(day, page.zone).timestamp(),
            {"day": str(day), **nothing, **known.get(str(day), {})},
        )
        for day in reversed(list(days_of(Window(start, until), page.zone)))
    ]


def _whole(usage: list[dict[str, Any]], page: Page) -> dict[str, int]:
    whole = {name: sum(one[name] for one in usage) for name in FIGURES if name != "charged"}
    return whole | {"charged_micros": sum(page.micros(one["charged"]) or 0 for one in usage)}
