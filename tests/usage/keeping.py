"""Days that are kept summed up: how they are rolled, and what is read without them."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from sqlalchemy import text

from relay.database.ids import AccountId
from relay.ledger.figures import read_counted
from relay.months import Window
from relay.usage.charges import ChargeLine, read_charges
from relay.usage.rolled import Rolled, find_rolled
from relay.usage.sums import Usage, UsageKey, read_usage
from relay.worker.roll_days import roll_due
from tests.relay_app import Relay

SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
NEWEST = "SELECT max(id) FROM rolled_days"


async def read(
    relay: Relay, keys: Sequence[UsageKey], window: Window, zone: tzinfo, **of: Any
) -> list[Usage]:
    async with relay.sessions() as session:
        return await read_usage(session, keys, window, zone=zone, currency="USD", **of)


async def read_both(
    relay: Relay, keys: Sequence[UsageKey], window: Window, zone: tzinfo, **of: Any
) -> tuple[list[Usage], list[Usage]]:
    """Read it with the days that are kept and without them, in one snapshot."""
    async with relay.sessions() as session:
        await session.execute(SNAPSHOT)
        kept = await read_usage(session, keys, window, zone=zone, currency="USD", **of)
        await session.execute(text("DELETE FROM rolled_days"))
        raw = await read_usage(session, keys, window, zone=zone, currency="USD", **of)
        await session.rollback()
        return kept, raw


async def read_charges_both(
    relay: Relay, tenant: str, window: Window, zone: tzinfo
) -> tuple[list[ChargeLine], list[ChargeLine]]:
    """The same of what the account of a tenant was charged, as its statement has it."""
    row = await relay.row("SELECT account_id FROM tenants WHERE name = $1", tenant)
    account_id = AccountId(row["account_id"])
    of: dict[str, Any] = {"zone": zone, "currency": "USD"}
    async with relay.sessions() as session:
        await session.execute(SNAPSHOT)
        kept = await read_charges(session, account_id, window, **of)
        await session.execute(text("DELETE FROM rolled_days"))
        raw = await read_charges(session, account_id, window, **of)
        figures = await read_counted(session, account_id, window)
        assert sum(line.amount_micros for line in raw) == figures.charge_micros
        await session.rollback()
        return kept, raw


async def held(relay: Relay, window: Window, zone: tzinfo) -> list[Rolled]:
    """The days that are kept and still hold."""
    async with relay.sessions() as session:
        return await find_rolled(session, window, zone=zone, currency="USD")


async def roll_all(relay: Relay, window: Window, zone: tzinfo) -> list[Rolled]:
    """Roll all that is due; returns what then holds."""
    before: object = None
    now: object = await relay.rows(NEWEST)
    while now != before:
        before = now
        await roll_due(relay.sessions, zone=zone)
        now = await relay.rows(NEWEST)
    return await held(relay, window, zone)
