"""A tenant opened with all that it needs to begin: quota, limits, keys and its webhook secret.

Each part is the act that it is alone, under the same roles and with its own change; all of them are
one transaction.
"""

from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.limits import set_limits
from relay.desk.tenants import TenantChanges, change_tenant, issue_webhook_secret, open_tenant
from relay.desk.tokens import IssuedToken, issue_token
from relay.limits.tables import LimitKind
from relay.secrets import KeyRing
from relay.tenants.tables import Tenant


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant begins with."""

    name: str
    quota_micros: int = 0
    multiplier: Decimal | None = None
    price_group: str | None = None
    tasks_max: int | None = None
    groups: list[str] | None = None
    """Of channels that serve it; None is all."""
    contact: str | None = None
    """Who is written to about it."""
    limits: Mapping[LimitKind, int | None] = {}


class Opened(msgspec.Struct, frozen=True):
    """What was made; the only moment at which its secrets are known."""

    tenant: Tenant
    token: IssuedToken
    webhook_secret: str

    def __repr__(self) -> str:
        return f"Opened({self.tenant.name!r})"


async def open_whole(
    session: AsyncSession,
    actor: Actor,
    opening: Opening,
    *,
    currency: str,
    keys: KeyRing,
    zone: tzinfo,
) -> Opened:
    """Open a tenant, limit it, make its keys and the secret that signs its callbacks.

    `zone`: in which the days of limits begin.

    Raises:
        NameTaken, CurrencyMismatch, Unusable, NotAllowed, OverCeiling: of whichever part it is.
        SecretKeyError: the secret keys are not this database's.
    """
    name = opening.name
    await open_tenant(
        *(session, actor, name),
        quota_micros=opening.quota_micros,
        currency=currency,
        multiplier=opening.multiplier,
        price_group=opening.price_group,
        tasks_max=opening.tasks_max,
    )
    tenant = await change_tenant(
        *(session, actor, name), TenantChanges(groups=opening.groups, contact=opening.contact)
    )
    if opening.limits:
        await set_limits(session, actor, opening.limits, tenant=name, zone=zone)
    token = await issue_token(session, actor, name, keys)
    secret = await issue_webhook_secret(session, actor, name, keys, may_rotate=False)
    return Opened(tenant, token, secret.secret)
