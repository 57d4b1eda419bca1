"""A file of what a relay is to be, put in force by the acts that there are: all or nothing."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.errors import NotPossible
from relay.desk.price_files import compare_file, import_prices
from relay.desk.setup.alerts import put_places, put_rules
from relay.desk.setup.channels import put_channels, put_costs, remove_channels
from relay.desk.setup.file import SetupFile
from relay.desk.setup.operators import put_operators
from relay.desk.setup.plan import Plan, With, labelled, noting
from relay.desk.setup.tenants import put_tenants, put_tokens, read_standing, remove_tenants
from relay.pricing.difference import slot
from relay.pricing.file import PriceFile, read_file, spell_file
from relay.pricing.in_force import read_prices
from relay.tenants.read import read_tenants


async def apply_setup(
    session: AsyncSession, actor: Actor, file: SetupFile, given: With, *, seen: str | None = None
) -> Plan:
    """Make all as the file says, in the caller's one transaction; twice is nothing.

    Channels first, then tenants with what bounds them, then prices, alerts and operators, and what
    is removed last. What is so already is left alone. Rolled back, what it returns is the plan.
    `seen`: the plan that whoever decided it was shown.

    Raises:
        EntryRefused: names the entry.
        NotPossible: by now it would do something else than was seen.
        SecretKeyError: the secret keys are not this database's.
    """
    notes: list[str] = []
    with noting(session) as acts:
        await put_channels(session, actor, file.channels, given, notes)
        await put_costs(session, actor, file.costs, given)
        if file.tenants or file.tokens:
            standing = await read_standing(session)
            await put_tenants(session, actor, file.tenants, standing, given)
            await put_tokens(*(session, actor, file.tokens, standing), given=given, notes=notes)
        if file.has_prices:
            with labelled("prices"):
                await _put_prices(session, actor, file, given)
        await put_places(session, actor, file.places, given, notes)
        await put_rules(session, actor, file.rules)
        await put_operators(session, actor, file.operators)
        await remove_tenants(session, actor, file.tenants)
        await remove_channels(session, actor, file.channels)
    plan = Plan(acts, notes)
    if seen not in (None, plan.digest):
        raise NotPossible("file", "", "something was changed meanwhile: look at the plan again")
    return plan


async def _put_prices(session: AsyncSession, actor: Actor, file: SetupFile, given: With) -> None:
    """Import the file's prices, with those that stand beside them unless it has them all."""
    wanted = file.prices
    if not file.prices_are_whole:
        names = {row.id: row.name for row in await read_tenants(session)}
        spelt = spell_file(await read_prices(session, given.zone), names)
        there = read_file(spelt, given.zone, given.catalogue)
        wanted = _beside(wanted, there)
    difference, _ = await compare_file(session, wanted)
    if not difference.is_nothing:  # else who may only look may see that nothing is to be done
        await import_prices(session, actor, wanted)


def _beside(wanted: PriceFile, there: PriceFile) -> PriceFile:
    """Add what is there of other keys, people and hours."""

    def merged(lines: list[Any], others: list[Any]) -> list[Any]:
        named = {(slot(line.one), line.tenant) for line in lines}
        return [*lines, *(one for one in others if (slot(one.one), one.tenant) not in named)]

    return PriceFile(
        merged(wanted.rows, there.rows),
        merged(wanted.multipliers, there.multipliers),
        wanted.multiplies_amounts,
    )
