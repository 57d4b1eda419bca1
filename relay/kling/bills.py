"""What Kling says that it took from an account: `POST /account/billing/{package,balance}`.

Source: docs/kling-api.md 4.16, which has it from the vendor's pages alone: nobody has run this
against the real Kling. So each fact stands in one line here: the paths, the names of fields, how
many rows a page has, how fast one may ask.
"""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import msgspec

from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.transport import Reply
from relay.kling.wire import Fields, fields_of, items_of, read_envelope, text_of, value_of
from relay.moments import MS_MAX, moment_of


class BillList(NamedTuple):
    """One of the two lists."""

    endpoint: Endpoint
    is_cash: bool
    """In money; else in units of packs."""


def _list(name: str) -> Endpoint:
    return Endpoint(
        name=f"account-billing-{name}",
        path=f"/account/billing/{name}",
        kind=EndpointKind.READ,
        is_free=True,
    )


LISTS = (
    BillList(_list("package"), is_cash=False),
    BillList(_list("balance"), is_cash=True),
)
PAGE_SIZE = 500
PAUSE_S = 1.1
"""Between two questions: of `/account/costs` Kling says one a second, of these it says nothing."""
ROWS, CURSOR, HAS_MORE = ("result", "detail"), "next_cursor", "has_more"
TASK, AT, AMOUNT = "task_id", "deduction_time", "deduction_amount"
FUNCTION, CURRENCY = "product_function", "currency"


class BilledRow(msgspec.Struct, frozen=True):
    """One deduction; one below zero is given back."""

    kling_id: str
    at: datetime | None
    """None if it is not said in milliseconds."""
    amount: Decimal
    is_cash: bool
    currency: str | None
    function: str
    """Kling's word for what was made."""


class BillPage(msgspec.Struct, frozen=True):
    """A page of a list."""

    rows: list[BilledRow]
    unread: int
    """Rows without a number that can be read."""
    next_cursor: str | None
    """None: it is the last."""


def read_bill_page(reply: Reply, *, is_cash: bool) -> BillPage:
    """Read a page; one that is no page has no rows."""
    envelope = read_envelope(reply)
    data = fields_of(envelope.data) if envelope is not None and envelope.code == 0 else {}
    outer, inner = ROWS
    details = items_of(fields_of(data.get(outer)).get(inner, msgspec.UNSET))
    rows = [_row(fields_of(item), is_cash=is_cash) for item in details]
    cursor = text_of(data.get(CURSOR)) if value_of(data.get(HAS_MORE)) else ""
    known = [row for row in rows if row is not None]
    return BillPage(known, len(rows) - len(known), cursor or None)


def _row(fields: Fields, *, is_cash: bool) -> BilledRow | None:
    try:
        amount = Decimal(text_of(fields.get(AMOUNT)))
    except InvalidOperation:
        return None
    if not amount.is_finite():
        return None
    return BilledRow(
        kling_id=text_of(fields.get(TASK)),
        at=_moment(text_of(fields.get(AT))),
        amount=amount,
        is_cash=is_cash,
        currency=text_of(fields.get(CURRENCY)) or None if is_cash else None,
        function=text_of(fields.get(FUNCTION)),
    )


def _moment(ms: str) -> datetime | None:
    is_one = ms.isascii() and ms.isdigit() and len(ms) < 16 and int(ms) <= MS_MAX  # noqa: PLR2004
    return moment_of(int(ms)) if is_one else None
