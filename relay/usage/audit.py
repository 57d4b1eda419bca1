"""The books recomputed, and with them some of the days that are kept summed up."""

from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.ledger.invariants import DIFFERENCES_MAX, AuditReport, Difference, audit
from relay.months import Window
from relay.usage.raw import FIGURES, plan_for_values
from relay.usage.roll import KEPT, KEYS, OF_WHAT, SUM_UP, day_values
from relay.usage.rolled import HOLDS

DAYS = 3
"""Or hours; of those that hold, at random: over time all of them."""
RULE = "a day that is kept summed up is what its tasks and entries come to"
CHOOSE = text(f"SELECT d.* FROM rolled_days d WHERE {HOLDS} ORDER BY random() LIMIT {DAYS}")  # noqa: S608 (constants)
USAGE = text("SELECT * FROM rolled_usage WHERE day_id = :day_id")
WHOLE = text("SELECT * FROM rolled_whole WHERE day_id = :day_id")

Lines = dict[tuple[Any, ...], dict[str, int]]


async def audit_all(session: AsyncSession) -> AuditReport:
    """Recompute the books; begins the session's transaction, as `audit` does."""
    report = await audit(session)
    found = await find_differing_days(session)
    return msgspec.structs.replace(
        report, ok=report.ok and not found, differences=[*report.differences, *found]
    )


async def find_differing_days(session: AsyncSession) -> list[Difference]:
    """Sum up some of the days that are kept once more; in a session that began with a snapshot.

    Reads only. No quota is off by what they differ in: pages of usage are.
    """
    await plan_for_values(session)
    found: list[Difference] = []
    for day in (await session.execute(CHOOSE)).all():
        window = Window(day.start_at, day.until_at)
        values = await day_values(session, window, currency=day.currency)
        right = _lines(await session.execute(text(SUM_UP), values), KEYS, KEPT)
        kept = await session.execute(USAGE, {"day_id": day.id})
        whole = await session.execute(WHOLE, {"day_id": day.id})
        name = f"{day.start_at.isoformat()} to {day.until_at.isoformat()}"
        found += _differing(name, right, _lines(kept, KEYS, KEPT), KEPT)
        summed, whole_lines = _added_up(right), _lines(whole, OF_WHAT, FIGURES)
        found += _differing(f"{name}, all tenants", summed, whole_lines, FIGURES)
    return found[:DIFFERENCES_MAX]


def _lines(rows: Any, keys: tuple[str, ...], names: tuple[str, ...]) -> Lines:
    return {
        tuple(row[key] for key in keys): {name: row[name] for name in names}
        for row in rows.mappings()
    }


def _added_up(lines: Lines) -> Lines:
    """Add up what has the same keys but those of whom it is."""
    summed: Lines = {}
    for key, figures in lines.items():
        whole = summed.setdefault(key[-len(OF_WHAT) :], dict.fromkeys(FIGURES, 0))
        for name in FIGURES:
            whole[name] += figures[name]
    return summed


def _differing(day: str, right: Lines, kept: Lines, names: tuple[str, ...]) -> list[Difference]:
    nothing = dict.fromkeys(names, 0)
    return [
        Difference(
            rule=RULE,
            row=f"{day}: {name} of {', '.join(map(str, key))}",
            expected=right.get(key, nothing)[name],
            actual=kept.get(key, nothing)[name],
        )
        for key in dict.fromkeys([*right, *kept])
        for name in names
        if right.get(key, nothing)[name] != kept.get(key, nothing)[name]
    ]
