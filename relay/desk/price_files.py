"""All prices and multipliers at once, as a file has them."""

from datetime import datetime, tzinfo

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, note_change
from relay.desk.dated import spelt_for_whom
from relay.desk.errors import NotPossible, Unusable
from relay.desk.names import check_name
from relay.money import plain
from relay.pricing import edit
from relay.pricing.book import KEY, Multiplier, PriceRow
from relay.pricing.difference import Difference, PriceSet, current_set, differ
from relay.pricing.file import FileError, PriceFile, resolve
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.lists import read_adopted
from relay.pricing.underquotes import forget_underquotes
from relay.tenants.edit import mirror_multiplier
from relay.tenants.read import read_tenants

NAMED_MAX = 100
"""Rows that a change names one by one."""


async def compare_file(session: AsyncSession, file: PriceFile) -> tuple[Difference, dict[int, str]]:
    """Say what putting a file in force would change, and how its tenants are called, by our ids.

    Raises:
        Unusable: a tenant or a price group cannot be one, or a row is over; names the row.
    """
    names = await _names(session)
    prices = await read_prices(session)
    for row in file.rows:
        _check_line(row.label, row.one, prices.at)
    for line in file.multipliers:
        _check_line(line.label, line.one, prices.at)
    wanted = _resolved(file, names)
    return differ(current_set(prices, names), wanted, prices.at), names


async def prices_of(session: AsyncSession, file: PriceFile, zone: tzinfo) -> Prices:
    """Say what everybody would pay by a file, with the list of Kling's that is in force.

    Raises:
        Unusable: a tenant that there is not; names the row.
    """
    names = await _names(session)
    wanted = _resolved(file, names)
    in_force = await read_prices(session, zone)
    said = wanted.multiplies_amounts
    return Prices(
        wanted.rows,
        wanted.multipliers,
        (await read_adopted(session)).rows,
        at=in_force.at,
        zone=zone,
        multiplies_amounts=in_force.multiplies_amounts if said is None else said,
    )


async def _names(session: AsyncSession) -> dict[int, str]:
    """Name those who have prices of their own: no sub-tenant does."""
    return {row.id: row.name for row in await read_tenants(session) if row.parent_id is None}


def _resolved(file: PriceFile, names: dict[int, str]) -> PriceSet:
    try:
        return resolve(file, {name: id_ for id_, name in names.items()})
    except FileError as error:
        raise Unusable(str(error)) from error


@act("price.import")
async def import_prices(
    session: AsyncSession, actor: Actor, file: PriceFile, *, seen: Difference | None = None
) -> Difference:
    """Put a file in force, in place of all prices and multipliers that there are.

    `seen`: what whoever decided it was shown. Twice is nothing. Kling's list stays.

    Raises:
        NotPossible: by now something else would change than was seen.
        Unusable: as `compare_file`.
    """
    await edit.lock_prices(session)
    await edit.lock_multipliers(session)
    difference, names = await compare_file(session, file)
    if seen is not None and difference != seen:
        raise NotPossible("price file", "", "prices were changed meanwhile: look again")
    if difference.is_nothing:
        return difference
    await edit.change_all(session, ended=difference.ended, added=difference.added)
    both = (*difference.ended, *difference.added)
    await forget_underquotes(session, *(one for one in both if isinstance(one, PriceRow)))
    await _mirror_multipliers(session, both)
    if difference.multiplies_amounts is not None:
        await edit.say_amounts(session, are_multiplied=difference.multiplies_amounts)
    await note_change(
        session,
        actor,
        "price.import",
        kind="price",
        id=None,
        name="file",
        before=_state(difference.ended, names),
        after=_state(difference.added, names)
        | {"amounts_are_multiplied": difference.multiplies_amounts},
    )
    return difference


async def _mirror_multipliers(
    session: AsyncSession, changed: tuple[PriceRow | Multiplier, ...]
) -> None:
    """Have the release before price by the tenants' own, as they are now."""
    own = {
        one.tenant_id
        for one in changed
        if isinstance(one, Multiplier) and one.tenant_id is not None and one.hours is None
    }
    prices = await read_prices(session)
    for tenant_id in own:
        in_force = prices.multiplier(tenant_id, None)
        is_own = in_force is not None and in_force.tenant_id is not None
        times = in_force.times if in_force is not None and is_own else None
        await mirror_multiplier(session, tenant_id, times)


def _check_line(label: str, one: PriceRow | Multiplier, at: datetime) -> None:
    if one.price_group is not None:
        try:
            check_name(one.price_group, what="price group")
        except Unusable as error:
            raise Unusable(f"{label}: {error}") from error
    if one.valid_to is not None and one.valid_to <= at:
        raise Unusable(f"{label}: it is over already: 'until' is in the past")


def _state(changed: list[PriceRow | Multiplier], names: dict[int, str]) -> State:
    shown = [_spelt(one, names) for one in changed[:NAMED_MAX]]
    return {"rows": len(changed), "named": shown}


def _spelt(one: PriceRow | Multiplier, names: dict[int, str]) -> str:
    """Spell a row in one line."""
    tenant = None if one.tenant_id is None else names.get(one.tenant_id)
    words = spelt_for_whom(one, tenant)
    times = [
        f"{name}={at.isoformat()}"
        for name, at in (("from", one.valid_from), ("until", one.valid_to))
        if at is not None
    ]
    if isinstance(one, Multiplier):
        return " ".join(["multiplier", *words, *times, plain(one.times)])
    named = [f"{name}={getattr(one, name)}" for name in KEY[1:] if getattr(one, name) is not None]
    number = f"{one.amount_micros} micros" if one.units is None else f"{plain(one.units)} units"
    by_times = [] if one.multiplier == 1 else [f"x {plain(one.multiplier)}"]
    return " ".join([one.endpoint, *named, *words, *times, number, f"a {one.per.value}", *by_times])
