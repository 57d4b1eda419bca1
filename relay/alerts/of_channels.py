"""Questions about channels: the same as `relay check` asks."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found, ago
from relay.channels.groups import TEST
from relay.channels.read import read_rows
from relay.health.read import Part, Standing, read_standings
from relay.health.rules import State
from relay.money import plain

MINUTE_S = 60.0


async def no_channel(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask whether none has taken tasks for so many minutes, of all packs or of one.

    Not for want of slots, which is a good day; and not where the operator has switched all off.
    """
    standings = await _standings(session, without_tests=True)
    packs = {part.pack for _, standing in standings for part in standing.parts}
    now = await session.scalar(text("SELECT now()"))
    assert now is not None, "a clock answers"
    found: Found = {}
    for pack in (None, *sorted(filter(None, packs))):
        away = {name: _away(standing, pack) for name, standing in standings}
        if not away or not all(away.values()):
            continue
        since = max(min(part.since for part in parts) for parts in away.values())
        lasted_s = (now - since).total_seconds()
        if lasted_s > bound * MINUTE_S:
            said = "; ".join(f"{name}: {_say(parts)}" for name, parts in away.items())
            found[pack or ""] = f"for {ago(lasted_s)}: {said}"
        if pack is None:
            break  # what is so of all is no news of each
    return found


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


async def _standings(
    session: AsyncSession, *, without_tests: bool = False
) -> list[tuple[str, Standing]]:
    rows = [
        row
        for row in await read_rows(session)
        if row.enabled and not (without_tests and TEST in row.groups)
    ]
    standings = await read_standings(session, rows)
    return [(row.name, standings[row.id]) for row in rows]


def _away(standing: Standing, pack: str | None) -> list[Part]:
    """List what keeps it from all creates of a pack; None is of all packs."""
    return [
        part
        for part in standing.parts
        if part.state != State.OK
        and part.room is None
        and part.model is None
        and part.pack in (None, pack)
    ]


def _parts(standing: Standing, state: State) -> Iterator[Part]:
    return (part for part in standing.parts if part.state == state)


def _say(parts: list[Part]) -> str:
    said = []
    for part in parts:
        of = "/".join(filter(None, (part.pack, part.model)))
        said.append(f"{of}: {part.reason}" if of else part.reason)
    return "; ".join(said)
