"""Invoices (fapiao) that a tenant asks for itself.

    GET  /relay/invoices?pageSize=…&before=…     its own, newest first, and what is on none
    POST /relay/invoices                         {"entries": [7]}, {"month": "2026-10"}, or {}
    GET  /relay/invoices/{id}/file
    GET  /relay/invoice-profile                  whom they name
    PUT  /relay/invoice-profile                  {"title": "Acme GmbH", "tax_id": "9131…"}

All of it is of an account, so a sub-tenant has none. By what an account is invoiced, top-ups or
closed months, is the operator's to say: by months it would be what was given too.
"""

from typing import Any

import msgspec

from relay.database.engine import Sessions
from relay.desk.errors import Busy, NotPossible, Unusable
from relay.desk.invoices import ProfileChanges, request_invoice, set_invoice_profile
from relay.errors import InvalidParameter, Unavailable, Withheld
from relay.invoices.covered import Coverable, read_uncovered
from relay.invoices.read import ListedInvoice, find_file, find_profile, list_invoices
from relay.invoices.tables import PROFILE_FIELDS, Basis, InvoiceKind, InvoiceProfile
from relay.moments import ms_of
from relay.money import decimal_of
from relay.months import read_month
from relay.proxy.answers import Document
from relay.proxy.asked import Asked, name_now, read_body, tenant_actor
from relay.proxy.query import read_number
from relay.proxy.query_string import read_query
from relay.settings import Settings
from relay.tasks.free_calls import Pace
from relay.tenants.caller import Caller

SIZE_DEFAULT, SIZE_MAX = 20, 50
"""Of a page: each invoice is read with what it covers."""
ACTS_PER_S = 1.0
ID_DIGITS_MAX = 18
TYPES = {
    "pdf": b"application/pdf",
    "ofd": b"application/ofd",
    "xml": b"application/xml",
    "png": b"image/png",
    "jpg": b"image/jpeg",
    "jpeg": b"image/jpeg",
}
"""Of files, by how their names end. All others are bytes: none is a page that a browser runs."""
BYTES = b"application/octet-stream"


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    entries: list[int] | None = None
    month: str | None = None


