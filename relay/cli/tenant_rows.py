"""Tenants as commands print them, with their account and the multiplier that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.show import print_json, print_table, yes_no
from relay.money import money, plain

if TYPE_CHECKING:
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.ledger.tables import Account
    from relay.settings import Settings
    from relay.tenants.tables import Tenant

    Shown = tuple[Tenant, Account, Decimal]


async def read_tenant(session: AsyncSession, name: str, settings: Settings) -> Shown:
    """Read a tenant with what it draws on and its multiplier, as an act has left them."""
    from relay.desk.find import tenant_named
    from relay.ledger.tables import Account
    from relay.pricing.in_force import read_prices

    row = await tenant_named(session, name)
    account = await session.get_one(Account, row.account_id, populate_existing=True)
    prices = await read_prices(session, settings.zone)
    return row, account, prices.book(row.id, row.price_group).multiplier


def show_tenant(pair: Shown, currency: str, *, as_json: bool) -> None:
    if as_json:
        print_json(described_tenant(*pair, currency))
    else:
        print_tenants([pair], currency)


def described_tenant(
    row: Tenant, account: Account, multiplier: Decimal, currency: str
) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "enabled": row.enabled,
        "currency": currency,
        "quota_micros": account.quota_micros,
        "held_micros": account.held_micros,
        "available_micros": account.quota_micros - account.held_micros,
        "multiplier": plain(multiplier),
        "price_group": row.price_group,
        "shows_quote": row.shows_quote,
        "joins_retries": row.joins_retries,
        "groups": row.groups,
        "queue_s": row.queue_s,
        "queue_weight": row.queue_weight,
        "room_min": row.room_min,
        "tasks_max": account.tasks_max,
        "open_holds": account.open_holds,
        "created_at": row.created_at,
        "removed_at": row.removed_at,
    }


def print_tenants(found: list[Shown], currency: str) -> None:
    money_columns = (">quota", ">held", ">available", ">times")
    print_table(
        [
            *("tenant", "enabled", *money_columns, ">tasks max", ">open", "price group"),
            *("groups", "queue"),
        ],
        [
            (
                row.name,
                yes_no(row.enabled),
                money(account.quota_micros, currency),
                money(account.held_micros, currency),
                money(account.quota_micros - account.held_micros, currency),
                plain(multiplier),
                "none" if account.tasks_max is None else str(account.tasks_max),
                str(account.open_holds),
                row.price_group or "none",
                "all" if row.groups is None else ", ".join(row.groups),
                _waits(row),
            )
            for row, account, multiplier in found
        ],
        empty="There are no tenants yet: `relay tenant add NAME --quota 100` adds one.",
    )


def _waits(row: Tenant) -> str:
    """Say for how long its creates wait for room, and what is unlike others' about it."""
    from relay.tasks.queue.wait import spell_wait

    said = [spell_wait(row.queue_s)]
    if row.queue_weight != 1:
        said.append(f"weight {row.queue_weight}")
    if row.room_min:
        said.append(f"least {row.room_min}")
    return ", ".join(said)
