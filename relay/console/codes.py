"""Redeem codes: batches, what became of each code, and making, revoking and redeeming them."""

import base64
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.codes.read import ListedCode, list_batches, list_codes
from relay.console.access import may
from relay.console.acting import OK, attempt, is_sure, rehearse
from relay.console.lists import ID_MAX, RowList
from relay.console.money import HERE as MONEY
from relay.console.money import render_of
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of, status_of
from relay.desk.codes import (
    CODES_MAX,
    MadeCode,
    Redeemed,
    batch_numbered,
    make_codes,
    redeem_code,
    revoke_codes,
)
from relay.desk.errors import NoSuch
from relay.desk.shown_codes import codes_sheet
from relay.html.days import read_day
from relay.html.form import Form, read_form
from relay.ledger.tables import TopupKind
from relay.pages.rows import Read, cut
from relay.usage.sheet import to_csv

HERE = f"{MONEY}/codes"
KINDS = (TopupKind.PAID.value, TopupKind.BONUS.value)


class Codes(Controller):
    path = HERE
    guards = (may("code.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List batches, the newest first, with what became of their codes."""
        async with page.reading() as session:
            batches = await list_batches(session)
        return await render_of(page, "money/codes.html", batches=batches)

    @get("/make", guards=[may("code.make")])
    async def ask_make(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask how many, of how much, and until when."""
        return await _ask_make(page, Form(page.say))

    @post("/make", guards=[may("code.make")])
    async def make(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Make a batch, and show its codes this once."""
        form = await read_form(request, page.say)
        settings = page.office.settings
        name, kind = form.text("name", must=True), form.choice("kind", KINDS, must=True)
        amount_micros = form.amount("amount", must=True) or 0
        count = form.whole("count", least=1, most=CODES_MAX, must=True) or 0
        expires_at = read_day(form, "expires_at", settings.zone, is_end=True)
        if expires_at is None and not form.is_checked("forever"):
            form.errors.setdefault("expires_at", page.say("Say a day, or tick that they never do."))

        async def work(session: AsyncSession) -> list[MadeCode]:
            return await make_codes(
                *(session, page.actor, name or ""),
                amount_micros=amount_micros,
                count=count,
                expires_at=expires_at,
                kind=TopupKind(kind or TopupKind.PAID),
                currency=settings.currency,
            )

        planned = amount_micros * count
        if form.is_right and not is_sure(form, planned):
            _, status = await rehearse(page, form, work)
            planned_micros = planned if form.is_right else None
            return await _ask_make(page, form, planned_micros=planned_micros, status=status)
        made, status = await attempt(page, form, work)
        if made is None:
            return await _ask_make(page, form, status=status)
        csv = to_csv(codes_sheet(name or "", made, settings.currency))
        return await render_of(
            *(page, "money/codes_made.html"),
            name=name,
            made=made,
            amount_micros=amount_micros,
            text="\n".join(one.code for one in made),
            csv=base64.b64encode(csv).decode(),
        )

    @get("/redeem", guards=[may("code.redeem")])
    async def ask_redeem(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask for a code, and for whom it is."""
        return await render_of(page, "money/redeem.html", form=Form(page.say), redeemed=None)

    @post("/redeem", guards=[may("code.redeem")])
    async def redeem(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Redeem a code for a tenant, once; again for the same account changes nothing."""
        form = await read_form(request, page.say)
        tenant, code = form.text("tenant", must=True), form.text("code", must=True, most=100)

        async def work(session: AsyncSession) -> Redeemed:
            currency = page.office.settings.currency
            return await redeem_code(
                session, page.actor, tenant or "", code or "", currency=currency
            )

        try:
            redeemed, status = await attempt(page, form, work)
        except NoSuch as error:
            redeemed, status = None, status_of(error)
            form.errors[error.kind if error.kind in form.values else ""] = sentence_of(error, page)
        return await render_of(
            page, "money/redeem.html", status=status, form=form, redeemed=redeemed
        )

    @get("/{batch_id:int}")
    async def show(self, page: NamedDependency[Page], batch_id: FromPath[int]) -> Response[Any]:
        """List a batch's codes, by number and last characters, and who redeemed them."""
        async with page.reading() as session:
            batch = await batch_numbered(session, batch_id)
            (summed,) = await list_batches(session, batch_id=batch.id)
            found = await CODES.page(page, session, batch_id=batch_id)
        return await render_of(
            *(page, "money/codes_of.html"),
            batch=summed,
            codes=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/{batch_id:int}/{file_form:str}")
    async def codes_as_file(
        self, page: NamedDependency[Page], batch_id: FromPath[int], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give what became of each as a file: of the codes themselves only how they end."""
        back = f"{HERE}/{batch_id}"
        return await CODES.file(page, file_form, back=back, whose=str(batch_id), batch_id=batch_id)

    @get("/{batch_id:int}/revoke", guards=[may("code.revoke")])
    async def ask_revoke(
        self, page: NamedDependency[Page], request: Asked, batch_id: FromPath[int]
    ) -> Response[Any]:
        """Say what nobody can redeem any more then."""
        form = Form(page.say, values=dict(request.query_params.items()))
        return await _ask_revoke(page, batch_id, form)

    @post("/{batch_id:int}/revoke", guards=[may("code.revoke")])
    async def revoke(
        self, page: NamedDependency[Page], request: Asked, batch_id: FromPath[int]
    ) -> Response[Any]:
        """Revoke what nobody has redeemed of a batch, or one code of it, for good."""
        form = await read_form(request, page.say)
        code_id, reason = form.whole("code_id", most=ID_MAX), form.text("reason")

        async def work(session: AsyncSession) -> list[int]:
            batch = await batch_numbered(session, batch_id)
            return await revoke_codes(
                session, page.actor, batch.name, code_id=code_id, reason=reason
            )

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{batch_id}", said="revoked")
        return await _ask_revoke(page, batch_id, form, status=status)


async def _codes(session: AsyncSession, _: Page, __: Form, *, batch_id: int) -> Read[ListedCode]:
    """Read what became of a batch's codes.

    Raises:
        NoSuch: there is no such batch.
    """
    await batch_numbered(session, batch_id)

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ListedCode], int | None]:
        found = await list_codes(session, batch_id, before_id=before_id, limit=most + 1)
        return cut(found, most)

    return read


async def _ask_make(
    page: Page, form: Form, *, planned_micros: int | None = None, status: int = OK
) -> Response[Any]:
    return await render_of(
        *(page, "money/codes_make.html"),
        status=status,
        form=form,
        planned_micros=planned_micros,
        kinds=KINDS,
        most=CODES_MAX,
    )


async def _ask_revoke(page: Page, batch_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        batch = await batch_numbered(session, batch_id)
        (summed,) = await list_batches(session, batch_id=batch.id)
    code = form.whole("code_id", most=ID_MAX)
    return await render_of(
        page, "money/revoke.html", status=status, batch=summed, code=code, form=form
    )


CODES = RowList(_codes, ListedCode, name="codes", title=lambda page: page.say("Codes"))
