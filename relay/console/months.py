"""A month of all accounts: what each began and ended with, its files, and closing it for good."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.files import FILES, attached, sheet_file
from relay.console.money import HERE, check_is_too_long, render_of
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of
from relay.database.ids import AccountId
from relay.desk.errors import DeskError, NoSuch, NotAllowed
from relay.desk.months import close_month
from relay.html.days import read_month_of
from relay.html.form import Form, read_form
from relay.months import Month, month_of, read_month
from relay.usage.documents import MOVES, month_files, month_sheet
from relay.usage.month import MonthLine, WholeMonth, read_whole_month
from relay.usage.statement import (
    Statement,
    accounts_of_month,
    begin_snapshot,
    read_statement,
    unclosed_accounts,
)

AT_ONCE = 200
"""Accounts of a page; the sums are of all."""
CLOSING_S = 20.0
"""For how long one form goes on closing: a browser waits, and what is left is closed by the next.
"""
ALWAYS = ("paid_micros", "charge_micros", "refund_micros")
"""Columns that stand there though nothing was of their kind."""
ID_MAX = 2**53
ZIP = "application/zip"


class NotClosed(msgspec.Struct, frozen=True):
    """An account whose month stays open, and why."""

    account_id: int
    why: str


class Months(Controller):
    path = f"{HERE}/month"
    guards = (may("statement.read"),)

    @get()
    async def show(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Show a month of all accounts, by default the one that runs."""
        form = Form(page.say, values=dict(request.query_params.items()))
        month, cursor = read_month_of(form, "month"), form.whole("cursor", most=ID_MAX) or 0
        whole: WholeMonth | None = None
        is_long = False
        this_month = month_of(datetime.now(UTC), page.office.settings.zone)
        if form.is_right:
            try:
                whole = await _read(page, month or this_month)
            except DBAPIError as error:
                is_long = check_is_too_long(error)
        lines = [] if whole is None else [one for one in whole.lines if one.account_id > cursor]
        return await render_of(
            *(page, "money/month.html"),
            form=form,
            month=month or this_month,
            this_month=this_month,
            whole=whole,
            is_long=is_long,
            lines=lines[:AT_ONCE],
            next_cursor=lines[AT_ONCE - 1].account_id if len(lines) > AT_ONCE else None,
            moves=[move for move in MOVES if whole is not None and _is_shown(move[1], whole)],
        )

    @get("/close", guards=[may("account.close_month")])
    async def ask_close(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say what a month comes to that is to be closed, and of how many accounts."""
        return await _ask(page, Form(page.say, values=dict(request.query_params.items())))

    @post("/close", guards=[may("account.close_month")])
    async def close(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Close it, each account in a transaction of its own: nobody's charges wait for all."""
        form = await read_form(request, page.say)
        month, account = read_month_of(form, "month"), form.whole("account", most=ID_MAX)
        if month is None or not form.is_right:
            return await _ask(page, form, status=422)
        zone, began = page.office.settings.zone, time.monotonic()
        async with page.reading() as session:
            ids = await unclosed_accounts(session, month, zone=zone)
        refused: list[NotClosed] = []
        done = 0
        for account_id in ids if account is None else [AccountId(account)]:
            if time.monotonic() - began > CLOSING_S:
                break
            try:
                async with page.acting() as session:
                    await close_month(session, page.actor, account_id, month, zone=zone)
                done += 1
            except (NoSuch, NotAllowed):
                raise
            except DeskError as error:
                refused.append(NotClosed(account_id, sentence_of(error, page)))
        async with page.reading() as session:
            left = await unclosed_accounts(session, month, zone=zone)
        if refused or (account is None and left):
            status = 409 if refused else 200
            return await _ask(page, form, refused=refused, done=done, status=status)
        return page.go(f"{HERE}/month?month={month}", said="month-closed")

    @get("/{month:str}/statements")
    async def statements_as_file(
        self, page: NamedDependency[Page], month: FromPath[str]
    ) -> Response[Any]:
        """Give what `relay month` writes, as one file: all statements, and the sheet of all."""
        which = _month(month)
        found = await _statements(page, which)
        if isinstance(found, Response):
            return found
        currency = page.office.settings.currency
        content = await asyncio.to_thread(month_files, str(which), found, currency=currency)
        return attached(content, ZIP, f"month-{which}.zip")

    @get("/{month:str}/{file_form:str}")
    async def month_as_file(
        self, page: NamedDependency[Page], month: FromPath[str], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the sheet of all accounts, recomputed from their entries."""
        which = _month(month)
        if file_form not in FILES:
            raise NoSuch("page", file_form)
        found = await _statements(page, which)
        if isinstance(found, Response):
            return found
        sheet = month_sheet(str(which), found, currency=page.office.settings.currency)
        return await sheet_file(sheet, file_form, name=f"month-{which}")


def _is_shown(field: str, whole: WholeMonth) -> bool:
    """Tell whether a column says something: of most months those of corrections do not."""
    return field in ALWAYS or any(getattr(one.sums, field) for one in whole.lines)


async def _ask(
    page: Page,
    form: Form,
    *,
    refused: list[NotClosed] | None = None,
    done: int = 0,
    status: int = 200,
) -> Response[Any]:
    """Say what would be closed."""
    month, account = read_month_of(form, "month"), form.whole("account", most=ID_MAX)
    lines: list[MonthLine] = []
    whole = None
    if month is not None and form.is_right:
        whole = await _read(page, month)
        lines = [
            one
            for one in whole.lines
            if one.closed_at is None and account in (None, one.account_id)
        ]
    return await render_of(
        *(page, "money/close.html"),
        status=status,
        form=form,
        month=month,
        account=account,
        whole=whole,
        lines=lines,
        refused=refused or [],
        done=done,
    )


async def _read(page: Page, month: Month) -> WholeMonth:
    async with page.reading() as session:
        await begin_snapshot(session)
        return await read_whole_month(session, month, zone=page.office.settings.zone)


async def _statements(page: Page, month: Month) -> list[Statement] | Response[Any]:
    """Recompute all statements of a month, or answer that some are not right: nobody sends those.

    Raises:
        Occupied: something else is under way that takes as long.
    """
    settings = page.office.settings
    zone, currency = settings.zone, settings.currency

    async def read(session: AsyncSession) -> list[Statement]:
        ids = await accounts_of_month(session, month, zone=zone)
        return [
            await read_statement(session, one, month, zone=zone, currency=currency) for one in ids
        ]

    async with page.office.long() as session:
        found = await read(session)
    wrong = [str(one.account_id) for one in found if not one.is_right]
    if wrong:
        why = page.say(
            "The figures of account %(accounts)s do not agree, or are not those that were kept when"
            " the month was closed. Run relay audit.",
            accounts=", ".join(wrong),
        )
        return page.compose("problem.html", status=409, why=why)
    return found


def _month(text: str) -> Month:
    try:
        return read_month(text)
    except ValueError as error:
        raise NoSuch("page", text) from error
