"""Rules and places as operators see them."""

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Found, Rule
from relay.alerts.rules import RULES
from relay.alerts.tables import AlertMessage, AlertPlace, AlertRule, Severity


class ListedRule(msgspec.Struct, frozen=True):
    """How one rule stands."""

    name: str
    severity: Severity
    title: str
    state: str
    """firing, resolved, or unjudged: nobody ever did."""
    since: datetime | None
    found: Found
    told_at: datetime | None
    """When its last message was written."""
    muted_until: datetime | None
    """None if it is not muted now."""
    bound: Decimal | None
    word: str | None
    """What the bound is: above, below."""
    unit: str | None
    is_own: bool
    """Whether the operator has set the bound."""
    pause_s: int
    checked_at: datetime | None
    error: str | None
    """Why it could not be judged the last time."""


class ListedPlace(msgspec.Struct, frozen=True):
    """One place; the rest of its URL is a secret."""

    id: int
    shown: str
    least: str
    created_at: datetime
    arrived_at: datetime | None
    """When a message last did."""
    error: str | None
    """Why the newest one has not, or never will."""


class Standing(msgspec.Struct, frozen=True):
    """All of it."""

    rules: list[ListedRule]
    places: list[ListedPlace]


async def read_alerts(session: AsyncSession) -> Standing:
    """Read all rules and all places."""
    return Standing(await read_rules(session), await list_places(session))


async def read_rules(session: AsyncSession) -> list[ListedRule]:
    """Read all rules, those of which no row is there yet too."""
    now = await session.scalar(select(func.now()))
    assert now is not None, "there is a time"
    rows = {row.name: row for row in await session.scalars(select(AlertRule))}
    return [_rule(rule, rows.get(rule.name), now) for rule in RULES]


async def list_places(session: AsyncSession, *, place_id: int | None = None) -> list[ListedPlace]:
    """List the places, with what became of the last message to each."""
    arrived = (
        select(func.max(AlertMessage.ended_at))
        .where(AlertMessage.place_id == AlertPlace.id, AlertMessage.error.is_(None))
        .scalar_subquery()
    )
    error = (
        select(AlertMessage.error)
        .where(AlertMessage.place_id == AlertPlace.id)
        .order_by(AlertMessage.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (AlertPlace.id, AlertPlace.shown, AlertPlace.least, AlertPlace.created_at)
    query = select(*columns, arrived.label("arrived_at"), error.label("error"))
    if place_id is not None:
        query = query.where(AlertPlace.id == place_id)
    rows = (await session.execute(query.order_by(AlertPlace.id))).mappings()
    return [ListedPlace(**row) for row in rows]


def _rule(rule: Rule, row: AlertRule | None, now: datetime) -> ListedRule:
    own = None if row is None else row.bound
    muted = None if row is None else row.muted_until
    state = "unjudged"
    if row is not None and row.checked_at is not None:
        state = "firing" if row.is_firing else "resolved"
    return ListedRule(
        name=rule.name,
        severity=rule.severity,
        title=rule.title,
        state=state,
        since=None if row is None or state == "unjudged" else row.since,
        found={} if row is None else row.found,
        told_at=None if row is None else row.told_at,
        muted_until=muted if muted is not None and muted > now else None,
        bound=own if own is not None else (rule.bound.at if rule.bound else None),
        word=rule.bound.word if rule.bound else None,
        unit=rule.bound.unit if rule.bound else None,
        is_own=own is not None,
        pause_s=rule.pause_s if row is None or row.pause_s is None else row.pause_s,
        checked_at=None if row is None else row.checked_at,
        error=None if row is None else row.error,
    )
