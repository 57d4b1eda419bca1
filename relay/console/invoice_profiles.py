"""Whom invoices name, what of an account is on none, and asking for one."""

from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.invoices import HERE as INVOICES
from relay.console.lists import RowList
from relay.console.money import render_of
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of
from relay.desk.errors import NoSuch
from relay.desk.find import tenant_named, tenant_numbered
from relay.desk.invoices import ProfileChanges, request_invoice, set_invoice_profile
from relay.html.form import Form, read_form
from relay.invoices.covered import Coverable, read_uncovered
from relay.invoices.read import find_profile, list_profiles
from relay.invoices.tables import Basis, Invoice, InvoiceKind, InvoiceProfile
from relay.pages.rows import Read

HERE = f"{INVOICES}/profiles"
KINDS, BASES = [kind.value for kind in InvoiceKind], [basis.value for basis in Basis]
TEXTS = ("title", "tax_id", "address", "phone", "bank", "bank_account", "mail")


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A profile of the list."""

    account_id: int
    tenant_id: int
    """Whose account it is."""
    tenants: str
    """Who draws on the account."""
    kind: str
    basis: str
    title: str
    tax_id: str | None
    address: str | None
    phone: str | None
    bank: str | None
    bank_account: str | None
    mail: str | None
    due_micros: int
    """What is on no invoice yet."""


class Profiles(Controller):
    path = HERE
    guards = (may("invoice.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List who has a profile, and what is on no invoice of each."""
        name = request.query_params.get("tenant", "").strip()
        async with page.reading() as session:
            found = await PROFILES.page(page, session)
            if name:
                try:
                    tenant = await tenant_named(session, name)
                    return page.go(f"{HERE}/{tenant.id}")
                except NoSuch as error:
                    found.form.errors["tenant"] = sentence_of(error, page)
        return await render_of(
            *(page, "money/profiles.html"),
            form=found.form,
            profiles=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await PROFILES.file(page, file_form, back=HERE)

    @get("/{tenant_id:int}")
    async def show(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """Show whom the invoices of a tenant's account name, and what is on none."""
        return await _show(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/request", guards=[may("invoice.request")])
    async def request_one(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask for an invoice over what was chosen; no amount twice."""
        form = await read_form(request, page.say)
        month, entries = form.text("month"), form.chosen("entry")
        if month is None and not entries:
            form.errors["entry"] = page.say("Choose what it is to cover.")
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in entries):  # noqa: PLR2004 (a bigint)
            form.errors["entry"] = page.say("Choose one of the list.")

        async def work(session: AsyncSession) -> Invoice:
            tenant = await tenant_numbered(session, tenant_id)
            return await request_invoice(
                *(session, page.actor, tenant.name),
                currency=page.office.settings.currency,
                entries=None if month is not None else [int(one) for one in entries],
                month=month,
            )

        row, status = await attempt(page, form, work)
        if row is not None:
            return page.go(f"{INVOICES}/{row.id}", said="done")
        return await _show(page, tenant_id, form, status=status)

    @get("/{tenant_id:int}/change", guards=[may("invoice.set_profile")])
    async def ask_change(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask whom invoices are to name."""
        return await _ask(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/change", guards=[may("invoice.set_profile")])
    async def change(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Say it; invoices that were asked for keep what it was then."""
        form = await read_form(request, page.say)
        kind, basis = form.choice("kind", KINDS, must=True), form.choice("basis", BASES, must=True)
        texts = {name: form.text(name, must=name == "title") or "" for name in TEXTS}

        async def work(session: AsyncSession) -> None:
            tenant = await tenant_numbered(session, tenant_id)
            changes = ProfileChanges(
                kind=InvoiceKind(kind or ""), basis=Basis(basis or ""), **texts
            )
            await set_invoice_profile(session, page.actor, tenant.name, changes)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}", said="saved")
        return await _ask(page, tenant_id, form, status=status)


async def _read_of(_: AsyncSession, __: Page, ___: Form) -> Read[Due]:
    async def read(
        session: AsyncSession, behind_id: int | None, most: int
    ) -> tuple[list[Due], int | None]:
        listed = await list_profiles(session, behind_id=behind_id or 0, limit=most + 1)
        found: list[Due] = []
        for one in listed[:most]:
            of = one.profile
            free = await read_uncovered(session, of.account_id, Basis(of.basis))
            found.append(
                Due(
                    account_id=of.account_id,
                    tenant_id=one.tenant_id,
                    tenants=one.tenants,
                    due_micros=sum(item.amount_micros for item in free),
                    **{name: getattr(of, name) for name in ("kind", "basis", *TEXTS)},
                )
            )
        return found, found[-1].account_id if len(listed) > most else None

    return read


PROFILES = RowList(
    _read_of, Due, name="invoice-profiles", title=lambda page: page.say("Whom invoices name")
)


async def _show(page: Page, tenant_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    free: list[Coverable] = []
    async with page.reading() as session:
        tenant = await tenant_numbered(session, tenant_id)
        name, account_id = tenant.name, tenant.account_id
        profile = await find_profile(session, account_id)
        if profile is not None:
            free = await read_uncovered(session, account_id, Basis(profile.basis))
    return await render_of(
        *(page, "money/profile.html"),
        status=status,
        tenant_id=tenant_id,
        tenant=name,
        account_id=account_id,
        profile=profile,
        fields=TEXTS,
        free=free,
        form=form,
    )


async def _ask(page: Page, tenant_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        tenant = await tenant_numbered(session, tenant_id)
        name, profile = tenant.name, await find_profile(session, tenant.account_id)
    return await render_of(
        *(page, "money/profile_change.html"),
        status=status,
        tenant_id=tenant_id,
        tenant=name,
        was=_was(profile),
        form=form,
        kinds=KINDS,
        bases=BASES,
    )


def _was(profile: InvoiceProfile | None) -> dict[str, str]:
    """Spell what stands in the fields of the form."""
    if profile is None:
        first = {"kind": InvoiceKind.GENERAL.value, "basis": Basis.TOPUPS.value}
        return first | dict.fromkeys(TEXTS, "")
    return {name: getattr(profile, name) or "" for name in ("kind", "basis", *TEXTS)}
