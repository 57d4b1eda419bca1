"""Limits that are set and read as an operator does."""

from datetime import UTC, datetime
from decimal import Decimal

from relay.desk.limits import raise_limit, set_limits
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tenants import TenantChanges, change_tenant
from relay.desk.tokens import issue_token
from relay.limits.read import LimitSeen, read_limits
from relay.limits.tables import LimitKind
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.relay_app import ACTOR, Relay


async def limit(
    relay: Relay, *, tenant: str | None = None, token_id: int | None = None, **allowed: int | None
) -> None:
    """Set limits by their kinds: `day=420_000`; None takes one away."""
    wanted = {LimitKind(kind): amount for kind, amount in allowed.items()}
    async with relay.sessions.begin() as session:
        await set_limits(session, ACTOR, wanted, tenant=tenant, token_id=token_id, zone=UTC)


async def further_token(relay: Relay, tenant: str = "acme") -> IssuedToken:
    async with relay.sessions.begin() as session:
        return await issue_token(session, ACTOR, tenant, relay.keys)


async def sub_tenant(
    relay: Relay, name: str, factor: str, *, parent: str = "acme", scope: Scope = Scope.CALL
) -> IssuedToken:
    """Open a tenant below another one; its equal creates are tasks of their own."""
    async with relay.sessions.begin() as session:
        opened = await open_sub_tenant(session, ACTOR, parent, name, resale=Decimal(factor))
        changes = TenantChanges(joins_retries=False)
        await change_tenant(session, ACTOR, opened.name, changes)
        return await issue_token(session, ACTOR, opened.name, relay.keys, scope=scope)


async def set_factor(relay: Relay, tenant: str, factor: str) -> None:
    async with relay.sessions.begin() as session:
        await change_tenant(session, ACTOR, tenant, TenantChanges(resale=Decimal(factor)))
    read_tokens_anew(relay)


def read_tokens_anew(*relays: Relay) -> None:
    """Have tokens read at the next request, as when they are two seconds old."""
    for relay in relays:
        relay.faces.kling._authenticator._changed.forget()  # noqa: SLF001 (instead of the two seconds)


async def lift(relay: Relay, kind: LimitKind, amount: int, until: datetime, *, tenant: str) -> None:
    """Raise a tenant's limit until a moment."""
    async with relay.sessions.begin() as session:
        await raise_limit(session, ACTOR, kind, amount, until=until, tenant=tenant)


async def limits(relay: Relay) -> dict[LimitKind, LimitSeen]:
    """All that there are, where each kind is there once."""
    async with relay.sessions() as session:
        return {seen.kind: seen for seen in await read_limits(session)}


async def pass_window(relay: Relay, kind: LimitKind) -> None:
    """Put the windows of a kind, and what tasks took of them, forty days back: they are over."""
    await relay.rows(
        "UPDATE limits SET start_at = start_at - interval '40 days',"
        " until_at = until_at - interval '40 days' WHERE kind = $1",
        kind.value,
    )
    await relay.rows(
        "UPDATE tasks SET limit_starts = ARRAY("
        " SELECT s - CASE WHEN l.id IS NULL THEN interval '0' ELSE interval '40 days' END"
        " FROM unnest(limit_ids, limit_starts) WITH ORDINALITY AS w (i, s, n)"
        " LEFT JOIN limits l ON l.id = w.i AND l.kind = $1 ORDER BY n"
        ") WHERE limit_ids IS NOT NULL",
        kind.value,
    )
