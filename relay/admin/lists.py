"""Lists: a page with a cursor, or by `Accept` all of it as CSV or JSON lines, streamed.

What is streamed is read page by page, each in a transaction of its own: nothing is kept in memory
but one page, and a client that reads slowly holds no snapshot. Rows are in the order of ids that
never change, so that none is told twice or left out. A stream that breaks ends without its last
chunk, so that no client takes a part for the whole.

What is small, or a sum, is read as a whole, and is of one moment in each form.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import Asked, encoded
from relay.desk.office import Office
from relay.usage.columns import NOTHING_SPREAD, Spread, cells, csv_head, csv_line

JSON, CSV, JSONL = "application/json", "text/csv", "application/jsonl"
AT_ONCE = 500
"""Rows of a page of a stream."""

Row = TypeVar("Row", bound=msgspec.Struct)
Read = Callable[[AsyncSession, int | None, int], Awaitable[tuple[list[Row], int | None]]]
"""Up to so many rows before an id, and the id that the next ones are before."""


class Listing(msgspec.Struct, frozen=True):
    """In which form a list is wanted."""

    media_type: str


def listing(request: Asked) -> Listing:
    """Read `Accept`; JSON where it names none of ours."""
    best = request.accept.best_match([JSON, CSV, JSONL])
    return Listing(best or JSON)


def cut(found: list[Row], most: int) -> tuple[list[Row], int | None]:
    """Make a page of what was read with one row more than it has."""
    rows: list[Any] = found[:most]
    return rows, rows[-1].id if len(found) > most else None


async def answer_list(
    office: Office,
    wanted: Listing,
    read: Read[Row],
    row: type[Row],
    *,
    page: type[Any],
    before_id: int | None,
    limit: int,
    spread: Spread = NOTHING_SPREAD,
) -> Response[Any]:
    """Answer a page, or stream all from there on; `limit` is of a page."""
    is_page = wanted.media_type == JSON
    async with office.reading() as session:
        rows, next_id = await read(session, before_id, limit if is_page else AT_ONCE)
    if is_page:
        cursor = None if next_id is None else str(next_id)
        return Response(msgspec.Raw(encoded(page(rows, cursor))))

    async def pages() -> AsyncIterator[Sequence[Row]]:
        yield rows
        at = next_id
        while at is not None:
            async with office.reading() as session:
                more, at = await read(session, at, AT_ONCE)
            yield more

    return _stream(wanted, pages(), row, spread)


def answer_whole(
    wanted: Listing,
    shown: object,
    rows: Sequence[Row],
    row: type[Row],
    *,
    spread: Spread = NOTHING_SPREAD,
) -> Response[Any]:
    """Answer what was read as a whole: `shown` as JSON, its `rows` as CSV and JSON lines."""
    if wanted.media_type == JSON:
        return Response(msgspec.Raw(encoded(shown)))

    async def pages() -> AsyncIterator[Sequence[Row]]:
        for at in range(0, len(rows), AT_ONCE):
            yield rows[at : at + AT_ONCE]

    return _stream(wanted, pages(), row, spread)


def _stream(
    wanted: Listing, pages: AsyncIterator[Sequence[Row]], row: type[Row], spread: Spread
) -> Response[Any]:
    spell = _as_csv(pages, row, spread) if wanted.media_type == CSV else _as_jsonl(pages)
    return Stream(spell, media_type=wanted.media_type)


async def _as_csv(
    pages: AsyncIterator[Sequence[Row]], row: type[Row], spread: Spread
) -> AsyncIterator[bytes]:
    yield csv_head(row, spread)
    async for rows in pages:
        if rows:
            yield "".join(csv_line(cells(one, spread)) for one in rows).encode()


async def _as_jsonl(pages: AsyncIterator[Sequence[Row]]) -> AsyncIterator[bytes]:
    async for rows in pages:
        if rows:
            yield b"".join(encoded(one) + b"\n" for one in rows)
