"""The price book: what is in force and to come, every row of yours ever, and what is missing."""

from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.page import Page
from relay.console.price_form import endpoints_of, fields_of, key_of
from relay.console.price_rows import (
    BOOK,
    BOOK_FILE,
    HISTORY,
    HISTORY_FILE,
    WHOSE,
    read_book,
    tenants_of,
)
from relay.kling.wanted import Wanted
from relay.pricing.book import ANY_ENDPOINT, Multiplier, PriceBook, PriceRow
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.lists import OFFERED, read_adopted
from relay.pricing.missing import read_missing
from relay.pricing.prices import Miss
from relay.pricing.quote import UnitPrices, quoted_per
from relay.pricing.validity import holds
from relay.tenants.tables import Tenant

HERE = f"{ROOT}/prices"
AT_ONCE = 100
"""Rows of a page."""


class ToldRow(msgspec.Struct, frozen=True):
    """A row with what a page says of it."""

    row: PriceRow
    tenant: str | None
    micros: Decimal
    """What one task, second or image costs those it is for, with the multiplier that counts; not
    rounded."""
    rise: Decimal
    """So many times its price it is held, since Kling took more."""
    when: str
    """`now`, `later`, `over`, `withdrawn`, or `other` for hours of the day that it is not now."""
    edit: str
    """The query of the form that sets it anew."""
    end: str
    """Of the form that ends it."""


class ToldMiss(NamedTuple):
    """A kind of task without a price."""

    miss: Miss
    edit: str
    """The query of the form that prices it."""
    is_brought: bool
    """Kling's list that this version brings prices it."""


class PriceBooks(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get()
    async def show_book(self, page: NamedDependency[Page]) -> Response[Any]:
        """List the rows to come, and those in force, yours first; or as of a moment."""
        async with page.reading() as session:
            found = await BOOK.page(page, session, most=AT_ONCE)
            book = await read_book(session, page, found.form)
            adopted = (await read_adopted(session)).name
            tenants = await tenants_of(session, found.rows)
        told = [tell_row(row, book.prices, tenants, page) for row in found.rows]
        return await page.render(
            "prices/book.html",
            form=found.form,
            rows=[one for one in told if one.when != "later"],
            coming=[one for one in told if one.when == "later"],
            next_cursor=found.next_cursor,
            at=book.at,
            adopted=adopted,
            is_newer=adopted != OFFERED.name,
            brought=OFFERED.name,
            **_choices(page, book.prices),
        )

    @get("/list/{file_form:str}")
    async def book_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same rows as a file, all of them."""
        return await BOOK_FILE.file(page, file_form, back=HERE)

    @get("/history")
    async def show_history(self, page: NamedDependency[Page]) -> Response[Any]:
        """List every row that was ever set, the newest first, and until when it held."""
        async with page.reading() as session:
            found = await HISTORY.page(page, session, most=AT_ONCE)
            prices = await read_prices(session, page.office.settings.zone)
            tenants = await tenants_of(session, found.rows)
        return await page.render(
            "prices/history.html",
            form=found.form,
            rows=[tell_row(row, prices, tenants, page) for row in found.rows],
            next_cursor=found.next_cursor,
            **_choices(page, prices),
        )

    @get("/history/list/{file_form:str}")
    async def history_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same history as a file, all of it."""
        return await HISTORY_FILE.file(page, file_form, back=f"{HERE}/history")

    @get("/missing")
    async def show_missing(self, page: NamedDependency[Page]) -> Response[Any]:
        """List what tenants asked for and were refused, and what still has no price."""
        async with page.reading() as session:
            found = await read_missing(session, page.office.settings.zone)
            adopted = (await read_adopted(session)).name
        brought = PriceBook([], OFFERED.rows)
        told = [
            ToldMiss(
                one, urlencode(_fields_of_miss(one.wanted)), brought.find(one.wanted) is not None
            )
            for one in found
        ]
        return await page.render(
            "prices/missing.html",
            missing=told,
            brought=OFFERED.name,
            is_newer=adopted != OFFERED.name,
        )


def address_of(place: str = "", **query: str | None) -> str:
    """Spell the address of a page of prices."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{HERE}{place}?{urlencode(given)}" if given else f"{HERE}{place}"


def tell_row(row: PriceRow, prices: Prices, tenants: dict[int, Tenant], page: Page) -> ToldRow:
    """Say of a row what a page needs."""
    tenant = None if row.tenant_id is None else tenants.get(row.tenant_id)
    group = row.price_group if tenant is None else tenant.price_group
    multiplier = prices.multiplier(row.tenant_id, group)
    unit_prices = UnitPrices(*page.office.settings.unit_prices_micros)
    name = None if tenant is None else tenant.name
    fields = fields_of(row, name, prices)
    return ToldRow(
        row,
        name,
        quoted_per(
            row,
            Decimal(1) if multiplier is None else multiplier.times,
            unit_prices,
            bool(prices.multiplies_amounts),
        ),
        prices.book().rise(row),
        when_of(row, prices),
        urlencode(fields),
        urlencode(key_of(fields)),
    )


def when_of(one: PriceRow | Multiplier, prices: Prices) -> str:
    """Say in a word whether it is in force at the moment of `prices`."""
    if one.valid_to is not None and one.valid_from == one.valid_to:
        return "withdrawn"
    if one.valid_from is not None and one.valid_from > prices.at:
        return "later"
    if one.valid_to is not None and one.valid_to <= prices.at:
        return "over"
    return "now" if holds(one, prices.at, prices.zone) else "other"


def _choices(page: Page, prices: Prices) -> dict[str, Any]:
    groups = {one.price_group for one in prices.dated if one.price_group is not None}
    return {
        "endpoints": [*endpoints_of(page), ANY_ENDPOINT],
        "groups": sorted(groups),
        "whose": WHOSE,
    }


def _fields_of_miss(wanted: Wanted) -> dict[str, str]:
    """Fill in the form for a kind of task that was refused: all but its number."""
    key = PriceRow(
        wanted.endpoint,
        model=wanted.model,
        mode=wanted.mode,
        sound=wanted.sound,
        voice=wanted.voice,
        video_input=wanted.video_input,
    )
    has_length = wanted.seconds is not None or wanted.is_open
    way = "units_per_second" if has_length else "units"
    fields = key_of(fields_of(key, None))
    return fields | {"way": "units_per_image" if wanted.is_image else way}
