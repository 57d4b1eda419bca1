"""What a tenant asks on a path of the relay's own."""

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import AT_ONCE
from relay.desk.actor import Actor, ActorKind
from relay.desk.errors import DoneBefore
from relay.desk.once import refuse_again
from relay.errors import InvalidParameter, TenantDisabled, Unavailable
from relay.form_keys import is_key
from relay.money import micros_of
from relay.tenants.caller import Caller
from relay.tenants.tables import Tenant

Body = TypeVar("Body")
PLACES_MAX, DIGITS_MAX = 6, 12
"""Of an amount: behind the point, and before it."""


class SentBefore(Exception):
    """A form of a page of ours was sent before, and done then; no program is told so."""

    def __init__(self, act: str, at: datetime) -> None:
        """`act`: what it did, as the desk names it."""
        super().__init__(act)
        self.act = act
        self.at = at


class Asked(msgspec.Struct, frozen=True):
    """One request under `/relay/`, read."""

    key: str
    """Of what the path names, such as a delivery."""
    query: bytes
    body: bytes
    request_id: str
    address: str
    """The client's."""


def tenant_actor(caller: Caller, asked: Asked) -> Actor:
    """Say who acts at the desk, with which of its keys."""
    origin = f"api, token {caller.token_id}"
    return Actor(ActorKind.TENANT, caller.tenant, origin=origin, request_id=asked.request_id)


async def refuse_sent_before(session: AsyncSession, caller: Caller, asked: Asked) -> None:
    """Refuse what a form of the portal's did before; what programs ask has no key of a form.

    It is the first thing of its transaction.

    Raises:
        SentBefore
        Unavailable: the same form is being done still.
    """
    if not is_key(asked.request_id):
        return
    try:
        await refuse_again(session, tenant_actor(caller, asked))
    except DoneBefore as error:
        raise SentBefore(error.act, error.at) from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in AT_ONCE:
            raise Unavailable from error
        raise


async def name_now(session: AsyncSession, tenant_id: int) -> str:
    """Read what a caller, or one below it, is called, and keep it so until the commit.

    A key is remembered with its tenant's name for a while, and another one may have that by now.

    Raises:
        TenantDisabled: it was removed meanwhile.
    """
    name = await session.scalar(
        select(Tenant.name)
        .where(Tenant.id == tenant_id, Tenant.removed_at.is_(None))
        .with_for_update(read=True, key_share=True)
    )
    if name is None:
        raise TenantDisabled
    return name


def read_body(body: bytes, kind: type[Body]) -> Body:
    """Read a JSON object; no body at all is an empty one.

    Raises:
        InvalidParameter: which field, and what is wrong with it.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        field = where.strip("`$.").partition("[")[0] or "body"
        raise InvalidParameter(field, what.rstrip(".").lower()) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter("body", "must be a JSON object") from error


def read_micros(field: str, amount: Decimal) -> int:
    """Read an amount of the currency.

    Raises:
        InvalidParameter: it is none.
    """
    exponent = amount.as_tuple().exponent
    if not amount.is_finite() or not isinstance(exponent, int) or exponent < -PLACES_MAX:
        raise InvalidParameter(field, "must be an amount of at most six decimal places")
    if amount.adjusted() > DIGITS_MAX:
        raise InvalidParameter(field, "is more than can be")
    return micros_of(amount)
