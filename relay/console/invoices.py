"""Invoices: who asked for which, over what, and what became of them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may, may_each
from relay.console.acting import OK, attempt
from relay.console.files import attached
from relay.console.lists import RowList
from relay.console.money import HERE as MONEY
from relay.console.money import render_of
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of
from relay.desk.errors import NoSuch
from relay.desk.find import account_named
from relay.desk.invoices import (
    InvoicePaper,
    invoice_numbered,
    issue_invoice,
    reject_invoice,
    reverse_invoice,
)
from relay.html.days import read_month_of
from relay.html.form import Form, read_form
from relay.html.upload import read_upload
from relay.invoices.read import ListedInvoice, find_file, list_invoices
from relay.invoices.tables import FILE_BYTES_MAX, PROFILE_FIELDS, InvoiceState
from relay.pages.rows import Read, cut

HERE = f"{MONEY}/invoices"
STATES = [state.value for state in InvoiceState]
FORM_BYTES_MAX = FILE_BYTES_MAX + 64 * 1024
"""With the fields beside the file."""
BYTES = "application/octet-stream"

Ending = Callable[..., Awaitable[object]]
ENDINGS: dict[str, tuple[str, Ending, InvoiceState]] = {
    "reject": ("invoice.reject", reject_invoice, InvoiceState.REQUESTED),
    "reverse": ("invoice.reverse", reverse_invoice, InvoiceState.ISSUED),
}
"""How an invoice ends: the act, and of which state."""
MAY_EACH = may_each(lambda act: ENDINGS[act][0] if act in ENDINGS else None)


class Invoices(Controller):
    path = HERE
    guards = (may("invoice.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List invoices, newest first."""
        async with page.reading() as session:
            found = await INVOICES.page(page, session)
        return await render_of(
            *(page, "money/invoices.html"),
            form=found.form,
            invoices=found.rows,
            next_cursor=found.next_cursor,
            states=STATES,
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, with all of each buyer: for tax software."""
        return await INVOICES.file(page, file_form, back=HERE)

    @get("/{invoice_id:int}")
    async def show(self, page: NamedDependency[Page], invoice_id: FromPath[int]) -> Response[Any]:
        """Show one with what it covers."""
        async with page.reading() as session:
            told = await invoice_numbered(session, invoice_id)
        return await render_of(page, "money/invoice.html", told=told)

    @get("/{invoice_id:int}/file")
    async def give_file(
        self, page: NamedDependency[Page], invoice_id: FromPath[int]
    ) -> Response[bytes]:
        """Hand out the file that was kept: to be saved, and never shown as a page of ours."""
        async with page.reading() as session:
            await invoice_numbered(session, invoice_id)
            file = await find_file(session, invoice_id)
        if file is None:
            raise NoSuch("file of invoice", invoice_id)
        return attached(file.bytes, BYTES, file.name)

    @get("/{invoice_id:int}/issue", guards=[may("invoice.issue")])
    async def ask_issue(
        self, page: NamedDependency[Page], invoice_id: FromPath[int]
    ) -> Response[Any]:
        """Ask for its number and its file."""
        return await _ask(page, invoice_id, "issue", Form(page.say))

    @post(
        "/{invoice_id:int}/issue",
        guards=[may("invoice.issue")],
        request_max_body_size=FORM_BYTES_MAX,
    )
    async def issue(
        self, page: NamedDependency[Page], request: Asked, invoice_id: FromPath[int]
    ) -> Response[Any]:
        """Say that it was made; of one that was, keep its file."""
        form = await read_form(request, page.say)
        number, file = form.text("number", must=True, most=100), await read_upload(request, "file")
        if file is not None and len(file.data) > FILE_BYTES_MAX:
            form.errors["file"] = page.say("A file has at most 5 MiB.")
        paper = None if file is None else InvoicePaper(file.name, file.data)
        do = partial(issue_invoice, number=number or "", paper=paper)
        return await _do(page, invoice_id, "issue", form, do)

    @get("/{invoice_id:int}/{act:str}", guards=[MAY_EACH])
    async def ask(
        self, page: NamedDependency[Page], invoice_id: FromPath[int], act: FromPath[str]
    ) -> Response[Any]:
        """Ask why it is rejected, or was reversed."""
        return await _ask(page, invoice_id, act, Form(page.say))

    @post("/{invoice_id:int}/{act:str}", guards=[MAY_EACH])
    async def end(
        self,
        page: NamedDependency[Page],
        request: Asked,
        invoice_id: FromPath[int],
        act: FromPath[str],
    ) -> Response[Any]:
        """Reject or reverse it."""
        if act not in ENDINGS:
            raise NoSuch("page", act)
        form = await read_form(request, page.say)
        do = partial(ENDINGS[act][1], reason=form.text("reason", must=True) or "")
        return await _do(page, invoice_id, act, form, do)


async def _do(
    page: Page, invoice_id: int, act: str, form: Form, do: Callable[..., Awaitable[object]]
) -> Response[Any]:
    async def work(session: AsyncSession) -> None:
        await do(session, page.actor, invoice_id)

    _, status = await attempt(page, form, work)
    if form.is_right:
        return page.go(f"{HERE}/{invoice_id}", said="done")
    return await _ask(page, invoice_id, act, form, status=status)


async def _ask(
    page: Page, invoice_id: int, act: str, form: Form, *, status: int = OK
) -> Response[Any]:
    if act not in (*ENDINGS, "issue"):
        raise NoSuch("page", act)
    async with page.reading() as session:
        told = await invoice_numbered(session, invoice_id)
    return await render_of(
        page, "money/invoice_act.html", status=status, told=told, act=act, form=form
    )


async def _read_of(session: AsyncSession, page: Page, form: Form) -> Read[ListedInvoice]:
    """Read which invoices are asked for; what cannot be is told beside its field."""
    state, month = form.choice("state", STATES), read_month_of(form, "month")
    account, account_id = form.text("account"), None
    if account is not None and form.is_right:
        try:
            account_id = await account_named(session, account)
        except NoSuch as error:
            form.errors["account"] = sentence_of(error, page)
    window = None if month is None else month.window(page.office.settings.zone)

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ListedInvoice], int | None]:
        found = await list_invoices(
            session,
            account_id=account_id,
            state=state,
            window=window,
            before_id=before_id,
            limit=most + 1,
        )
        return cut(found, most)

    return read


INVOICES = RowList(
    *(_read_of, ListedInvoice),
    name="invoices",
    title=lambda page: page.say("Invoices"),
    spread={"profile": PROFILE_FIELDS},
)
