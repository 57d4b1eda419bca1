"""What prices in units are multiplied by: of a tenant, of a price group, of all."""

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, note_change
from relay.desk.dated import (
    checked_for_whom,
    in_force,
    is_same_time,
    refuse_the_past,
    refuse_times,
    spelt_for_whom,
)
from relay.desk.errors import NoSuch, Unusable
from relay.money import plain
from relay.pricing import edit
from relay.pricing.book import Multiplier
from relay.pricing.prices import find_multipliers
from relay.tenants.edit import mirror_multiplier
from relay.tenants.tables import Tenant


@act("multiplier.set")
async def set_multiplier(
    session: AsyncSession, actor: Actor, one: Multiplier, *, tenant: str | None = None
) -> None:
    """Add a multiplier, from now on or from its `valid_from`, if it says something new.

    What it replaces ends then; one that ends lies over the one for good. `tenant`: of that one.

    Raises:
        NoSuch, NotPossible: the tenant.
        Unusable: it is below 0, or a time or the price group's name.
    """
    check_multiplier(one.times)
    refuse_times(one)
    one = await checked_for_whom(session, one, tenant)
    await edit.lock_multipliers(session)
    at = await refuse_the_past(session, one.valid_from, one.valid_to)
    standing = await find_multipliers(session, one)
    before = in_force(standing, at)
    if any(is_same_time(had, one, before) and had.times == one.times for had in standing):
        return
    await put_multiplier(session, one)
    was = None if before is None else _state(msgspec.structs.replace(before, valid_from=None))
    await _note(session, actor, "multiplier.set", one, tenant, before=was, after=_state(one))


@act("multiplier.end")
async def end_multiplier(
    session: AsyncSession,
    actor: Actor,
    one: Multiplier,
    *,
    tenant: str | None = None,
    at: datetime | None = None,
) -> None:
    """End the multipliers for this whom and these hours, now or later; those to come too.

    Raises:
        NoSuch, NotPossible: no such multiplier, or the tenant.
        Unusable: the moment is over.
    """
    one = await checked_for_whom(session, one, tenant, or_removed=True)
    await edit.lock_multipliers(session)
    moment = await refuse_the_past(session, at)
    standing = await find_multipliers(session, one)
    if not await edit.end_multiplier(session, one, at=at):
        raise NoSuch("multiplier", " ".join(spelt_for_whom(one, tenant)) or "for all")
    if at is None and one.tenant_id is not None and one.hours is None:
        await mirror_multiplier(session, one.tenant_id, None)
    before = in_force(standing, moment) or standing[-1]
    was = _state(msgspec.structs.replace(before, valid_from=None))
    after = None if at is None else {"valid_to": at.isoformat()}
    await _note(session, actor, "multiplier.end", one, tenant, before=was, after=after)


async def put_multiplier(session: AsyncSession, one: Multiplier) -> None:
    """Write one, for the release before too, as far as that can say it."""
    await edit.set_multiplier(session, one)
    if one.valid_from is None and one.tenant_id is not None and one.hours is None:
        await mirror_multiplier(session, one.tenant_id, one.times)


async def put_own(session: AsyncSession, tenant: Tenant, times: Decimal | None) -> None:
    """Give a tenant a multiplier of its own for good, or (None) take it away."""
    one = Multiplier(times or Decimal(0), tenant_id=tenant.id)
    if times is not None:
        await put_multiplier(session, one)
        return
    await edit.end_multiplier(session, one)
    await mirror_multiplier(session, tenant.id, None)


async def own_multiplier(session: AsyncSession, tenant: Tenant) -> Decimal | None:
    """Read what a tenant has of its own, all day and from now on; None is its group's, or all's."""
    at = await refuse_the_past(session)
    standing = await find_multipliers(session, Multiplier(Decimal(1), tenant_id=tenant.id))
    found = in_force(standing, at)
    return None if found is None else found.times


def check_multiplier(times: Decimal) -> None:
    """Refuse one below 0, or raise Unusable."""
    if times < 0:
        raise Unusable("a multiplier is at least 0")


async def _note(
    session: AsyncSession,
    actor: Actor,
    act: str,
    one: Multiplier,
    tenant: str | None,
    *,
    before: State | None,
    after: State | None,
) -> None:
    await note_change(
        session,
        actor,
        act,
        kind="multiplier",
        id=None,
        name=" ".join(spelt_for_whom(one, tenant)) or "all",
        before=before,
        after=after,
    )


def _state(one: Multiplier) -> State:
    state = {
        "multiplier": plain(one.times),
        "valid_from": None if one.valid_from is None else one.valid_from.isoformat(),
        "valid_to": None if one.valid_to is None else one.valid_to.isoformat(),
    }
    return {name: value for name, value in state.items() if value is not None}
