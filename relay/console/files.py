"""Lists and tables as files to keep: CSV of any length, Excel of what fits into memory."""

import asyncio
import re
from typing import Any
from urllib.parse import quote

from litestar import Response

from relay.console.page import Page
from relay.desk.errors import NoSuch
from relay.pages.rows import Key, ReadByKey, Row, csv_file, read_on
from relay.usage.columns import NOTHING_SPREAD, Spread, sheet_of
from relay.usage.sheet import WRITERS, Sheet

FILES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
}
LISTS = ("csv", "xlsx")
"""As what a list can be had."""
XLSX_ROWS_MAX = 50_000
"""Such a file is made in memory, beside tenants' requests; CSV has no bound."""
AT_ONCE = 500
NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
"""What may not stand in a header as it is."""


async def list_file(
    page: Page,
    read: ReadByKey[Key, Row],
    row: type[Row],
    form: str,
    *,
    name: str,
    title: str,
    spread: Spread = NOTHING_SPREAD,
) -> Response[Any]:
    """Answer all rows of a list; `name`: of the file, without its ending.

    CSV is streamed page by page, and holds no transaction meanwhile.

    Raises:
        NoSuch: there is no such form.
    """
    if form not in LISTS:
        raise NoSuch("page", form)
    if form == "csv":
        return await csv_file(page.reading, read, row, name=name, spread=spread)
    found: list[Row] = []
    async with page.reading() as session:
        rows, next_key = await read(session, None, AT_ONCE)
    async for more in read_on(page.reading, read, rows, next_key):
        found += more
        if len(found) > XLSX_ROWS_MAX:
            why = page.say(
                "An Excel file would have more than %(most)s rows: narrow the filter, or take CSV.",
                most=page.spell.number(XLSX_ROWS_MAX),
            )
            return page.compose("problem.html", status=409, why=why)
    return await sheet_file(sheet_of(title, row, found, spread), form, name=name)


async def sheet_file(sheet: Sheet, form: str, *, name: str) -> Response[bytes]:
    """Answer a table as a file.

    Raises:
        NoSuch: there is no such form.
    """
    if form not in FILES:
        raise NoSuch("page", form)
    # Beside the loop: of many rows it takes seconds.
    content = await asyncio.to_thread(WRITERS[form], sheet)
    return attached(content, FILES[form], f"{name}.{form}")


def attached(content: bytes, media_type: str, name: str) -> Response[bytes]:
    """Answer bytes as a file to keep, by whatever name somebody gave it."""
    plain = NOT_PLAIN.sub("-", name)
    disposition = f'attachment; filename="{plain}"'
    if plain != name:
        disposition += f"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=media_type, headers={"content-disposition": disposition})
