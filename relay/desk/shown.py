"""Tenants, tokens, channels and operators as operators are shown them, by command and by HTTP.

Never a secret: of a key what tells it from another.
"""

from datetime import datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.desk.find import tenant_named
from relay.desk.tables import Change
from relay.ledger.read import accounts_with_less, read_accounts
from relay.ledger.tables import Account
from relay.money import plain
from relay.operators.tables import Operator, OperatorToken, Role
from relay.pricing.in_force import Prices, read_prices
from relay.tenants.gate import COLUMNS as GATES
from relay.tenants.read import (
    ALL_TENANTS,
    TenantFilter,
    find_payer,
    list_tenants,
    read_tenants,
)
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token

KEY_CHARS_SHOWN = 4
"""Of an access key, and half of it at most."""


class ShownTenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant, with the account that it draws on."""

    id: int
    name: str
    enabled: bool
    account_id: int
    currency: str
    quota_micros: int
    """Below zero it is owed."""
    credit_micros: int
    """How far below zero its creates may take the quota."""
    held_micros: int
    available_micros: int
    """Quota and credit, less what is held."""
    multiplier: str
    """That counts now."""
    own_multiplier: str | None
    """Its own, all day; null is its price group's, or everybody's."""
    price_group: str | None
    parent: str | None
    """Whose sub-tenant it is: the account and the prices are that one's."""
    factor: str | None
    """Of a sub-tenant: how many times those its own are."""
    shows_quote: bool
    joins_retries: bool
    lints_creates: bool
    """Whether its creates are judged by Kling's documents before anything is held."""
    groups: list[str] | None
    """Of channels that serve it; null is all."""
    contact: str | None
    """Who is written to about it."""
    notes: str | None
    """What operators want to remember of it."""
    queue_s: int | None
    queue_weight: int
    room_min: int
    keep_results_days: int | None
    """For how many days files of its results are kept; null is not at all."""
    asset_bytes_max: int | None
    asset_gb_month_micros: int | None
    """What a GB-month of its files costs; null is what it costs everybody."""
    result_urls: str
    """Whose its tasks show of files that are kept: `kling` or `ours`."""
    tasks_max: int | None
    expires_at: datetime | None
    """Let in until then, with all its tokens; null is for good."""
    addresses: list[str] | None
    """Networks that it is let in from; null is from everywhere."""
    endpoints: list[str] | None
    models: list[str] | None
    open_holds: int
    created_at: datetime
    removed_at: datetime | None


