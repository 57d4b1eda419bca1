"""What waits for an operator now, as counted where each is listed; and what a new relay lacks."""

from datetime import datetime, tzinfo

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.read import ListedRule, read_alerts
from relay.channels.read import read_rows
from relay.channels.tables import Channel
from relay.health.read import Part, Standing, Units, read_standings
from relay.invoices.read import count_requested
from relay.ledger.audits import LastAudit, find_last_audit
from relay.metrics.snapshot import DEAD
from relay.pricing.in_force import read_prices
from relay.pricing.missing import read_missing
from relay.pricing.prices import Miss
from relay.tasks.inspect import TaskFilter, count_tasks
from relay.tasks.tables import Task
from relay.tenants.tables import Tenant

UNITS_RULE = "units-low"


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for somebody; empty lists and zeros are good."""

    firing: list[ListedRule]
    stuck: int
    """Tasks that live too long, have no verdict, or are flagged."""
    flagged: int
    """Of them."""
    channels: list[tuple[Channel, Part]]
    """What keeps which channel from new tasks."""
    are_all_off: bool
    """There are channels, and the operator has switched off every one."""
    units: list[tuple[Channel, Units]]
    """Packs that last for fewer days than the rule's bound."""
    dead: int
    """Callbacks to tenants that were given up."""
    missing: list[Miss]
    requested: int
    """Invoices."""
    audit: LastAudit | None

    @property
    def is_calm(self) -> bool:
        books_differ = self.audit is not None and self.audit.differences > 0
        return not (
            self.firing
            or self.stuck
            or self.channels
            or self.are_all_off
            or self.units
            or self.dead
            or self.missing
            or self.requested
            or books_differ
        )


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """What of a first day is done."""

    has_channel: bool
    has_tenant: bool
    has_own_prices: bool
    """Or multipliers; without any, everybody pays what Kling's list says."""
    has_place: bool
    """For alerts."""


class Overview(msgspec.Struct, frozen=True):
    attention: Attention
    steps: Steps | None
    """None once somebody has made a task: it is no new relay any more."""


async def read_overview(session: AsyncSession, *, now: datetime, zone: tzinfo) -> Overview:
    """Read it all."""
    alerts = await read_alerts(session)
    rows = await read_rows(session)
    standings = await read_standings(session, rows)
    enabled = [(row, standings[row.id]) for row in rows if row.enabled]
    attention = Attention(
        firing=[rule for rule in alerts.rules if rule.state == "firing"],
        stuck=await count_tasks(session, TaskFilter(is_stuck=True)),
        flagged=await count_tasks(session, TaskFilter(is_flagged=True)),
        channels=[(row, part) for row, standing in enabled for part in standing.troubles(now)],
        are_all_off=bool(rows) and not enabled,
        units=_running_out(enabled, alerts.rules),
        dead=await session.scalar(text(DEAD)) or 0,
        missing=await read_missing(session, zone),
        requested=await count_requested(session),
        audit=await find_last_audit(session),
    )
    if await session.scalar(select(func.max(Task.id))) is not None:
        return Overview(attention, None)
    prices = await read_prices(session, zone)
    steps = Steps(
        has_channel=bool(rows),
        has_tenant=await session.scalar(select(Tenant.id).limit(1)) is not None,
        has_own_prices=bool(prices.rows or prices.multipliers),
        has_place=bool(alerts.places),
    )
    return Overview(attention, steps)


def _running_out(
    enabled: list[tuple[Channel, Standing]], rules: list[ListedRule]
) -> list[tuple[Channel, Units]]:
    """Find what the rule of alerts fires for, at the operator's own bound."""
    bound = next(rule.bound for rule in rules if rule.name == UNITS_RULE)
    return [
        (row, units)
        for row, standing in enabled
        for units in standing.units
        if units.days_left is not None and bound is not None and units.days_left < bound
    ]
