"""Kling's bill for a channel and a month, held against our tasks: each difference by name."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.channels.read import channel_names
from relay.console.access import may
from relay.console.acting import OK, WRONG
from relay.console.files import LISTS, sheet_file
from relay.console.money import HERE as MONEY
from relay.console.money import render_of
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of, status_of
from relay.desk.at_kling import ask_bill, compare_bill, opened_named
from relay.desk.errors import DeskError, NoSuch
from relay.html.days import read_month_of
from relay.html.form import Form, read_form
from relay.months import Month, month_of
from relay.usage.bill import Bill, BillDifference
from relay.usage.columns import sheet_of

SHOWN_MAX = 500
"""Differences on a page: more of them are one mistake, and a file has all."""


class Compared(msgspec.Struct, frozen=True):
    """What came of it."""

    channel: str
    month: Month
    bill: Bill
    has_trial: bool
    """One of that month is on Kling's bill, and no task here."""


class Bills(Controller):
    path = f"{MONEY}/bill"
    guards = (may("bill.read"),)

    @get()
    async def ask(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask for which channel and month; Kling is not asked yet."""
        return await _render(page, Form(page.say, values=dict(request.query_params.items())))

    @post()
    async def compare(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask Kling, which is free, once a second for 500 deductions; and change nothing."""
        form = await read_form(request, page.say)
        compared, status = await _attempt(page, form)
        return await _render(page, form, compared=compared, status=status)

    @post("/{file_form:str}")
    async def compare_to_file(
        self, page: NamedDependency[Page], request: Asked, file_form: FromPath[str]
    ) -> Response[Any]:
        """Ask Kling again, since nothing is kept, and give all differences as a file."""
        if file_form not in LISTS:
            raise NoSuch("page", file_form)
        form = await read_form(request, page.say)
        compared, status = await _attempt(page, form)
        if compared is None:
            return await _render(page, form, status=status)
        sheet = sheet_of(page.say("Kling's bill"), BillDifference, compared.bill.differences)
        name = f"bill-of-{compared.channel}-{compared.month}"
        return await sheet_file(sheet, file_form, name=name)


async def _attempt(page: Page, form: Form) -> tuple[Compared | None, int]:
    """Compare what a form asks for, and say with which status that is answered."""
    name, month = form.text("channel", must=True), read_month_of(form, "month")
    if month is None:
        form.errors.setdefault("month", page.say("A month such as 2026-11."))
    if name is None or month is None or not form.is_right:
        return None, WRONG
    try:
        return await _compare(page, name, month), OK
    except DeskError as error:
        form.errors[""] = sentence_of(error, page)
        return None, status_of(error)


async def _compare(page: Page, name: str, month: Month) -> Compared:
    """Hold them against each other; no transaction is open while Kling is asked.

    Raises:
        NoSuch, NotPossible
        Occupied: something else is under way that takes as long.
    """
    office = page.office
    window = month.window(office.settings.zone)
    async with office.alone():
        async with page.reading() as session:
            opened, _ = await opened_named(session, office.keys, name)
        rows, unread = await ask_bill(office.transport, opened, window)
        async with office.patient.begin() as session:
            bill, has_trial = await compare_bill(session, opened.id, window, rows, unread=unread)
    return Compared(name, month, bill, has_trial)


async def _render(
    page: Page, form: Form, *, compared: Compared | None = None, status: int = OK
) -> Response[Any]:
    async with page.reading() as session:
        channels = await channel_names(session)
    return await render_of(
        *(page, "money/bill.html"),
        status=status,
        form=form,
        compared=compared,
        channels=channels,
        shown_max=SHOWN_MAX,
        last_month=month_of(datetime.now(UTC), page.office.settings.zone).previous,
    )
