"""What fields of bodies, paths and queries may be; the desk judges what more than one decides."""

from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Annotated

from litestar.params import PathParameter, QueryParameter
from msgspec import Meta
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.problems import WrongField
from relay.channels.tables import Channel
from relay.desk.names import CHARS_MAX, NOTES_CHARS_MAX, WORDS_CHARS_MAX
from relay.months import Month, Window, WrongWindow, read_month, window_of
from relay.tenants.tables import Tenant

ID_MAX = 2**63 - 1
MICROS_MAX = 10**15
"""A thousand million of the currency."""
COUNT_MAX = 2**31 - 1
BY_ID = "id:"
"""Before our id, in place of a name: names may be changed."""

Name = Annotated[str, Meta(min_length=1, max_length=CHARS_MAX)]
Words = Annotated[str, Meta(min_length=1, max_length=WORDS_CHARS_MAX)]
Notes = Annotated[str, Meta(min_length=1, max_length=NOTES_CHARS_MAX)]
Micros = Annotated[int, Meta(ge=0, le=MICROS_MAX)]
SignedMicros = Annotated[int, Meta(ge=-MICROS_MAX, le=MICROS_MAX)]
Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
Number = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]
"""A decimal number, as text so that it stays exact."""
Moment = Annotated[datetime, Meta(tz=True)]

PathId = Annotated[int, PathParameter(ge=1, le=ID_MAX)]
PathName = Annotated[
    str,
    PathParameter(
        min_length=1,
        max_length=CHARS_MAX,
        description="Its name, with a slash in it as %2F; or `id:` and its number.",
    ),
]
PathAnyId = Annotated[str, PathParameter(min_length=1, max_length=300)]
PathMonth = Annotated[
    str, PathParameter(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="Such as 2026-11.")
]
QueryId = Annotated[int | None, QueryParameter(ge=1, le=ID_MAX)]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Most rows of a page.")]
Like = Annotated[str | None, QueryParameter(min_length=1, max_length=CHARS_MAX)]
"""A part of what something is called."""
Cursor = Annotated[
    str | None, QueryParameter(max_length=100, description="A page's `next_cursor`.")
]


async def tenant_of(session: AsyncSession, key: str) -> str:
    """Say how a tenant is called that a path names; what there is not is left as it is."""
    return await _name_of(session, Tenant, key)


async def channel_of(session: AsyncSession, key: str) -> str:
    return await _name_of(session, Channel, key)


async def _name_of(session: AsyncSession, table: type[Tenant | Channel], key: str) -> str:
    number = key.removeprefix(BY_ID)
    if number == key or not (number.isascii() and number.isdecimal() and int(number) <= ID_MAX):
        return key
    found: str | None = await session.scalar(select(table.name).where(table.id == int(number)))
    return key if found is None else found


def decimal_or_none(given: str | None) -> Decimal | None:
    return None if given is None else Decimal(given)


def refuse_naive(**moments: datetime | None) -> None:
    """Refuse moments of a query that name no offset."""
    for name, at in moments.items():
        if at is not None and at.tzinfo is None:
            raise WrongField(name, "a moment has its offset, such as 2026-11-27T00:00:00Z")


def read_window(month: str | None, first: date | None, last: date | None, zone: tzinfo) -> Window:
    """Read a month, or `from` a day `to` another one; else this month."""
    try:
        return window_of(month, first, last, zone=zone, now=datetime.now(UTC))
    except WrongWindow as error:
        raise WrongField(error.field, str(error)) from error


def read_cursor(cursor: str | None) -> int | None:
    """Read the id that the next page is before."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and 0 < int(cursor[:20]) <= ID_MAX):
        raise WrongField("cursor", "it is no `next_cursor` of a page")
    return int(cursor)


def month_in(field: str, text: str) -> Month:
    """Read a month such as 2026-11, which a field has."""
    try:
        return read_month(text)
    except ValueError as error:
        raise WrongField(field, str(error)) from error
