"""Lists, each stated once: what its filter asks the tenant's API for, as a page and as a file."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Response

from relay.errors import InvalidParameter
from relay.html.form import Form
from relay.portal.files import OF_FILE, Columns, list_file
from relay.portal.page import Page
from relay.portal.problems import sentence_of

AT_ONCE = 50
"""Rows of a page."""

AskFor = Callable[[object, int], Awaitable[tuple[list[Any], object]]]
"""Behind a cursor, so many rows, and the cursor of those behind them; None is the first."""


class Shown(msgspec.Struct, frozen=True):
    """A page of a list."""

    form: Form
    """The filter, as it stands in the address."""
    rows: list[Any]
    """Nothing where the filter is wrong."""
    next_cursor: object


class AnswerList:
    """A list of what an endpoint of `/relay/…` answers, page by page."""

    def __init__(
        self,
        ask_of: Callable[[Page, Form], AskFor],
        columns: Columns,
        *,
        name: str,
        title: Callable[[Page], str],
    ) -> None:
        """`ask_of`: reads the filter, and tells what cannot be beside its field."""
        self._ask_of, self._columns = ask_of, columns
        self._name, self._title = name, title

    async def page(self, page: Page) -> Shown:
        """Ask for what the address asks for."""
        form = _asked(page)
        ask, cursor = self._ask_of(page, form), form.text("cursor")
        rows: list[Any] = []
        next_cursor: object = None
        if form.is_right:
            try:
                rows, next_cursor = await ask(cursor, AT_ONCE)
            except InvalidParameter as error:
                form.errors[error.field] = sentence_of(error, page)
        return Shown(form, rows, next_cursor)

    async def file(self, page: Page, form_name: str, *, back: str) -> Response[Any]:
        """Answer all rows; `back`: the page that says beside its field what cannot be asked."""
        form = _asked(page)
        ask = self._ask_of(page, form)
        if form.is_right:
            try:
                return await list_file(
                    *(page, lambda cursor: ask(cursor, OF_FILE - 1), self._columns, form_name),
                    name=self._name,
                    title=self._title(page),
                )
            except InvalidParameter:
                pass
        return page.go(page.moved_to(back))


def _asked(page: Page) -> Form:
    return Form(page.say, values=dict(page.request.query_params.items()))
