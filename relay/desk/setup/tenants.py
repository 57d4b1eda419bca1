"""Tenants, sub-tenants and single tokens as a file has them, with what bounds them.

What stands is read at once, for all of a file: one that is as the file says costs no statement.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.errors import Unusable
from relay.desk.gates import GateChanges, check_gates, set_gates
from relay.desk.limits import set_limits
from relay.desk.money import set_credit
from relay.desk.setup.entries import BoundEntry, TenantEntry, TokenEntry
from relay.desk.setup.file import Labelled
from relay.desk.setup.plan import With, labelled
from relay.desk.sub_tenants import OF_WHO_PAYS, open_sub_tenant
from relay.desk.tenants import TenantChanges, change_tenant, open_tenant, remove_tenant
from relay.desk.tokens import change_token, revoke_token
from relay.ledger.read import read_accounts
from relay.ledger.tables import Account
from relay.limits.read import read_limits
from relay.limits.tables import LimitKind
from relay.money import micros_of
from relay.tenants.gate import COLUMNS as GATES
from relay.tenants.read import find_tenant, own_name, read_named_tokens, read_tenants
from relay.tenants.tables import Tenant, Token

OF_TENANT = (
    *("enabled", "price_group", "tasks_max", "groups", "contact", "notes"),
    *("shows_quote", "joins_retries", "lints_creates", "queue_s", "queue_weight", "room_min"),
    *("keep_results_days", "asset_bytes_max", "result_urls"),
)
OF_TOKEN = ("groups", "queue_s")
WHY = "as a file says that was applied"
"""Why a credit is what it is."""

Allowed = dict[LimitKind, int]


class Standing:
    """Tenants and what bounds them, as they were before the first act."""

    def __init__(
        self,
        tenants: Iterable[Tenant],
        accounts: dict[int, Account],
        limits: dict[tuple[int, int | None], Allowed],
        tokens: dict[tuple[str, str], list[Token]],
    ) -> None:
        self.tenants = {row.name: row for row in tenants}
        self.names = {row.id: row.name for row in self.tenants.values()}
        self.accounts = accounts
        self.limits = limits
        self.tokens = tokens


async def read_standing(session: AsyncSession) -> Standing:
    """Read all of it, in a few statements."""
    limits: dict[tuple[int, int | None], Allowed] = defaultdict(dict)
    for one in await read_limits(session):
        limits[one.tenant_id, one.token_id][one.kind] = one.allowed
    tokens: dict[tuple[str, str], list[Token]] = defaultdict(list)
    for token, tenant in await read_named_tokens(session):
        tokens[tenant, token.name or ""].append(token)
    tenants = await read_tenants(session)
    accounts = await read_accounts(session, {row.account_id for row in tenants})
    return Standing(tenants, accounts, dict(limits), dict(tokens))


async def put_tenants(
    session: AsyncSession,
    actor: Actor,
    entries: Labelled[TenantEntry],
    standing: Standing,
    given: With,
) -> None:
    for label, entry in entries:
        if not entry.remove:
            with labelled(label):
                await _put_tenant(session, actor, entry, standing, given)


async def put_tokens(
    session: AsyncSession,
    actor: Actor,
    entries: Labelled[TokenEntry],
    standing: Standing,
    *,
    given: With,
    notes: list[str],
) -> None:
    """Bound the tokens that are called so; of those that are to be made it is noted how."""
    for label, entry in entries:
        found = standing.tokens.get((entry.tenant, entry.name), [])
        with labelled(label):
            if len(found) > 1:
                raise Unusable(f"'{entry.tenant}' has {len(found)} keys that are called so")
            if found and entry.remove:
                await revoke_token(session, actor, found[0].id)
            elif found:
                await _put_token(session, actor, entry, found[0], standing=standing, given=given)
            elif not entry.remove:
                notes.append(
                    f"{label}: there is none, and no file makes one, since its keys are shown once:"
                    f" relay token add {entry.tenant} --name {entry.name}"
                )


async def remove_tenants(
    session: AsyncSession, actor: Actor, entries: Labelled[TenantEntry]
) -> None:
    """Remove what goes, sub-tenants before those above them."""
    for label, entry in sorted(entries, key=lambda one: one[1].name, reverse=True):
        if entry.remove and await find_tenant(session, entry.name) is not None:
            with labelled(label):
                await remove_tenant(session, actor, entry.name)


async def _put_tenant(
    session: AsyncSession, actor: Actor, entry: TenantEntry, standing: Standing, given: With
) -> None:
    row = standing.tenants.get(entry.name)
    if row is None:
        row = await _open(session, actor, entry, given)
    elif entry.parent is not None and standing.names.get(row.parent_id or 0) != entry.parent:
        raise Unusable(f"it is there, and no sub-tenant of '{entry.parent}'")
    account = standing.accounts.get(row.account_id)
    if account is None:
        account = await session.get_one(Account, row.account_id)
    is_below = row.parent_id is not None
    wanted = entry.given(*OF_TENANT) | entry.storage_price
    changes: dict[str, Any] = {
        name: value
        for name, value in wanted.items()
        if _in_order(value) != _in_order(_of(row, account, name))
        or (is_below and name in OF_WHO_PAYS)
    }
    if entry.factor is not None and entry.factor != row.resale:
        changes["resale"] = entry.factor
    if changes:
        await change_tenant(session, actor, entry.name, TenantChanges(**changes))
    if entry.credit is not None and micros_of(entry.credit) != account.credit_micros:
        micros = micros_of(entry.credit)
        await set_credit(session, actor, entry.name, credit_micros=micros, reason=WHY)
    await _bound(*(session, actor, entry), tenant=row, token=None, standing=standing, given=given)


async def _open(session: AsyncSession, actor: Actor, entry: TenantEntry, given: With) -> Tenant:
    if entry.parent is None:
        quota = entry.opening_quota
        return await open_tenant(
            *(session, actor, entry.name),
            quota_micros=0 if quota is None else micros_of(quota),
            currency=given.currency,
        )
    factor = Decimal(1) if entry.factor is None else entry.factor
    return await open_sub_tenant(
        *(session, actor, entry.parent, own_name(entry.name)), resale=factor
    )


async def _put_token(
    session: AsyncSession,
    actor: Actor,
    entry: TokenEntry,
    token: Token,
    *,
    standing: Standing,
    given: With,
) -> None:
    changes = {
        name: value
        for name, value in entry.given(*OF_TOKEN).items()
        if _in_order(value) != _in_order(getattr(token, name))
    }
    if changes:
        await change_token(session, actor, token.id, **changes)
    tenant = standing.tenants[entry.tenant]
    await _bound(
        *(session, actor, entry), tenant=tenant, token=token, standing=standing, given=given
    )


async def _bound(
    session: AsyncSession,
    actor: Actor,
    entry: BoundEntry,
    *,
    tenant: Tenant,
    token: Token | None,
    standing: Standing,
    given: With,
) -> None:
    """Set gates and limits of a tenant, or of one token of it, that are not as the file says."""
    whose: dict[str, Any] = {"tenant": tenant.name} if token is None else {"token_id": token.id}
    row = token or tenant
    wanted = check_gates(GateChanges(**entry.given(*GATES)))
    gates = {name: value for name, value in wanted.items() if value != getattr(row, name)}
    if gates:
        await set_gates(session, actor, GateChanges(**gates), **whose)
    there = standing.limits.get((tenant.id, None if token is None else token.id), {})
    limits = {kind: most for kind, most in entry.allowed.items() if most != there.get(kind)}
    if limits:
        await set_limits(session, actor, limits, zone=given.zone, **whose)


def _of(row: Tenant, account: Account, name: str) -> object:
    return account.tasks_max if name == "tasks_max" else getattr(row, name)


def _in_order(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value