class _Profile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The whole of it: what is not named, null or empty is taken out."""

    kind: InvoiceKind = InvoiceKind.GENERAL
    title: str
    tax_id: str | None = None
    address: str | None = None
    phone: str | None = None
    bank: str | None = None
    bank_account: str | None = None
    mail: str | None = None

    def __repr__(self) -> str:
        return "_Profile(...)"


class OwnInvoices:
    """Answers a tenant about its invoices, each with what is to stand in `data`.

    Raises:
        Withheld: by all of them, the account is its parent's.
    """

    def __init__(self, sessions: Sessions, settings: Settings) -> None:
        self._sessions = sessions
        self._currency = settings.currency
        self._pace = Pace(ACTS_PER_S)

    async def list(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        _check_payer(caller)
        given = dict(read_query(asked.query))
        size = read_number(given, "pageSize", default=SIZE_DEFAULT, largest=SIZE_MAX)
        before = read_number(given, "before", default=2**63 - 1, largest=2**63 - 1)
        async with self._sessions() as session:
            profile = await find_profile(session, caller.account_id)
            basis = _basis(profile)
            free = await read_uncovered(session, caller.account_id, basis)
            found = await list_invoices(
                session, account_id=caller.account_id, before_id=before, limit=size + 1
            )
        page = found[:size]
        return {
            "currency": self._currency,
            "by": basis.value,
            "free": [_free(one) for one in free],
            "invoices": [_invoice(one) for one in page],
            "next_before": page[-1].id if len(found) > size else None,
        }

    async def request(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Ask for one over top-ups, by default all that are on none, or over a closed month.

        Raises:
            InvalidParameter: nothing was asked for; what it covers may be on another one.
        """
        _check_payer(caller)
        wanted = read_body(asked.body, _Wanted)
        if wanted.month is not None:
            _check_month(wanted.month)
        self._pace.take(caller.tenant_id)
        async with self._sessions.begin() as session:
            name = await name_now(session, caller.tenant_id)
            try:
                row = await request_invoice(
                    *(session, tenant_actor(caller, asked), name),
                    currency=self._currency,
                    entries=wanted.entries,
                    month=wanted.month,
                )
            except NotPossible as error:
                field = "entries" if wanted.month is None else "month"
                why = str(error) if error.kind == "entry" else error.why
                raise InvalidParameter(field, f"{why}; no invoice was requested") from error
            except Busy as error:
                raise Unavailable from error
            (shown,) = await list_invoices(session, invoice_id=row.id, limit=1)
        return _invoice(shown)

    async def file(self, caller: Caller, asked: Asked) -> Document:
        """Hand out what was kept of one that was issued.

        Raises:
            InvalidParameter: there is none, or it is none of the caller's.
        """
        _check_payer(caller)
        key = asked.key
        is_number = key.isascii() and key.isdigit() and len(key) <= ID_DIGITS_MAX
        async with self._sessions() as session:
            found = await list_invoices(
                session,
                account_id=caller.account_id,
                invoice_id=int(key) if is_number else 0,
                limit=1,
            )
            if not found:
                raise InvalidParameter("id", "there is no such invoice")
            file = await find_file(session, found[0].id)
        if file is None:
            raise InvalidParameter("id", "this invoice has no file")
        ending = file.name.rpartition(".")[2].lower()
        return Document(file.bytes, TYPES.get(ending, BYTES))

    async def profile(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        _ = asked
        _check_payer(caller)
        async with self._sessions() as session:
            return _shown(await find_profile(session, caller.account_id))

    async def set_profile(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Say the whole of whom invoices name; those that were requested stay as they were.

        Raises:
            InvalidParameter: nothing was changed.
        """
        _check_payer(caller)
        wanted = read_body(asked.body, _Profile)
        given: dict[str, Any] = {name: getattr(wanted, name) or "" for name in PROFILE_FIELDS}
        self._pace.take(caller.tenant_id)
        async with self._sessions.begin() as session:
            name = await name_now(session, caller.tenant_id)
            try:
                row = await set_invoice_profile(
                    *(session, tenant_actor(caller, asked), name), ProfileChanges(**given)
                )
            except Unusable as error:
                raise InvalidParameter(
                    error.field or "title", f"{error}; nothing was changed"
                ) from error
            except Busy as error:
                raise Unavailable from error
            return _shown(row)


def _check_payer(caller: Caller) -> None:
    if caller.parent_id is not None:
        raise Withheld("there are no invoices here")


def _check_month(spelt: str) -> None:
    try:
        read_month(spelt)
    except ValueError as error:
        raise InvalidParameter("month", "must be a month such as 2026-11") from error


def _basis(profile: InvoiceProfile | None) -> Basis:
    return Basis.TOPUPS if profile is None else Basis(profile.basis)


def _shown(row: InvoiceProfile | None) -> dict[str, Any]:
    """Show a profile as it is put, and by what it is invoiced beside it."""
    told = None if row is None else {name: getattr(row, name) for name in PROFILE_FIELDS}
    return {"by": _basis(row).value, "profile": told}


def _free(one: Coverable) -> dict[str, Any]:
    return {
        "entry_id": one.entry_id,
        "month": one.month,
        "what": one.what,
        "amount": decimal_of(one.amount_micros),
        "reference": one.reference,
        "at": ms_of(one.at),
    }


def _invoice(one: ListedInvoice) -> dict[str, Any]:
    file = None
    if one.file_name is not None:
        file = {"name": one.file_name, "path": f"/relay/invoices/{one.id}/file"}
    return {
        "id": one.id,
        "state": one.state,
        "covers": one.covers,
        "amount": decimal_of(one.amount_micros),
        "currency": one.currency,
        "corrected_since": decimal_of(one.corrected_micros),
        "profile": one.profile,
        "number": one.number,
        "file": file,
        "reason": one.reason,
        "requested_at": ms_of(one.requested_at),
        "issued_at": None if one.issued_at is None else ms_of(one.issued_at),
        "ended_at": None if one.ended_at is None else ms_of(one.ended_at),
    }
