"""Questions about the books, and what they would be brought back from."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found, ago, spell
from relay.backups.read import old_after_s, read_last_backups
from relay.ledger.audits import find_last_audit
from relay.money import money, plain
from relay.tasks.tables import Deployment

HOUR_S = 3600.0
UNDERQUOTED = """
SELECT price, dearest, rise, risen_at, cardinality(seen_at) AS times FROM price_underquotes
WHERE rise IS NOT NULL OR EXISTS (
    SELECT FROM unnest(seen_at) AS at WHERE at > now() - interval '1 hour'
)
"""
NAMING = ("endpoint", "model", "mode")
"""Of a price row, what tells it from others on a phone."""


async def books_differ(session: AsyncSession, bound: float, around: Around) -> Found:
    """Ask what the last audit found."""
    last = await find_last_audit(session)
    if last is None or last.differences <= bound:
        return {}
    drift = money(last.drift_micros, around.currency)
    return {"": f"{last.differences} rows differ, by {drift}, as of {spell(last.read_at)}"}


async def audit_stale(session: AsyncSession, bound: float, around: Around) -> Found:
    """Ask how long ago the books were audited; `bound` in hours."""
    last = await find_last_audit(session)
    age_s = await _age_s(session, None if last is None else last.read_at)
    if age_s <= max(bound * HOUR_S, 2 * around.audit_every_s):
        return {}
    return {"": "they never were" if last is None else f"the last time was {ago(age_s)} ago"}


async def backup_old(session: AsyncSession, bound: float, around: Around) -> Found:
    """Ask how much would be lost with the disk; `bound` in hours."""
    last = await read_last_backups(session)
    age_s = await _age_s(session, last.made_at)
    if age_s <= max(bound * HOUR_S, old_after_s(around.backup_every_s)):
        return {}
    said = "there is none" if last.made_at is None else f"the newest is {ago(age_s)} old"
    return {"": said if last.error is None else f"{said}; the last try failed: {last.error}"}


async def price_underquoted(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask for which rows Kling took more; `bound`: how many times their price at the most."""
    found: Found = {}
    for row in (await session.execute(text(UNDERQUOTED))).mappings():
        if row["dearest"] <= Decimal(bound):
            continue
        said = f"Kling took {plain(round(row['dearest'], 3))} times the price"
        if row["rise"] is not None:
            times = plain(round(row["rise"], 3))
            said += f"; {times} times it is held since {spell(row['risen_at'])}"
        found[_name_price(row["price"])] = said
    return found


def _name_price(row: dict[str, object]) -> str:
    named = [str(row[field]) for field in NAMING if row.get(field) is not None]
    if row.get("duration_s") is not None:
        named.append(f"{row['duration_s']} s")
    return " ".join(named)


async def _age_s(session: AsyncSession, at: datetime | None) -> float:
    """Say how long ago that was; of what never was: how old this relay is."""
    now, began_at = (await session.execute(select(func.now(), Deployment.created_at))).one()
    age: timedelta = now - (at or began_at)
    return age.total_seconds()
