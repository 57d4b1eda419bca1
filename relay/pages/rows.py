"""Rows of a list: a page of them, or all as a file, read on page by page.

Each page is read in a transaction of its own: nothing is kept in memory but one page, and a client
that reads slowly holds no snapshot. Rows are in the order of ids that never change, so that none is
told twice or left out; what has no such id has a key of another kind. A file that breaks off ends
without its last chunk, so that no client takes a part for the whole.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from relay.pages.streams import Pieces
from relay.usage.columns import NOTHING_SPREAD, Spread, cells, csv_head, csv_line

CSV = "text/csv"
AT_ONCE = 500
"""Rows of a page of a file."""

Row = TypeVar("Row", bound=msgspec.Struct)
Key = TypeVar("Key", int, str)
ReadByKey = Callable[[AsyncSession, Key | None, int], Awaitable[tuple[list[Row], Key | None]]]
"""Up to so many rows behind a key, and the key that the next ones are behind."""
Read = Callable[[AsyncSession, int | None, int], Awaitable[tuple[list[Row], int | None]]]
"""The same by ids: up to so many rows before one, newest first."""
Reading = Callable[[], AbstractAsyncContextManager[AsyncSession]]
"""Opens a transaction that reads."""


def cut(found: list[Row], most: int) -> tuple[list[Row], int | None]:
    """Make a page of what was read with one row more than it has."""
    rows: list[Any] = found[:most]
    return rows, rows[-1].id if len(found) > most else None


def at_once(found: list[Row]) -> Read[Row]:
    """Read a list that is never long, and is there as a whole: no row is behind its first page."""

    async def read(_: AsyncSession, __: int | None, ___: int) -> tuple[list[Row], int | None]:
        return found, None

    return read


async def read_on(
    reading: Reading, read: ReadByKey[Key, Row], rows: Sequence[Row], next_key: Key | None
) -> AsyncIterator[Sequence[Row]]:
    """Yield a page that was read, and all behind it."""
    yield rows
    at = next_key
    while at is not None:
        async with reading() as session:
            more, at = await read(session, at, AT_ONCE)
        yield more


async def as_csv(
    pages: AsyncIterator[Sequence[Row]], row: type[Row], spread: Spread = NOTHING_SPREAD
) -> AsyncGenerator[bytes, None]:
    yield csv_head(row, spread)
    async for rows in pages:
        if rows:
            yield "".join(csv_line(cells(one, spread)) for one in rows).encode()


async def csv_file(
    reading: Reading,
    read: ReadByKey[Key, Row],
    row: type[Row],
    *,
    name: str,
    spread: Spread = NOTHING_SPREAD,
) -> Response[Any]:
    """Answer all rows of a list as a file to keep; `name`: of the file, without its ending."""
    async with reading() as session:
        rows, next_key = await read(session, None, AT_ONCE)
    return Stream(
        Pieces(as_csv(read_on(reading, read, rows, next_key), row, spread)),
        media_type=CSV,
        headers={"content-disposition": f'attachment; filename="{name}.csv"'},
    )
