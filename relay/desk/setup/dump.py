"""What a relay is, as a file that makes it so: without secrets, quota, tokens and history."""

import re
from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import read_rows
from relay.channels.tables import Channel
from relay.desk.setup.file import SECRETS
from relay.desk.shown import ShownTenant, read_shown_tenants
from relay.limits.read import LimitSeen, read_limits
from relay.limits.tables import IN_MICROS
from relay.money import decimal_of
from relay.pricing.file import spell_tables
from relay.pricing.in_force import read_prices
from relay.tenants.gate import COLUMNS as GATES
from relay.toml_out import spell_table, spell_value

HEAD = """\
# Channels, tenants, limits and prices of this relay. `relay apply FILE` shows what it would change,
# and makes it so. What is left out stays as it is; `remove = true` removes. Keys of channels are
# not in here: each names the variable it is read from, and where that is not set, it stays.
"""
OF_CHANNEL = ("base_url", "enabled", "priority", "weight", "room", "groups", "models", "is_sandbox")
OF_TENANT = (
    *("enabled", "price_group", "tasks_max", "groups", "contact", "shows_quote", "joins_retries"),
    *("queue_s", "queue_weight", "room_min", *GATES),
)
_NO_VARIABLE = re.compile(r"[^A-Z0-9]+")


async def dump_setup(session: AsyncSession, *, zone: tzinfo, currency: str) -> str:
    """Spell all that `relay apply` can make: no sub-tenants."""
    prices = await read_prices(session, zone)
    every = await read_shown_tenants(session, zone=zone, currency=currency)
    tenants = [row for row in every if row.parent is None]  # those below are their parents' to open
    limits = await read_limits(session)
    said = prices.multiplies_amounts
    top = ["prices_are_whole = true\n"]
    if said is not None:
        top.append(f"multiplies_amounts = {spell_value(said)}\n")
    channels = await read_rows(session)
    return "\n".join(
        [
            *(HEAD, *top),
            *(spell_table("channel", _channel(row)) for row in channels),
            *(spell_table("tenant", _tenant(row, limits)) for row in tenants),
            *spell_tables(prices, {row.id: row.name for row in tenants}),
        ]
    )


def _channel(row: Channel) -> dict[str, Any]:
    has = {
        "access_key": row.access_key is not None,
        "secret_key": row.access_key is not None,
        "api_key": row.api_key_sealed is not None,
        "webhook_secret": row.webhook_secret_sealed is not None,
    }
    refs = {name: {"env": variable(row.name, name)} for name in SECRETS if has[name]}
    return {"name": row.name, **{name: getattr(row, name) for name in OF_CHANNEL}, **refs}


def variable(channel: str, secret: str) -> str:
    """Name the variable that a channel's key is read from."""
    return f"CHANNEL_{_NO_VARIABLE.sub('_', channel.upper()).strip('_')}_{secret.upper()}"


def _tenant(row: ShownTenant, limits: Iterable[LimitSeen]) -> dict[str, Any]:
    own = {
        one.kind.value: decimal_of(one.allowed) if one.kind in IN_MICROS else one.allowed
        for one in limits
        if one.tenant_id == row.id and one.token_id is None
    }
    fields = {name: getattr(row, name) for name in OF_TENANT}
    return {"name": row.name, **fields, "limits": own or None}
