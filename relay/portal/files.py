"""Files that a page hands out: kept by whoever asked, and never shown as a page of ours."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Response
from litestar.exceptions import NotFoundException
from litestar.response import Stream

from relay.moments import moment_of
from relay.pages.rows import CSV
from relay.pages.streams import Pieces
from relay.portal.page import Page
from relay.usage.sheet import Cell, Sheet, csv_line, to_xlsx

FORMS = ("csv", "xlsx")
"""As what a list can be had."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLSX_ROWS_MAX = 20_000
"""Such a file is made in memory, beside everybody's requests; CSV has no bound."""
OF_FILE = 500
"""Rows that are asked for at a time."""

Answer = Mapping[str, Any]
Ask = Callable[[object], Awaitable[tuple[Sequence[Answer], object]]]
"""Rows behind a cursor, and the cursor of those behind them; None is the first and the last."""


class Columns(msgspec.Struct, frozen=True):
    """What a list has in a file, of the answers of `/relay/…`: by their names, in this order."""

    names: Sequence[str]
    amounts: Sequence[str] = ()
    counts: Sequence[str] = ()
    moments: Sequence[str] = ("created_at", "ended_at")

    def cells(self, one: Answer) -> list[Cell]:
        """Spell a row: ids as text, amounts exact, moments in UTC, nothing as an empty text.

        What is a list is one cell of JSON, as in operators' files.
        """
        return [self._cell(name, one.get(name)) for name in self.names]

    def _cell(self, name: str, value: Any) -> Cell:
        if value is None:
            return ""
        if name in self.moments:
            return moment_of(value).isoformat(timespec="milliseconds")
        if name in self.amounts:
            return Decimal(value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return msgspec.json.encode(value).decode()
        return int(value) if name in self.counts else str(value)


async def list_file(
    page: Page, ask: Ask, columns: Columns, form: str, *, name: str, title: str
) -> Response[Any]:
    """Answer all rows of a list; `name`: of the file, without its ending, in ASCII.

    The first page is asked before anything is answered: what cannot be is no broken file.

    Raises:
        RelayError: the list cannot be asked for.
    """
    first, cursor = await ask(None)
    if form == "csv":
        return Stream(
            Pieces(_lines(ask, columns, first, cursor)),
            media_type=CSV,
            headers={"content-disposition": f'attachment; filename="{name}.csv"'},
        )
    found = [*first]
    while cursor is not None and len(found) <= XLSX_ROWS_MAX:
        more, cursor = await ask(cursor)
        found += more
    return await table_file(page, columns, found, form, name=name, title=title)


async def table_file(
    page: Page, columns: Columns, rows: Sequence[Answer], form: str, *, name: str, title: str
) -> Response[Any]:
    """Answer a table that is there as a whole."""
    if form not in FORMS:
        raise NotFoundException
    if form == "csv":
        lines = [csv_line([*columns.names]), *(csv_line(columns.cells(one)) for one in rows)]
        content = "".join(lines)
        return as_file(f"\ufeff{content}".encode(), CSV, name=f"{name}.csv")
    if len(rows) > XLSX_ROWS_MAX:
        why = page.say(
            "An Excel file would have more than %(most)s rows: narrow the filter, or take CSV.",
            most=page.spell.number(XLSX_ROWS_MAX),
        )
        return page.compose("problem.html", status=409, why=why)
    laid = [columns.cells(one) for one in rows]
    sheet = Sheet(title=title, facts=(), columns=columns.names, rows=laid)
    # Beside the loop: of many rows it takes seconds.
    return as_file(await asyncio.to_thread(to_xlsx, sheet), XLSX, name=f"{name}.xlsx")


def as_file(content: bytes, content_type: str, *, name: str) -> Response[Any]:
    """`name`: ASCII, without quotes. Of a text the framework says itself that it is UTF-8."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=content_type.partition(";")[0], headers=headers)


async def _lines(
    ask: Ask, columns: Columns, rows: Sequence[Answer], cursor: object
) -> AsyncGenerator[bytes, None]:
    yield f"\ufeff{csv_line([*columns.names])}".encode()
    while True:
        yield "".join(csv_line(columns.cells(one)) for one in rows).encode()
        if cursor is None:
            return
        rows, cursor = await ask(cursor)
