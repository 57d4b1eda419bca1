"""For whom a price or a multiplier is, and when: what is asked of all of them."""

from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.errors import Unusable
from relay.desk.find import tenant_named, tenant_to_act_on
from relay.desk.names import check_name
from relay.pricing.book import Multiplier, PriceRow
from relay.pricing.prices import read_state
from relay.pricing.validity import HOURS_OF_DAY, has_begun, is_over, spelt_hours

Priced = TypeVar("Priced", PriceRow, Multiplier)


def refuse_times(one: PriceRow | Multiplier) -> None:
    """Refuse hours that no day has, and what ends before it begins.

    Raises:
        Unusable
    """
    if one.hours is not None:
        begin, end = one.hours
        if not (0 <= begin < HOURS_OF_DAY and 0 < end <= HOURS_OF_DAY and begin != end):
            raise Unusable("hours are from 0 to 23 until 1 to 24, such as 18-24 or 22-6")
    if one.valid_from is not None and one.valid_to is not None and one.valid_to <= one.valid_from:
        raise Unusable("it ends before it begins")


async def refuse_the_past(
    session: AsyncSession, begins: datetime | None = None, ends: datetime | None = None
) -> datetime:
    """Refuse to change what tasks were priced by; returns when it begins, by default now.

    To be asked behind the lock, so that all that others have set began before.

    Raises:
        Unusable
    """
    now = (await read_state(session)).now
    if any(moment is not None and moment < now for moment in (begins, ends)):
        raise Unusable("a price changes now or later: that moment is over")
    return begins or now


async def checked_for_whom(
    session: AsyncSession, one: Priced, tenant: str | None, *, or_removed: bool = False
) -> Priced:
    """Say by our id which tenant it is for; `or_removed`: one that was removed will do.

    Raises:
        NoSuch, NotPossible: the tenant.
        Unusable: the price group's name, or both are given, or the tenant is a sub-tenant.
    """
    if one.price_group is not None:
        check_name(one.price_group, what="price group")
    if tenant is None:
        return one
    if one.price_group is not None:
        raise Unusable("it is for one tenant, or for a price group")
    find = tenant_named if or_removed else tenant_to_act_on
    found = await find(session, tenant)
    if found.parent_id is not None:
        raise Unusable(
            f"'{tenant}' is a sub-tenant: it has its parent's prices, times its factor",
            field="tenant",
        )
    return msgspec.structs.replace(one, tenant_id=found.id)


def in_force(standing: list[Priced], at: datetime) -> Priced | None:
    """Find which of those for the same whom and hours is in force then: the one that began last."""
    found = [one for one in standing if has_begun(one, at) and not is_over(one, at)]
    return max(reversed(found), key=lambda one: one.valid_from or at, default=None)


def is_same_time(one: Priced, wanted: Priced, in_force: Priced | None) -> bool:
    """Tell whether it holds when another is to hold; from now on, if it is what is in force."""
    is_alike = one is in_force if wanted.valid_from is None else one.valid_from == wanted.valid_from
    return is_alike and one.valid_to == wanted.valid_to


def spelt_for_whom(one: PriceRow | Multiplier, tenant: str | None) -> list[str]:
    """Spell for people for whom it is and when of the day; nothing is all, and always."""
    named = {
        "tenant": tenant,
        "price_group": one.price_group,
        "hours": None if one.hours is None else spelt_hours(one.hours),
    }
    return [f"{name}={value}" for name, value in named.items() if value is not None]
