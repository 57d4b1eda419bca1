"""Lists as a table, as JSON, or all of one as a file: the same columns as the office's own."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import rich_click as click

from relay.cli.failure import Failure
from relay.cli.file_out import open_out, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import msgspec
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database

    Read = Callable[[AsyncSession, int | None, int], Awaitable[list[Any]]]
    """Up to so many rows before an id, newest first; each with its `id`."""

Row = TypeVar("Row")
TABLE_ROWS = 50
AT_ONCE = 500
"""Rows of a file that are read at once."""
XLSX_ROWS_MAX = 200_000
"""Such a file is made in memory; CSV has no bound."""


class Listing(NamedTuple):
    """In which form a list is wanted, where to, and how much of it."""

    form: str
    out: str | None
    limit: int | None

    @property
    def is_json(self) -> bool:
        return self.form == "json"

    @property
    def is_file(self) -> bool:
        return self.form in ("csv", "xlsx")

    @property
    def rows(self) -> int:
        """Most rows of a table."""
        return self.limit or TABLE_ROWS


def list_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--limit`, `--format`, `--out` and `--json`, passed on as one `listing`."""

    @wraps(function)
    def with_listing(**values: Any) -> Any:
        form, out, is_json = (values.pop(name) for name in ("form", "out", "is_json"))
        listing = Listing("json" if is_json else form, out, values.pop("limit"))
        if listing.form == "xlsx" and out is None:
            raise click.UsageError("An Excel file is no text: say --out FILE.")
        if out is not None and not listing.is_file:
            raise click.UsageError("Say which --format the file is to have: csv or xlsx.")
        return function(listing=listing, **values)

    options = [
        click.option(
            "--limit",
            type=click.IntRange(1),
            help=f"Most rows. Default: {TABLE_ROWS}, and all of csv and xlsx.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(["table", "json", "csv", "xlsx"]),
            default="table",
            show_default=True,
            help="csv and xlsx have all columns, as the office's own lists.",
        ),
        click.option("--out", type=click.Path(dir_okay=False), help="A file, in place of stdout."),
        click.option("--json", "is_json", is_flag=True, help="The same as --format json."),
    ]
    for option in reversed(options):
        option(with_listing)
    return with_listing


def put_list(
    database: Database,
    read: Read,
    row: type[msgspec.Struct],
    listing: Listing,
    *,
    title: str,
    before_id: int | None,
) -> None:
    """Write a list as a file, page by page; of CSV no more than one page is kept.

    Raises:
        Failure: the file cannot be written, or has too many rows for its kind.
    """
    from relay.usage.columns import cells, csv_head, csv_line, sheet_of
    from relay.usage.sheet import WRITERS

    if listing.form == "csv":

        async def write(session: AsyncSession) -> None:
            with open_out(listing.out) as file:
                file.write(csv_head(row))
                async for rows in pages(session, read, before_id, listing.limit):
                    file.write("".join(csv_line(cells(one)) for one in rows).encode())

        database.read(write)
        return

    async def collect(session: AsyncSession) -> list[Any]:
        found: list[Any] = []
        async for rows in pages(session, read, before_id, listing.limit):
            found += rows
            if len(found) > XLSX_ROWS_MAX:
                raise Failure(
                    f"an Excel file would have more than {XLSX_ROWS_MAX:,} rows: ask for less,"
                    " or for --format csv"
                )
        return found

    found = database.read(collect)
    put(WRITERS[listing.form](sheet_of(title, row, found)), listing.out)


async def pages(
    session: AsyncSession, read: Read, before_id: int | None, limit: int | None
) -> AsyncIterator[list[Any]]:
    """Read a list to its end, or so many rows of it."""
    left = limit
    while left is None or left > 0:
        most = AT_ONCE if left is None else min(AT_ONCE, left)
        rows = await read(session, before_id, most)
        if rows:
            yield rows
        if len(rows) < most:
            return
        before_id = rows[-1].id
        left = None if left is None else left - len(rows)
