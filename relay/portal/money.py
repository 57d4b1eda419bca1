"""Money: what there is, each change of it, a month's statement, and a code turned into quota."""

from datetime import UTC, datetime
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_422_UNPROCESSABLE_ENTITY

from relay.errors import InvalidParameter, RelayError
from relay.html.days import read_month_of
from relay.html.form import Form, read_form
from relay.months import month_of
from relay.portal.files import Columns, as_file
from relay.portal.gate import ROOT
from relay.portal.lists import AnswerList, AskFor
from relay.portal.page import Asked, Page
from relay.portal.problems import sentence_of
from relay.portal.windows import read_window

HERE = f"{ROOT}/money"
KINDS = ("topup", "adjust", "charge", "refund", "correction")
FORMATS = ("html", "xlsx", "csv")
COLUMNS = Columns(
    (
        *("id", "created_at", "kind", "topup_kind", "amount", "quota_after", "tenant", "task_id"),
        *("token_id", "model_name", "reference", "currency"),
    ),
    amounts=("amount", "quota_after"),
)


class Money(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show what there is, and what changed it."""
        return await _show(page, Form(page.say))

    @get("/entries/{form_name:str}")
    async def show_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give all entries that a filter leaves as a file."""
        return await ENTRIES.file(page, form_name, back=HERE)

    @post("/redeem")
    async def redeem(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Turn a code into quota."""
        form = await read_form(request, page.say)
        code = form.text("code", must=True, most=100)
        if form.is_right:
            try:
                told = await page.asking.post("/redeem", {"code": code})
            except InvalidParameter:
                form.errors["code"] = page.say(
                    "This code cannot be redeemed: mistyped, used, or over."
                )
            except RelayError as error:
                form.errors[""] = sentence_of(error, page)
            else:
                is_new = told["added"] != "0"
                return page.go(HERE, said="redeemed" if is_new else "redeemed-before")
        return await _show(page, form, status=HTTP_422_UNPROCESSABLE_ENTITY)

    @get("/statement")
    async def show_statement(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Show a month, summed up from its entries while it is asked for."""
        form = Form(page.say, values=dict(request.query_params.items()))
        this = month_of(datetime.now(UTC), page.zone)
        month = read_month_of(form, "month") or this
        told = None
        if form.is_right:
            told = await page.asking.get("/statement", month=str(month))
        return await page.render(
            "money/statement.html", form=form, month=month, this=this, statement=told
        )

    @get("/statement/{month:str}/{form_name:str}")
    async def show_statement_file(
        self, page: NamedDependency[Page], month: FromPath[str], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give a month as a file."""
        chosen = Form(page.say, values={"month": month, "format": form_name})
        spelt = read_month_of(chosen, "month")
        if spelt is None or form_name not in FORMATS:
            raise InvalidParameter("month, format", "must be a month, and html, xlsx or csv")
        file = await page.asking.get("/statement", month=str(spelt), format=form_name)
        return as_file(
            file.content, file.content_type.decode(), name=f"statement-{spelt}.{form_name}"
        )


async def _show(page: Page, redeem: Form, *, status: int = 200) -> Response[Any]:
    found = await ENTRIES.page(page)
    return await page.render(
        "money/money.html",
        status=status,
        balance=await page.asking.get("/balance"),
        form=found.form,
        redeem=redeem,
        entries=found.rows,
        next_cursor=found.next_cursor,
        kinds=KINDS,
    )


def _asked_of(page: Page, form: Form) -> AskFor:
    """Read which entries are asked for, in the words of `GET /relay/entries`."""
    wanted = {"kind": form.choice("kind", KINDS), **read_window(form)}

    async def ask(before: object, most: int) -> tuple[list[Any], object]:
        told = await page.asking.get("/entries", pageSize=most, before=before, **wanted)
        rows = [one | {"currency": told["currency"]} for one in told["entries"]]
        return rows, told["next_before"]

    return ask


ENTRIES = AnswerList(_asked_of, COLUMNS, name="entries", title=lambda page: page.say("Entries"))