class ShownToken(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's token, without its secrets."""

    id: int
    tenant: str
    access_key: str | None
    api_key_hint: str | None
    name: str | None
    """What people call it."""
    expires_at: datetime | None
    addresses: list[str] | None
    """Networks that it is taken from; null is from everywhere."""
    endpoints: list[str] | None
    models: list[str] | None
    groups: list[str] | None
    scope: Scope
    """What it may be used for."""
    made_by_id: int | None
    """The token of the same tenant that made it; they end with it."""
    old_keys_until: datetime | None
    """Until when the keys are taken too that it had before it was rotated; null is none."""
    is_test: bool
    queue_s: int | None
    created_at: datetime
    revoked_at: datetime | None


class ShownChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel, without its keys."""

    id: int
    name: str
    base_url: str
    access_key: str | None
    has_key_pair: bool
    has_api_key: bool
    has_webhook_secret: bool
    proxy: str | None
    has_proxy_password: bool
    has_certificates: bool
    connect_timeout_s: float | None
    timeout_s: float | None
    enabled: bool
    is_draining: bool
    room: dict[str, int]
    groups: list[str]
    models: list[str]
    priority: int
    weight: int
    is_sandbox: bool
    confirmed_lookups: list[str]
    trial_at: datetime | None
    callback_at: datetime | None
    created_at: datetime
    removed_at: datetime | None


class ShownOperator(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    role: Role
    ceilings_micros: dict[str, int]
    """Its own, in 24 hours, by act."""
    has_password: bool
    has_second_factor: bool
    created_at: datetime
    removed_at: datetime | None


class ShownOperatorToken(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    operator: str
    hint: str
    """Its last characters."""
    addresses: list[str] | None
    """Networks that it is taken from; null is anywhere."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Subject(msgspec.Struct, frozen=True):
    """On what something was done."""

    kind: str
    id: int | None
    name: str
    """Then."""


class ShownChange(msgspec.Struct, frozen=True, kw_only=True):
    """What was done at the desk."""

    id: int
    at: datetime
    actor: str
    origin: str
    request_id: str | None
    act: str
    subject: Subject
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None


async def read_shown_tenant(
    session: AsyncSession, name: str, *, zone: tzinfo, currency: str
) -> ShownTenant:
    """Read a tenant with what it draws on and its multiplier, as an act has left them.

    Raises:
        NoSuch
    """
    row = await tenant_named(session, name)
    account = await session.get_one(Account, row.account_id, populate_existing=True)
    prices = await read_prices(session, zone)
    return _shown_tenant(row, await find_payer(session, row), account, prices, currency)


async def read_shown_tenants(
    session: AsyncSession, *, zone: tzinfo, currency: str, with_removed: bool = False
) -> list[ShownTenant]:
    """Read every tenant, by name; removed ones last."""
    rows = await read_tenants(session, with_removed=with_removed)
    by_id = {row.id: row for row in rows}
    paid = [(row, by_id[row.parent_id or row.id]) for row in rows]
    return await _shown_tenants(session, paid, zone, currency)


async def list_shown_tenants(
    session: AsyncSession,
    wanted: TenantFilter = ALL_TENANTS,
    *,
    zone: tzinfo,
    currency: str,
    below_micros: int | None = None,
    limit: int,
) -> list[ShownTenant]:
    """List tenants, newest first, as `read_shown_tenants` has them.

    `below_micros`: only those with less available.
    """
    accounts = None if below_micros is None else accounts_with_less(below_micros)
    rows = await list_tenants(session, wanted, accounts=accounts, limit=limit)
    return await _shown_tenants(session, rows, zone, currency)


async def _shown_tenants(
    session: AsyncSession, rows: list[tuple[Tenant, Tenant]], zone: tzinfo, currency: str
) -> list[ShownTenant]:
    """Show tenants, each given with who pays for it."""
    accounts = await read_accounts(session, {row.account_id for row, _ in rows})
    prices = await read_prices(session, zone)
    return [
        _shown_tenant(row, payer, accounts[row.account_id], prices, currency) for row, payer in rows
    ]


def _shown_tenant(
    row: Tenant, payer: Tenant, account: Account, prices: Prices, currency: str
) -> ShownTenant:
    own = [
        one for one in prices.standing_multipliers if one.tenant_id == row.id and one.hours is None
    ]
    last = max(own, key=lambda one: one.valid_from or prices.at, default=None)
    return ShownTenant(
        id=row.id,
        name=row.name,
        enabled=row.enabled,
        account_id=row.account_id,
        currency=currency,
        quota_micros=account.quota_micros,
        credit_micros=account.credit_micros,
        held_micros=account.held_micros,
        available_micros=account.available_micros,
        multiplier=plain(prices.book(payer.id, payer.price_group).multiplier),
        own_multiplier=None if last is None else plain(last.times),
        price_group=payer.price_group,
        parent=None if row.parent_id is None else payer.name,
        factor=None if row.resale is None else plain(row.resale),
        shows_quote=row.shows_quote,
        joins_retries=row.joins_retries,
        lints_creates=row.lints_creates,
        groups=row.groups,
        contact=row.contact,
        notes=row.notes,
        queue_s=row.queue_s,
        queue_weight=row.queue_weight,
        room_min=row.room_min,
        keep_results_days=row.keep_results_days,
        asset_bytes_max=row.asset_bytes_max,
        asset_gb_month_micros=row.asset_gb_month_micros,
        result_urls=row.result_urls,
        tasks_max=account.tasks_max,
        **{name: getattr(row, name) for name in GATES},
        open_holds=account.open_holds,
        created_at=row.created_at,
        removed_at=row.removed_at,
    )


def shown_token(row: Token, tenant: str) -> ShownToken:
    return ShownToken(
        tenant=tenant,
        scope=Scope(row.scope),
        old_keys_until=row.former_until,
        **_of(row, ShownToken, but=("tenant", "scope", "old_keys_until")),
    )


def shown_channel(row: Channel) -> ShownChannel:
    has: dict[str, Any] = {
        "has_key_pair": row.access_key is not None,
        "has_api_key": row.api_key_sealed is not None,
        "has_webhook_secret": row.webhook_secret_sealed is not None,
        "has_proxy_password": row.proxy_password_sealed is not None,
        "has_certificates": row.ca_pem is not None,
        "access_key": shortened(row.access_key),
    }
    return ShownChannel(**has, **_of(row, ShownChannel, but=tuple(has)))


def shown_operator(row: Operator) -> ShownOperator:
    has: dict[str, Any] = {
        "has_password": row.password_hash is not None,
        "has_second_factor": row.totp_sealed is not None,
        "ceilings_micros": dict(row.ceilings),
    }
    return ShownOperator(
        **has,
        **_of(row, ShownOperator, but=(*has, "role")),
        role=Role(row.role),
    )


def shown_operator_token(row: OperatorToken, operator: str) -> ShownOperatorToken:
    return ShownOperatorToken(operator=operator, **_of(row, ShownOperatorToken, but=("operator",)))


def shown_change(row: Change) -> ShownChange:
    subject = Subject(row.subject_kind, row.subject_id, row.subject)
    return ShownChange(subject=subject, **_of(row, ShownChange, but=("subject",)))


def shortened(access_key: str | None) -> str | None:
    """Show enough to tell accounts apart: half of it at most."""
    if access_key is None:
        return None
    return f"{access_key[: min(KEY_CHARS_SHOWN, len(access_key) // 2)]}…"


def _of(row: Any, shown: type[msgspec.Struct], *, but: tuple[str, ...]) -> dict[str, Any]:
    """Take what a row has under the same name."""
    names = (name for name in shown.__struct_fields__ if name not in but)
    return {name: getattr(row, name) for name in names}
