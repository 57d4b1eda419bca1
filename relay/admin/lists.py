"""Lists: a page with a cursor, or by `Accept` all of it as CSV or JSON lines, streamed.

What is small, or a sum, is read as a whole, and is of one moment in each form.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from litestar import Response
from litestar.response import Stream

from relay.admin.acting import Asked, encoded
from relay.desk.office import Office
from relay.pages.rows import AT_ONCE, CSV, Read, Row, as_csv, cut, read_on
from relay.usage.columns import NOTHING_SPREAD, Spread
from relay.usage.sheet import Sheet, to_csv

__all__ = [
    "AT_ONCE",
    "CSV",
    "JSON",
    "JSONL",
    "Listing",
    "answer_list",
    "answer_sheet",
    "answer_whole",
    "cut",
]

JSON, JSONL = "application/json", "application/jsonl"


class Listing(msgspec.Struct, frozen=True):
    """In which form a list is wanted."""

    media_type: str


def listing(request: Asked) -> Listing:
    """Read `Accept`; JSON where it names none of ours."""
    best = request.accept.best_match([JSON, CSV, JSONL])
    return Listing(best or JSON)


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

    return _stream(wanted, read_on(office.reading, read, rows, next_id), row, spread)


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


def answer_sheet(sheet: Sheet) -> Response[Any]:
    """Answer a document as the one table of CSV that it is."""
    return Response(to_csv(sheet), media_type=CSV)


def _stream(
    wanted: Listing, pages: AsyncIterator[Sequence[Row]], row: type[Row], spread: Spread
) -> Response[Any]:
    spell = as_csv(pages, row, spread) if wanted.media_type == CSV else _as_jsonl(pages)
    return Stream(spell, media_type=wanted.media_type)


async def _as_jsonl(pages: AsyncIterator[Sequence[Row]]) -> AsyncIterator[bytes]:
    async for rows in pages:
        if rows:
            yield b"".join(encoded(one) + b"\n" for one in rows)
