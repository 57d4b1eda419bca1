"""Questions about channels: the same as `relay check` asks."""

from collections.abc import Iterator

from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found
from relay.channels.read import read_rows
from relay.health.read import Part, Standing, read_standings
from relay.health.rules import State
from relay.money import plain


async def channel_parked(session: AsyncSession, _bound: float, _: Around) -> Found:
    """Ask which have nothing left to pay with."""
    return {
        name: _say(parts)
        for name, standing in await _standings(session)
        if (parts := list(_parts(standing, State.PARKED)))
    }


async def channel_refused(session: AsyncSession, _bound: float, _: Around) -> Found:
    """Ask which Kling refuses as a whole; that an account lacks a model is no news."""
    return {
        name: _say(parts)
        for name, standing in await _standings(session)
        if (parts := [part for part in _parts(standing, State.REFUSED) if part.model is None])
    }


async def units_low(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask whose units last for fewer days than that."""
    return {
        f"{name} {units.kind}": f"{plain(units.remaining)} units, for {units.days_left} days"
        for name, standing in await _standings(session)
        for units in standing.units
        if units.days_left is not None and units.days_left < bound
    }


async def _standings(session: AsyncSession) -> list[tuple[str, Standing]]:
    rows = [row for row in await read_rows(session) if row.enabled]
    standings = await read_standings(session, rows)
    return [(row.name, standings[row.id]) for row in rows]


def _parts(standing: Standing, state: State) -> Iterator[Part]:
    return (part for part in standing.parts if part.state == state)


def _say(parts: list[Part]) -> str:
    said = []
    for part in parts:
        of = "/".join(filter(None, (part.pack, part.model)))
        said.append(f"{of}: {part.reason}" if of else part.reason)
    return "; ".join(said)
