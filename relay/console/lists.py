"""Lists, each stated once: what its filter asks for, for a page and for all of it as a file."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic

import msgspec
from litestar import Response
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.files import list_file
from relay.console.page import Page
from relay.html.form import Form
from relay.pages.rows import Key, ReadByKey, Row
from relay.usage.columns import NOTHING_SPREAD, Spread

AT_ONCE = 50
"""Rows of a page."""
ID_MAX = 2**53

ReadOf = Callable[..., Awaitable[ReadByKey[Key, Row]]]
"""Of a session, a page, a form, and whose list it is by name, such as `tenant_id`: reads the
filter, tells what cannot be beside its field, and says how the rows are read."""


class Shown(msgspec.Struct, Generic[Key, Row], frozen=True):
    """A page of a list."""

    form: Form
    """The filter, as it stands in the address."""
    rows: list[Row]
    """Nothing where the filter is wrong."""
    next_cursor: Key | None


class ListByKey(Generic[Key, Row]):
    """A list of rows by keys that they have for ever."""

    def __init__(
        self,
        read_of: ReadOf[Key, Row],
        row: type[Row],
        *,
        key_of: Callable[[Form], Key | None],
        name: str,
        title: Callable[[Page], str],
        spread: Spread = NOTHING_SPREAD,
    ) -> None:
        """`name`: of its file, without the ending; `title`: of the sheet in it.

        `key_of`: reads the field `cursor`.
        """
        self._read_of: ReadOf[Key, Row] = read_of
        self._row = row
        self._key_of: Callable[[Form], Key | None] = key_of
        self._name, self._title, self._spread = name, title, spread

    async def page(
        self, page: Page, session: AsyncSession, *, most: int = AT_ONCE, **of: int
    ) -> Shown[Key, Row]:
        """Read what the address asks for."""
        form = _asked(page)
        cursor = self._key_of(form)
        read = await self._read_of(session, page, form, **of)
        rows, next_cursor = await read(session, cursor, most) if form.is_right else ([], None)
        return Shown(form, rows, next_cursor)

    async def file(
        self, page: Page, file_form: str, *, back: str, whose: str | None = None, **of: int
    ) -> Response[Any]:
        """Answer all rows that the address asks for; `back`: where is told what cannot be asked.

        `whose`: a word for the file's name.

        Raises:
            NoSuch: there is no such form.
        """
        form = _asked(page)
        async with page.reading() as session:
            read = await self._read_of(session, page, form, **of)
        if not form.is_right:
            return page.go(page.moved_to(back))
        return await list_file(
            *(page, read, self._row, file_form),
            name=self._name if whose is None else f"{self._name}-{whose}",
            title=self._title(page),
            spread=self._spread,
        )


class RowList(ListByKey[int, Row]):
    """A list of rows by their ids, newest first."""

    def __init__(
        self,
        read_of: ReadOf[int, Row],
        row: type[Row],
        *,
        name: str,
        title: Callable[[Page], str],
        spread: Spread = NOTHING_SPREAD,
    ) -> None:
        super().__init__(read_of, row, key_of=_id_of, name=name, title=title, spread=spread)


def _id_of(form: Form) -> int | None:
    return form.whole("cursor", most=ID_MAX)


def _asked(page: Page) -> Form:
    return Form(page.say, values=dict(page.request.query_params.items()))
