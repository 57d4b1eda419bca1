"""Invoices (fapiao): whom they name, what can be asked for, and those that were."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.status_codes import HTTP_422_UNPROCESSABLE_ENTITY

from relay.errors import InvalidParameter, RelayError
from relay.html.form import Form, read_form
from relay.portal.files import Columns, as_file
from relay.portal.gate import ROOT
from relay.portal.lists import AnswerList, AskFor
from relay.portal.page import Asked, Page
from relay.portal.problems import sentence_of

HERE = f"{ROOT}/money/invoices"
ANSWERED_MAX = 50
"""Invoices in an answer of `GET /relay/invoices`."""
KINDS = ("special", "general", "plain")
FIELDS = ("title", "tax_id", "address", "phone", "bank", "bank_account", "mail")
COLUMNS = Columns(
    (
        *("id", "number", "state", "reason", "covers", "amount", "currency"),
        *("requested_at", "issued_at", "ended_at", "file_name", "kind", *FIELDS),
    ),
    amounts=("amount",),
    moments=("requested_at", "issued_at", "ended_at"),
)
ENDINGS = {
    "application/pdf": "pdf",
    "application/ofd": "ofd",
    "application/xml": "xml",
    "image/png": "png",
    "image/jpeg": "jpg",
}


class Invoices(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """List those that were asked for, and what is on none."""
        return await _show(page, Form(page.say))

    @get("/list/{form_name:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give those that were asked for as a file, all of them."""
        return await INVOICES.file(page, form_name, back=HERE)

    @post()
    async def request_one(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask for one over what was chosen."""
        form = await read_form(request, page.say)
        months, entries = form.chosen("month"), form.chosen("entry")
        is_known = all(one.isascii() and one.isdigit() and len(one) < 16 for one in entries)  # noqa: PLR2004 (digits of a number that JSON has whole)
        if not is_known or bool(months) == bool(entries) or len(months) > 1:
            form.errors[""] = page.say("Choose what the invoice is to be over.")
        else:
            wanted = {"month": months[0]} if months else {"entries": [int(one) for one in entries]}
            try:
                await page.asking.post("/invoices", wanted)
            except RelayError as error:
                form.errors[""] = sentence_of(error, page)
            else:
                return page.go(HERE, said="invoice-requested")
        return await _show(page, form, status=HTTP_422_UNPROCESSABLE_ENTITY)

    @get("/profile")
    async def ask_profile(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask whom invoices are to name."""
        told = await page.asking.get("/invoice-profile")
        profile = told["profile"] or {"kind": "general"}
        form = Form(page.say, values={name: value or "" for name, value in profile.items()})
        return await page.render("money/profile.html", form=form, kinds=KINDS)

    @post("/profile")
    async def set_profile(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Say whom invoices are to name from now on."""
        form = await read_form(request, page.say)
        kind = form.choice("kind", KINDS, must=True)
        texts = {name: form.text(name, must=name == "title") for name in FIELDS}
        if form.is_right:
            try:
                await page.asking.put("/invoice-profile", {"kind": kind, **texts})
            except InvalidParameter as error:
                known = error.field if error.field in FIELDS else ""
                form.errors[known] = sentence_of(error, page)
            except RelayError as error:
                form.errors[""] = sentence_of(error, page)
            else:
                return page.go(HERE, said="saved")
        return await page.render(
            "money/profile.html", status=HTTP_422_UNPROCESSABLE_ENTITY, form=form, kinds=KINDS
        )

    @get("/{invoice_id:int}/file")
    async def show_file(
        self, page: NamedDependency[Page], invoice_id: FromPath[int]
    ) -> Response[Any]:
        """Hand out what the provider kept of one."""
        try:
            file = await page.asking.get(f"/invoices/{invoice_id}/file")
        except InvalidParameter as error:
            raise NotFoundException from error
        kind = file.content_type.decode()
        return as_file(file.content, kind, name=f"invoice-{invoice_id}.{ENDINGS.get(kind, 'bin')}")


async def _show(page: Page, form: Form, *, status: int = 200) -> Response[Any]:
    found = await INVOICES.page(page)
    told = await page.asking.get("/invoices", pageSize=1)
    profile = await page.asking.get("/invoice-profile")
    return await page.render(
        "money/invoices.html",
        status=status,
        form=form,
        by=told["by"],
        free=told["free"],
        invoices=found.rows,
        next_cursor=found.next_cursor,
        profile=profile["profile"],
        chosen=set(form.lists.get("entry", []) + form.lists.get("month", [])),
    )


def _asked_of(page: Page, _: Form) -> AskFor:
    async def ask(before: object, most: int) -> tuple[list[Any], object]:
        size = min(most, ANSWERED_MAX)
        told = await page.asking.get("/invoices", pageSize=size, before=before)
        rows = [
            one | one["profile"] | {"file_name": one["file"] and one["file"]["name"]}
            for one in told["invoices"]
        ]
        return rows, told["next_before"]

    return ask


INVOICES = AnswerList(_asked_of, COLUMNS, name="invoices", title=lambda page: page.say("Invoices"))
