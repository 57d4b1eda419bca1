"""What a relay is, as a file that makes it so: without secrets, quota, tokens and history."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.tables import AlertPlace, AlertRule
from relay.channels.costs import ListedCost, list_costs
from relay.channels.read import read_rows
from relay.channels.tables import Channel
from relay.desk.setup.channels import costs_that_tell
from relay.desk.setup.tenants import OF_TENANT, OF_TOKEN
from relay.desk.shown import ShownTenant, read_shown_tenants
from relay.desk.sub_tenants import OF_WHO_PAYS
from relay.kling.way import certificates_of
from relay.limits.read import LimitSeen, read_limits
from relay.limits.tables import IN_MICROS
from relay.money import decimal_of
from relay.operators.read import read_operators
from relay.operators.tables import Operator
from relay.pricing.file import spell_tables
from relay.pricing.in_force import read_prices
from relay.tenants.gate import COLUMNS as GATES
from relay.tenants.read import read_named_tokens
from relay.tenants.tables import Token
from relay.toml_out import spell_table, spell_value

HEAD = """\
# This relay. `relay apply FILE` shows what it would change, and makes it so. What is left out stays
# as it is; `remove = true` removes. No secret is in here: each names the variable it is read from,
# and where that is not set, what stands stays.
"""
OF_CHANNEL = (
    *("base_url", "enabled", "priority", "weight", "room", "groups", "models", "is_sandbox"),
    *("proxy", "ca_pem", "connect_timeout_s", "timeout_s"),
)
Limits = Mapping[tuple[int, int | None], list[LimitSeen]]
"""By tenant, and its token or none."""
_NO_VARIABLE = re.compile(r"[^A-Z0-9]+")


async def dump_setup(session: AsyncSession, *, zone: tzinfo, currency: str) -> str:
    """Spell all that `relay apply` can make."""
    prices = await read_prices(session, zone)
    tenants = await read_shown_tenants(session, zone=zone, currency=currency)
    limits: dict[tuple[int, int | None], list[LimitSeen]] = defaultdict(list)
    for one in await read_limits(session):
        limits[one.tenant_id, one.token_id].append(one)
    said = prices.multiplies_amounts
    top = ["prices_are_whole = true\n"]
    if said is not None:
        top.append(f"multiplies_amounts = {spell_value(said)}\n")
    channels = await read_rows(session)
    pairs = Counter(row.access_key or "" for row in channels)
    live = {row.name for row in channels}
    costs = [one for one in await list_costs(session) if one.channel in live]
    tables: list[tuple[str, Iterable[dict[str, Any]]]] = [
        ("channel", (_channel(row, is_double=pairs[row.access_key or ""] > 1) for row in channels)),
        ("cost", map(_cost, costs_that_tell(costs))),
        ("tenant", (_tenant(row, limits) for row in tenants)),
        ("token", _tokens(await read_named_tokens(session), limits)),
        ("alert_place", await _places(session)),
        ("alert_rule", await _rules(session)),
        ("operator", map(_operator, await read_operators(session))),
    ]
    spelt = [spell_table(kind, fields) for kind, rows in tables for fields in rows]
    names = {row.id: row.name for row in tenants}
    return "\n".join([HEAD, *top, *spelt, *spell_tables(prices, names)])


def variable(*words: str) -> str:
    """Name the variable that a secret is read from."""
    return "_".join(_NO_VARIABLE.sub("_", word.upper()).strip("_") for word in words)


def _channel(row: Channel, *, is_double: bool) -> dict[str, Any]:
    has = {
        "access_key": row.access_key is not None,
        "secret_key": row.access_key is not None,
        "api_key": row.api_key_sealed is not None,
        "webhook_secret": row.webhook_secret_sealed is not None,
        "proxy_password": row.proxy_password_sealed is not None,
    }
    fields = {name: getattr(row, name) for name in OF_CHANNEL}
    refs = {name: {"env": variable("channel", row.name, name)} for name in has if has[name]}
    return {
        "name": row.name,
        "same_account": (is_double and has["access_key"]) or None,
        **fields,
        "ca_pem": None if row.ca_pem is None else certificates_of(row.ca_pem),
        **refs,
    }


def _cost(one: ListedCost) -> dict[str, Any]:
    has_rate = one.cost.rate != one.cost.rate_per
    return {
        "channel": one.channel,
        "unit": one.cost.unit.value,
        "price": one.cost.price,
        "currency": one.cost.currency,
        "rate": one.cost.rate if has_rate else None,
        "rate_per": one.cost.rate_per if has_rate else None,
        "from": one.valid_from,
    }


def _tenant(row: ShownTenant, limits: Limits) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in (*OF_TENANT, *GATES)}
    gb_month = row.asset_gb_month_micros
    money: dict[str, Any] = {
        "credit": decimal_of(row.credit_micros),
        "asset_gb_month": None if gb_month is None else decimal_of(gb_month),
    }
    if row.parent is not None:
        fields |= dict.fromkeys(OF_WHO_PAYS)
        money = {"parent": row.parent, "factor": row.factor}
    return {"name": row.name, **money, **fields, "limits": _limits(limits[row.id, None])}


def _tokens(named: list[tuple[Token, str]], limits: Limits) -> Iterator[dict[str, Any]]:
    """Spell those that have bounds of their own, where one alone is called so."""
    called = Counter((tenant, token.name) for token, tenant in named)
    for token, tenant in named:
        bounds = {name: getattr(token, name) for name in (*OF_TOKEN, *GATES)}
        bounds["limits"] = _limits(limits[token.tenant_id, token.id])
        if called[tenant, token.name] == 1 and any(one is not None for one in bounds.values()):
            yield {"tenant": tenant, "name": token.name, **bounds}


def _limits(limits: Iterable[LimitSeen]) -> dict[str, Any] | None:
    found = {
        one.kind.value: decimal_of(one.allowed) if one.kind in IN_MICROS else one.allowed
        for one in limits
    }
    return found or None


async def _places(session: AsyncSession) -> list[dict[str, Any]]:
    """Spell places by their numbers in order, which are the same wherever the file makes them."""
    rows = await session.scalars(select(AlertPlace).order_by(AlertPlace.id))
    return [
        {
            "url": {"env": variable("alert_place", str(number))},
            "shown": row.shown,
            "least": row.least,
        }
        for number, row in enumerate(rows, 1)
    ]


async def _rules(session: AsyncSession) -> list[dict[str, Any]]:
    is_set = or_(AlertRule.bound.is_not(None), AlertRule.pause_s.is_not(None))
    rows = await session.scalars(select(AlertRule).where(is_set).order_by(AlertRule.name))
    return [{"name": row.name, "bound": row.bound, "pause_s": row.pause_s} for row in rows]


def _operator(row: Operator) -> dict[str, Any]:
    ceilings = {act: decimal_of(micros) for act, micros in sorted(row.ceilings.items())}
    return {"name": row.name, "role": row.role, "ceilings": ceilings or None}
