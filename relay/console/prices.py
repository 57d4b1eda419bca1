"""The price book: what is in force and to come, every row of yours ever, and what is missing."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.files import sheet_file
from relay.console.gate import ROOT
from relay.console.page import Asked, Page
from relay.console.price_form import endpoints_of, fields_of, key_of
from relay.desk.shown_prices import ShownPrice, shown_price
from relay.html.days import read_moment
from relay.html.form import Form
from relay.kling.models import RETIRED
from relay.kling.wanted import Wanted
from relay.pricing.book import ANY_ENDPOINT, Multiplier, PriceBook, PriceRow
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.lists import OFFERED, read_adopted
from relay.pricing.missing import read_missing
from relay.pricing.prices import Miss, read_rows
from relay.pricing.quote import UnitPrices, quoted_per
from relay.pricing.validity import holds
from relay.tenants.read import tenants_by_id
from relay.tenants.tables import Tenant
from relay.usage.columns import sheet_of

HERE = f"{ROOT}/prices"
AT_ONCE = 100
"""Rows of a page."""
WHOSE = ("tenant", "group", "all", "official")


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


class Found(NamedTuple):
    """What a page of rows reads."""

    prices: Prices
    rows: list[PriceRow]
    tenants: dict[int, Tenant]


class PriceBooks(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get()
    async def show_book(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List the rows in force, yours first, and those to come; or as of a moment."""
        form = Form(page.say, values=dict(request.query_params.items()))
        at = read_moment(form, "at", page.office.settings.zone)
        async with page.reading() as session:
            found = await _read(session, page, at=at)
            adopted = (await read_adopted(session)).name
        wanted = [*_by_standing(found.rows), *_official(found.prices, form)]
        fitting = _fitting(form, wanted, found.tenants)
        coming = [row for row in fitting if when_of(row, found.prices) == "later"]
        in_force = [row for row in fitting if when_of(row, found.prices) != "later"]
        rows, next_cursor = _cut(form, in_force)
        return await page.render(
            "prices/book.html",
            form=form,
            rows=[tell_row(row, found.prices, found.tenants, page) for row in rows],
            coming=[tell_row(row, found.prices, found.tenants, page) for row in coming[:AT_ONCE]],
            more_coming=len(coming[AT_ONCE:]),
            next_cursor=next_cursor,
            at=at,
            adopted=adopted,
            is_newer=adopted != OFFERED.name,
            brought=OFFERED.name,
            **_choices(page, found.prices),
        )

    @get("/history")
    async def show_history(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List every row that was ever set, the newest first, and until when it held."""
        form = Form(page.say, values=dict(request.query_params.items()))
        async with page.reading() as session:
            found = await _read(session, page, with_over=True)
        fitting = _fitting(form, found.rows[::-1], found.tenants)
        rows, next_cursor = _cut(form, fitting)
        return await page.render(
            "prices/history.html",
            form=form,
            rows=[tell_row(row, found.prices, found.tenants, page) for row in rows],
            next_cursor=next_cursor,
            **_choices(page, found.prices),
        )

    @get("/list/{file_form:str}")
    async def as_file(
        self, page: NamedDependency[Page], request: Asked, file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the book, or the history, as a file, all of it."""
        form = Form(page.say, values=dict(request.query_params.items()))
        at, is_history = (
            read_moment(form, "at", page.office.settings.zone),
            form.is_checked("history"),
        )
        async with page.reading() as session:
            found = await _read(session, page, at=at, with_over=is_history)
        official = [] if is_history else _official(found.prices, form)
        if not form.is_right:
            return page.go(page.moved_to(f"{HERE}/history" if is_history else HERE))
        names = {id_: one.name for id_, one in found.tenants.items()}
        book = found.prices.book()
        shown = [
            shown_price(row, book.rise(row), names)
            for row in _fitting(form, [*found.rows, *official], found.tenants)
        ]
        sheet = sheet_of(page.say("Prices"), ShownPrice, shown)
        return await sheet_file(sheet, file_form, name="prices")

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


async def _read(
    session: AsyncSession, page: Page, *, at: datetime | None = None, with_over: bool = False
) -> Found:
    prices = await read_prices(session, page.office.settings.zone, at=at)
    own = [*prices.standing_rows, *prices.coming_rows]
    rows = await read_rows(session) if with_over else own
    ids = {row.tenant_id for row in rows if row.tenant_id is not None}
    return Found(prices, rows, await tenants_by_id(session, ids) if ids else {})


def _official(prices: Prices, form: Form) -> list[PriceRow]:
    """List Kling's rows that are in force; of retired models only where they are asked for."""
    is_all = form.is_checked("retired")
    rows = [row for row in prices.book().rows if not row.is_own]
    return [row for row in rows if is_all or row.model not in RETIRED]


def _by_standing(own: list[PriceRow]) -> list[PriceRow]:
    """Put those for one tenant first, then for groups, for all, and what is for any endpoint."""
    return sorted(
        own,
        key=lambda row: (
            *(row.endpoint == ANY_ENDPOINT, row.tenant_id is None, row.price_group is None),
        ),
    )


def _fitting(form: Form, rows: Sequence[PriceRow], tenants: dict[int, Tenant]) -> list[PriceRow]:
    """Keep what a filter asks for."""
    whose, endpoint = form.choice("whose", WHOSE), form.text("endpoint")
    model, group, tenant = (form.text(name) for name in ("model", "price_group", "tenant"))
    if not form.is_right:
        return []
    return [
        row
        for row in rows
        if endpoint in (None, row.endpoint)
        and (model is None or model.lower() in (row.model or "").lower())
        and group in (None, row.price_group)
        and (tenant is None or (row.tenant_id in tenants and tenants[row.tenant_id].name == tenant))
        and whose in (None, _whose(row))
    ]


def _whose(row: PriceRow) -> str:
    if _is_list(row):
        return "official"
    if row.tenant_id is not None:
        return "tenant"
    return "all" if row.price_group is None else "group"


def _is_list(one: PriceRow | Multiplier) -> bool:
    return isinstance(one, PriceRow) and not one.is_own


def _cut(form: Form, rows: list[Any]) -> tuple[list[Any], int | None]:
    """Cut a page of what was read as a whole: its cursor counts the rows before it."""
    start = form.whole("cursor") or 0
    more = start + AT_ONCE
    return rows[start:more], more if len(rows) > more else None


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
