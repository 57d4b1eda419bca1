"""Lists of price rows: the book as of a moment, and every row that was ever set."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.lists import ListByKey, RowList
from relay.console.page import Page
from relay.desk.shown_prices import ShownPrice, shown_price
from relay.html.days import read_moment
from relay.html.form import Form
from relay.kling.models import is_retired
from relay.pages.rows import Key, Read, ReadByKey
from relay.pricing.book import PriceRow
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.order import place_of, read_place
from relay.pricing.prices import RowFilter, list_rows
from relay.tenants.read import ids_named, tenants_by_id
from relay.tenants.tables import Tenant

CURSOR = "cursor"
OWN = ("tenant", "group", "all")
WHOSE = (*OWN, "official")


class Book(NamedTuple):
    """What holds and is to come at a moment."""

    prices: Prices
    at: datetime | None
    """That was asked for; None is now."""


async def read_book(session: AsyncSession, page: Page, form: Form) -> Book:
    """Read the book of the moment that a filter names."""
    zone = page.office.settings.zone
    at = read_moment(form, "at", zone)
    return Book(await read_prices(session, zone, at=at), at)


async def tenants_of(session: AsyncSession, rows: Sequence[PriceRow]) -> dict[int, Tenant]:
    """Read whom rows are for, by id."""
    ids = {row.tenant_id for row in rows if row.tenant_id is not None}
    return await tenants_by_id(session, ids) if ids else {}


async def _book_of(session: AsyncSession, page: Page, form: Form) -> ReadByKey[str, PriceRow]:
    """Read what is asked for of the book; what cannot be is told beside its field."""
    wanted = await _wanted(session, form, WHOSE)
    prices, _ = await read_book(session, page, form)
    every = [*prices.coming_rows, *prices.standing_rows, *_official(prices, form)]
    placed = [(place_of(row, prices.at), row) for row in every if _fits(row, wanted)]
    placed.sort(key=itemgetter(0))

    async def read(
        _: AsyncSession, behind: str | None, most: int
    ) -> tuple[list[PriceRow], str | None]:
        start = None if behind is None else read_place(behind)
        found = [(place, row) for place, row in placed if start is None or place > start]
        more = found[most - 1][0].spelled() if len(found) > most else None
        return [row for _, row in found[:most]], more

    return read


async def _history_of(session: AsyncSession, _: Page, form: Form) -> Read[PriceRow]:
    """Read what is asked for of all rows that were ever set, the newest first."""
    wanted = await _wanted(session, form, OWN)

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[PriceRow], int | None]:
        found = await list_rows(session, replace(wanted, before_id=before_id), limit=most + 1)
        rows = [row for _, row in found[:most]]
        return rows, found[most - 1][0] if len(found) > most else None

    return read


async def _book_file_of(
    session: AsyncSession, page: Page, form: Form
) -> ReadByKey[str, ShownPrice]:
    prices, _ = await read_book(session, page, form)
    return _as_shown(await _book_of(session, page, form), prices)


async def _history_file_of(session: AsyncSession, page: Page, form: Form) -> Read[ShownPrice]:
    prices = await read_prices(session, page.office.settings.zone)
    return _as_shown(await _history_of(session, page, form), prices)


def _as_shown(read: ReadByKey[Key, PriceRow], prices: Prices) -> ReadByKey[Key, ShownPrice]:
    """Read the same rows as programs are shown them, and files have them."""
    book = prices.book()

    async def read_shown(
        session: AsyncSession, behind: Key | None, most: int
    ) -> tuple[list[ShownPrice], Key | None]:
        rows, more = await read(session, behind, most)
        names = {id_: one.name for id_, one in (await tenants_of(session, rows)).items()}
        return [shown_price(row, book.rise(row), names) for row in rows], more

    return read_shown


async def _wanted(session: AsyncSession, form: Form, among: Sequence[str]) -> RowFilter:
    tenant = form.text("tenant")
    return RowFilter(
        endpoint=form.text("endpoint"),
        model=form.text("model"),
        price_group=form.text("price_group"),
        tenant_ids=None if tenant is None else await ids_named(session, tenant),
        whose=form.choice("whose", among),
    )


def _fits(row: PriceRow, wanted: RowFilter) -> bool:
    """Tell of a row that is read already what `list_rows` asks of those that are stored."""
    whose = "all" if row.price_group is None else "group"
    if not row.is_own:
        whose = "official"
    elif row.tenant_id is not None:
        whose = "tenant"
    return (
        wanted.endpoint in (None, row.endpoint)
        and (wanted.model is None or wanted.model.lower() in (row.model or "").lower())
        and wanted.price_group in (None, row.price_group)
        and (wanted.tenant_ids is None or row.tenant_id in wanted.tenant_ids)
        and wanted.whose in (None, whose)
    )


def _official(prices: Prices, form: Form) -> list[PriceRow]:
    """List Kling's rows that are in force; of retired models only where they are asked for."""
    is_all = form.is_checked("retired")
    rows = [row for row in prices.book().rows if not row.is_own]
    return [row for row in rows if is_all or not is_retired(row.endpoint, row.model)]


def _place_of(form: Form) -> str | None:
    given = form.text(CURSOR, most=2000)
    if given is not None:
        try:
            read_place(given)
        except ValueError:
            form.errors[CURSOR] = form.say("This address cannot be used like that.")
    return given


BOOK = ListByKey(
    *(_book_of, PriceRow), key_of=_place_of, name="prices", title=lambda page: page.say("Prices")
)
BOOK_FILE = ListByKey(
    *(_book_file_of, ShownPrice),
    key_of=_place_of,
    name="prices",
    title=lambda page: page.say("Prices"),
)
HISTORY = RowList(
    _history_of, PriceRow, name="price-history", title=lambda page: page.say("History of prices")
)
HISTORY_FILE = RowList(
    *(_history_file_of, ShownPrice),
    name="price-history",
    title=lambda page: page.say("History of prices"),
)
