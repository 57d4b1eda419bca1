"""How `relay tenant` shows tenants, each with the account that it draws on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.show import print_json, print_table, yes_no
from relay.money import money, plain

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.ledger.tables import Account
    from relay.tenants.tables import Tenant


async def read_pair(session: AsyncSession, name: str) -> tuple[Tenant, Account]:
    """Read a tenant with what it draws on, as an act has left them."""
    from relay.desk.find import tenant_named
    from relay.ledger.tables import Account

    row = await tenant_named(session, name)
    return row, await session.get_one(Account, row.account_id, populate_existing=True)


def show_pair(pair: tuple[Tenant, Account], currency: str, *, as_json: bool) -> None:
    if as_json:
        print_json(described(*pair, currency))
    else:
        print_tenants([pair], currency)


def described(row: Tenant, account: Account, currency: str) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "enabled": row.enabled,
        "currency": currency,
        "quota_micros": account.quota_micros,
        "held_micros": account.held_micros,
        "available_micros": account.quota_micros - account.held_micros,
        "multiplier": plain(row.multiplier),
        "shows_quote": row.shows_quote,
        "joins_retries": row.joins_retries,
        "groups": row.groups,
        "tasks_max": account.tasks_max,
        "open_holds": account.open_holds,
        "created_at": row.created_at,
        "removed_at": row.removed_at,
    }


def print_tenants(found: list[tuple[Tenant, Account]], currency: str) -> None:
    money_columns = (">quota", ">held", ">available", ">times")
    print_table(
        ["tenant", "enabled", *money_columns, ">tasks max", ">open", "groups"],
        [
            (
                row.name,
                yes_no(row.enabled),
                money(account.quota_micros, currency),
                money(account.held_micros, currency),
                money(account.quota_micros - account.held_micros, currency),
                plain(row.multiplier),
                "none" if account.tasks_max is None else str(account.tasks_max),
                str(account.open_holds),
                "all" if row.groups is None else ", ".join(row.groups),
            )
            for row, account in found
        ],
        empty="There are no tenants yet: `relay tenant add NAME --quota 100` adds one.",
    )
