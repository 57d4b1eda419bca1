"""Invoices: who wants them, over what, and what became of them."""

import base64
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import msgspec
from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import (
    ID_MAX,
    Cursor,
    Limit,
    Name,
    PathId,
    PathName,
    Words,
    read_cursor,
    read_window,
)
from relay.admin.lists import Listing, answer_list, cut
from relay.admin.problems import WrongField
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.find import account_named
from relay.desk.invoices import (
    InvoicePaper,
    ProfileChanges,
    invoice_numbered,
    issue_invoice,
    reject_invoice,
    request_invoice,
    reverse_invoice,
    set_invoice_profile,
)
from relay.desk.office import Office
from relay.invoices.read import ListedInvoice, list_invoices
from relay.invoices.tables import PROFILE_FIELDS, Basis, InvoiceKind, InvoiceState

Text = Annotated[str, msgspec.Meta(max_length=500)]
EntryId = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]
Month = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class ProfilePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not named, or null, stays as it is; an empty text takes it out."""

    kind: InvoiceKind | None = None
    basis: Basis | None = None
    title: Text | None = None
    tax_id: Text | None = None
    address: Text | None = None
    phone: Text | None = None
    bank: Text | None = None
    bank_account: Text | None = None
    mail: Text | None = None


class ShownProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an account's invoices name."""

    account_id: int
    kind: InvoiceKind
    basis: Basis
    title: str
    tax_id: str | None
    address: str | None
    phone: str | None
    bank: str | None
    bank_account: str | None
    mail: str | None


class NewInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    account: Name
    """A tenant that draws on it, or its number."""
    entries: list[EntryId] | None = None
    """Top-ups that were paid; null is all that no invoice covers."""
    month: Month | None = None
    """That is closed, of an account that is invoiced by statements."""


class Issue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: Name
    file_name: Name | None = None
    file_base64: str | None = None

    def __repr__(self) -> str:
        return f"Issue({self.number!r})"


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Words
    """The tenant reads it too."""


class InvoicePage(msgspec.Struct, frozen=True):
    invoices: list[ListedInvoice]
    next_cursor: str | None


class Invoices(Controller):
    path = "/admin/v1"
    tags = ("Invoices",)

    @get("/invoices", **reads("invoice.read", 404, streams=True))
    async def list_invoices(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        account: FromQuery[str | None] = None,
        wanted_state: Annotated[InvoiceState | None, QueryParameter(name="state")] = None,
        month: FromQuery[str | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[InvoicePage]:
        """List invoices, newest first; `month`: those that were requested in it."""
        window = None if month is None else read_window(month, None, None, office.settings.zone)
        async with office.reading() as session:
            whose = None if account is None else await account_named(session, account)

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedInvoice], int | None]:
            found = await list_invoices(
                session,
                account_id=whose,
                state=None if wanted_state is None else wanted_state.value,
                window=window,
                before_id=before_id,
                limit=most + 1,
            )
            return cut(found, most)

        return await answer_list(
            *(office, listing, read, ListedInvoice),
            page=InvoicePage,
            before_id=read_cursor(cursor),
            limit=limit,
            spread={"profile": PROFILE_FIELDS},
        )

    @patch("/accounts/{account:str}/invoice-profile", **acts("invoice.set_profile", 404))
    async def set_profile(
        self, desk: NamedDependency[AtDesk], account: PathName, data: JSONBody[ProfilePatch]
    ) -> Response[ShownProfile]:
        """Say whom an account's invoices name, and by what it is invoiced."""

        async def work(session: AsyncSession, actor: Actor) -> ShownProfile:
            changes = ProfileChanges(**msgspec.structs.asdict(data))
            row = await set_invoice_profile(session, actor, account, changes)
            return msgspec.convert(row, ShownProfile, from_attributes=True)

        return await desk.act(work)

    @post("/invoices", **acts("invoice.request", 404))
    async def request(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewInvoice]
    ) -> Response[ListedInvoice]:
        """Ask for an invoice over paid top-ups, or over a closed month; no amount twice."""

        async def work(session: AsyncSession, actor: Actor) -> ListedInvoice:
            row = await request_invoice(
                *(session, actor, data.account),
                currency=desk.settings.currency,
                entries=data.entries,
                month=data.month,
            )
            return await _shown(session, row.id)

        return await desk.act(work, status=201)

    @post("/invoices/{invoice_id:int}/issue", **acts("invoice.issue", 404))
    async def issue(
        self, desk: NamedDependency[AtDesk], invoice_id: PathId, data: JSONBody[Issue]
    ) -> Response[ListedInvoice]:
        """Say which number an invoice was made under, with its file if there is one."""
        do = partial(issue_invoice, number=data.number, paper=_paper(data))
        return await _end(desk, invoice_id, do)

    @post("/invoices/{invoice_id:int}/reject", **acts("invoice.reject", 404))
    async def reject(
        self, desk: NamedDependency[AtDesk], invoice_id: PathId, data: JSONBody[Ending]
    ) -> Response[ListedInvoice]:
        """Say that an invoice is not made; what it covered is free again."""
        return await _end(desk, invoice_id, partial(reject_invoice, reason=data.reason))

    @post("/invoices/{invoice_id:int}/reverse", **acts("invoice.reverse", 404))
    async def reverse(
        self, desk: NamedDependency[AtDesk], invoice_id: PathId, data: JSONBody[Ending]
    ) -> Response[ListedInvoice]:
        """Say that an issued invoice was taken back; what it covered is free again."""
        return await _end(desk, invoice_id, partial(reverse_invoice, reason=data.reason))


async def _end(
    desk: AtDesk, invoice_id: int, do: Callable[[AsyncSession, Actor, int], Awaitable[object]]
) -> Response[ListedInvoice]:
    """Do an act on one invoice, and answer with it as it is then."""

    async def work(session: AsyncSession, actor: Actor) -> ListedInvoice:
        await do(session, actor, invoice_id)
        return await _shown(session, invoice_id)

    return await desk.act(work, status=201)


def _paper(data: Issue) -> InvoicePaper | None:
    if data.file_base64 is None:
        return None
    if data.file_name is None:
        raise WrongField("file_name", "a file has a name")
    try:
        return InvoicePaper(data.file_name, base64.b64decode(data.file_base64, validate=True))
    except ValueError as error:
        raise WrongField("file_base64", "it is no base64") from error


async def _shown(session: AsyncSession, invoice_id: int) -> ListedInvoice:
    return (await invoice_numbered(session, invoice_id)).invoice
